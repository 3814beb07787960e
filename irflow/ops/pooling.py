"""Pooling: the largest or the mean element of every window of `[N, *spatial, C]`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from irflow import dtypes
from irflow.dims import Size
from irflow.ops.broadcast import broadcast, reduce, reduce_sum
from irflow.ops.elementwise import convert
from irflow.ops.operand import GraphOperand
from irflow.ops.shape import pad
from irflow.ops.windows import windows
from irflow.scalars import find

Padding = Sequence[tuple[Size, Size]]


def max_pool(
    x: GraphOperand,
    window: Sequence[int],
    strides: Sequence[int] | None = None,
    padding: Padding | None = None,
    dilations: Sequence[int] | None = None,
) -> Any:
    """The largest element of every window: `[N, *spatial, C] -> [N, *out, C]`.

    Args:
        x: numbers; padded elements count as the least value of their type.
        window: sizes of the window, one a spatial axis.
        strides: distances of the windows; the window size by default.
        padding: elements added `(before, behind)` each spatial axis; none by default.
        dilations: distances of the elements of a window; 1 by default.

    The gradient is shared evenly among ties.
    """
    row = find("maximum")
    assert row.identity is not None
    seen = _windows(x, window, strides, padding, dilations, row.identity(x.dtype))
    return reduce(row, seen, _window_axes(window))


def avg_pool(
    x: GraphOperand,
    window: Sequence[int],
    strides: Sequence[int] | None = None,
    padding: Padding | None = None,
    dilations: Sequence[int] | None = None,
    count_padding: bool = False,
) -> Any:
    """The mean of every window: `[N, *spatial, C] -> [N, *out, C]`, integers giving f32.

    Args:
        x: numbers; padded elements count as 0.
        window: sizes of the window, one a spatial axis.
        strides: distances of the windows; the window size by default.
        padding: elements added `(before, behind)` each spatial axis; none by default.
        dilations: distances of the elements of a window; 1 by default.
        count_padding: divide by the size of the window also where it reaches into the padding,
            instead of by the number of elements of `x` that it covers.
    """
    wide = convert(x, dtypes.compute_dtype(dtypes.to_inexact(x.dtype)))
    total = reduce_sum(_windows(wide, window, strides, padding, dilations, 0), _window_axes(window))
    if count_padding or padding is None:
        count = 1
        for size in window:
            count *= size
        mean = total / count
    else:
        ones = wide.full(1, (1, *x.shape[1:-1], 1))
        seen = _windows(ones, window, strides, padding, dilations, 0)
        covered = reduce_sum(seen, _window_axes(window))
        mean = total / broadcast(covered, total.shape, range(total.ndim))
    return convert(mean, dtypes.to_inexact(x.dtype))


def _windows(
    x: GraphOperand,
    window: Sequence[int],
    strides: Sequence[int] | None,
    padding: Padding | None,
    dilations: Sequence[int] | None,
    fill: Any,
) -> Any:
    around = padding if padding is not None else [(0, 0)] * len(window)
    low, high = ([0, *(pair[side] for pair in around), 0] for side in (0, 1))
    steps = strides if strides is not None else window
    return windows(pad(x, low, high, fill=fill), window, steps, dilations)


def _window_axes(window: Sequence[int]) -> range:
    rank = len(window)
    return range(rank + 1, 2 * rank + 1)
