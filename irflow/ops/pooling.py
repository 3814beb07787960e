"""Pooling: the largest or the mean element of every window of `[N, *spatial, C]`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from irflow import dtypes
from irflow.dims import Size
from irflow.ops.broadcast import broadcast, reduce
from irflow.ops.elementwise import convert
from irflow.ops.operand import GraphOperand
from irflow.ops.pools import Pool
from irflow.ops.shape import pad
from irflow.ops.windows import windows
from irflow.scalars import Scalar, find

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
    return _pool(x, find("maximum"), window, strides, padding, dilations)


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
    total = _pool(wide, find("add"), window, strides, padding, dilations)
    if count_padding or padding is None:
        count = 1
        for size in window:
            count *= size
        mean = total / count
    else:
        ones = wide.full(1, (1, *x.shape[1:-1], 1))
        covered = _pool(ones, find("add"), window, strides, padding, dilations)
        mean = total / broadcast(covered, total.shape, range(total.ndim))
    return convert(mean, dtypes.to_inexact(x.dtype))


def _pool(
    x: GraphOperand,
    row: Scalar,
    window: Sequence[int],
    strides: Sequence[int] | None,
    padding: Padding | None,
    dilations: Sequence[int] | None,
) -> Any:
    """Each window reduced by a row."""
    steps = tuple(window if strides is None else strides)
    gaps = (1,) * len(window) if dilations is None else tuple(dilations)
    around = tuple((low, high) for low, high in padding or [(0, 0)] * len(window))
    known = [(low, high) for low, high in around if isinstance(low, int) and isinstance(high, int)]
    if len(known) == len(around):
        return x.emit(Pool(row, tuple(window), steps, tuple(known), gaps), [x])[0]
    assert row.identity is not None
    low, high = ([0, *(pair[side] for pair in around), 0] for side in (0, 1))
    padded = pad(x, low, high, fill=row.identity(x.dtype))
    rank = len(window)
    return reduce(row, windows(padded, window, steps, gaps), range(rank + 1, 2 * rank + 1))
