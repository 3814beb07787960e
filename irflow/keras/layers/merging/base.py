"""What layers of several inputs share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from irflow.errors import ShapeError
from irflow.frontend.tensor import Tensor
from irflow.keras.layers.builtin import BuiltinLayer, Shape
from irflow.nn.activations import row


class Merge(BuiltinLayer):
    """The base of the layers that join a list of inputs.

    A mask of the result is true where that of any input is; without a mask of every input there
    is none.

    Raises:
        ShapeError: the input is no list, or a batch differs from another.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, input_shape: Sequence[Shape]) -> None:
        if not input_shape or not isinstance(input_shape[0], (tuple, list)):
            raise self.misfit("a list of inputs is wanted", input_shape)
        if len({shape[0] for shape in input_shape if shape} - {None}) > 1:
            raise self.misfit("the batches differ", input_shape)
        self.check(list(input_shape))

    def check(self, shapes: list[Shape]) -> None:
        """Refuse shapes that do not fit each other."""

    def misfit(self, rule: str, shapes: object) -> ShapeError:
        """The error for inputs of these shapes."""
        rows = shapes if isinstance(shapes, list) else [shapes]
        return ShapeError(
            f'layer "{self.name}": {rule}',
            facts=[(f"input {i}", shape) for i, shape in enumerate(rows)],
        )

    def compute_mask(self, inputs: Any, mask: Any = None) -> Tensor | None:
        if mask is None or any(one is None for one in mask):
            return None
        joined: Tensor = mask[0]
        for one in mask[1:]:
            joined = row("logical_or", joined, one)
        return joined
