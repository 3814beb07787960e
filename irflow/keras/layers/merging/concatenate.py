"""`Concatenate`: inputs behind each other along an axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from irflow import numpy as inp
from irflow.frontend.tensor import Tensor
from irflow.keras.layers.builtin import Shape
from irflow.keras.layers.merging.base import Merge


class Concatenate(Merge):
    """The inputs of a list behind each other.

    Args:
        axis: along which; the other sizes are equal.

    Raises:
        ShapeError: ranks or other sizes differ.
    """

    config_names = ("axis",)

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def check(self, shapes: list[Shape]) -> None:
        ranks = {len(shape) for shape in shapes}
        rank = len(shapes[0])
        if len(ranks) > 1 or not -rank <= self.axis < rank:
            raise self.misfit(f"inputs of one rank with an axis {self.axis} are wanted", shapes)
        for axis in set(range(rank)) - {self.axis % rank}:
            if len({shape[axis] for shape in shapes} - {None}) > 1:
                raise self.misfit(f"the sizes of axis {axis} differ", shapes)

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        return inp.concatenate(list(inputs), self.axis)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Tensor | None:
        if mask is None or all(one is None for one in mask):
            return None
        parts = [_whole(m, x) for m, x in zip(mask, inputs, strict=True)]
        return inp.any(inp.concatenate(parts, self.axis), -1)


def _whole(mask: Tensor | None, x: Tensor) -> Tensor:
    """A mask of steps, or none, as one of the elements of a tensor."""
    if mask is None:
        return inp.ones_like(x, dtype=inp.bool_)
    return mask if mask.ndim == x.ndim else inp.broadcast_to(inp.expand_dims(mask, -1), x.shape)
