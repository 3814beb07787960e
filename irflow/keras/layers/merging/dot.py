"""`Dot`: products of two inputs, example by example."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from irflow import nn
from irflow import numpy as inp
from irflow.errors import UsageError
from irflow.frontend.tensor import Tensor
from irflow.keras.layers.builtin import Shape
from irflow.keras.layers.merging.base import Merge


class Dot(Merge):
    """The sum of products along one axis of each of two inputs.

    Args:
        axes: the axis of both, or one for each; not the batch.
        normalize: whether the vectors along the axes get length 1 first, so that the result is a
            cosine.

    Call:
        inputs: `[a, b]`, for example `[n, t, d]` and `[n, s, d]` with `axes=2`.

    Returns:
        The other axes of `a`, then those of `b`: `[n, t, s]`; `[n, 1]` where none is left.

    Raises:
        UsageError: `axes` is neither a number nor two, or is the batch.
        ShapeError: there are not two inputs, or the axes differ in size.
    """

    config_names = ("axes", "normalize")

    def __init__(self, axes: int | Sequence[int], normalize: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axes = axes if isinstance(axes, int) else tuple(axes)
        pair = (axes, axes) if isinstance(axes, int) else tuple(axes)
        if len(pair) != 2 or 0 in pair:
            raise UsageError("Dot: axes is a number but 0, or two of them", facts=[("axes", axes)])
        self._pair = pair
        self.normalize = normalize

    def check(self, shapes: list[Shape]) -> None:
        if len(shapes) != 2:
            raise self.misfit("two inputs are wanted", shapes)
        for shape, axis in zip(shapes, self._pair, strict=True):
            if not -len(shape) < axis < len(shape):
                raise self.misfit(f"an input without axis {axis}", shapes)
        sizes = {shape[axis] for shape, axis in zip(shapes, self._pair, strict=True)}
        if len(sizes - {None}) > 1:
            raise self.misfit(f"the sizes along axes {self._pair} differ", shapes)

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        pairs = list(zip(inputs, self._pair, strict=True))
        x, y = (nn.l2_normalize(t, axis, 1e-24) if self.normalize else t for t, axis in pairs)
        places = [axis % t.ndim for t, axis in pairs]
        result = inp.dot_general(x, y, ((places[0],), (places[1],)), ((0,), (0,)))
        return inp.expand_dims(result, 1) if result.ndim == 1 else result

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        return None
