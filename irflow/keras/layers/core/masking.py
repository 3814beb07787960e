"""`Masking`: steps of a sequence that later layers leave out."""

from __future__ import annotations

from typing import Any

from irflow import numpy as inp
from irflow.frontend.tensor import Tensor
from irflow.keras.layers.builtin import BuiltinLayer
from irflow.nn.activations import row


class Masking(BuiltinLayer):
    """Steps that are `mask_value` throughout become 0 and are masked for the layers behind.

    Args:
        mask_value: a number.

    Call:
        inputs: `[n, steps, ..., features]`; the mask is `[n, steps, ...]`.
    """

    config_names = ("mask_value",)

    def __init__(self, mask_value: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mask_value = mask_value
        self.supports_masking = True

    def compute_mask(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        return inp.any(row("not_equal", inputs, self.mask_value), -1)

    def call(self, inputs: Tensor) -> Tensor:
        counts = inp.expand_dims(self.compute_mask(inputs), -1)
        return inp.where(counts, inputs, inp.zeros_like(inputs))
