"""`Embedding`: whole numbers as rows of a table."""

from __future__ import annotations

from typing import Any

from irflow import nn
from irflow import numpy as inp
from irflow.frontend.tensor import Tensor
from irflow.keras.layers.builtin import BuiltinLayer, Shape, positive
from irflow.nn.activations import row


class Embedding(BuiltinLayer):
    """The rows of a learned table.

    Args:
        input_dim: how many rows there are: the largest number plus 1.
        output_dim: the length of a row.
        embeddings_initializer: of `embeddings`, `[input_dim, output_dim]`.
        embeddings_regularizer: a term of the loss.
        embeddings_constraint: what the table is put through after each step.
        mask_zero: whether 0 stands for nothing, so that later layers leave it out.
        weights: the first value of the table; `[table]` or the table.

    Call:
        inputs: whole numbers `[n, ...]`; floats are cut off.

    Returns:
        `[n, ..., output_dim]`.
    """

    config_names = (
        "input_dim", "output_dim", "embeddings_initializer", "embeddings_regularizer",
        "embeddings_constraint", "mask_zero",
    )  # fmt: skip

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        weights: Any = None,
        **kwargs: Any,
    ) -> None:
        # Numbers of rows must not be rounded to the type of computation.
        super().__init__(**{"autocast": False, **kwargs})
        self.input_dim = positive("Embedding", "input_dim", input_dim)
        self.output_dim = positive("Embedding", "output_dim", output_dim)
        if weights is not None:
            table = weights[0] if isinstance(weights, (list, tuple)) else weights
            embeddings_initializer = inp.asarray(table)
        self.settle(
            "embeddings", embeddings_initializer, embeddings_regularizer, embeddings_constraint
        )
        self.mask_zero = mask_zero
        self.supports_masking = mask_zero

    @property
    def numbers_below(self) -> int:
        """What every number of the inputs is below; data is checked for it."""
        return self.input_dim

    def build(self, input_shape: Shape) -> None:
        self.embeddings = self.weight((self.input_dim, self.output_dim), "embeddings")

    def call(self, inputs: Tensor) -> Tensor:
        numbers = inputs if inputs.dtype.is_integer else inp.astype(inputs, inp.int32)
        return inp.astype(nn.embedding(self.embeddings, numbers), self.compute_dtype)

    def compute_mask(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor | None:
        return row("not_equal", inputs, 0) if self.mask_zero else None
