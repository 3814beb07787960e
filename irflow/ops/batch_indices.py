"""Index tuples for a batch of gathers, scatters and windows, whose axis 0 is the batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from irflow import dtypes
from irflow.dims import Size
from irflow.ops.broadcast import broadcast, reshape
from irflow.ops.concatenation import concatenate
from irflow.ops.constants import Iota, SizeOf
from irflow.ops.elementwise import convert
from irflow.ops.shape import slice_axis
from irflow.scalars import find

if TYPE_CHECKING:
    from irflow.ops.operand import GraphOperand


def with_batch_number(indices: GraphOperand) -> Any:
    """Index tuples `[B, …, k]` into an element of a batch as tuples `[B, …, k + 1]` into all of it.

    They are i64, or u64 as before, whose largest values would turn negative.
    """
    dtype = dtypes.u64 if indices.dtype is dtypes.u64 else dtypes.i64
    number = indices.emit(Iota((*indices.shape[:-1], 1), 0, dtype), [])[0]
    return concatenate([number, convert(indices, dtype)], indices.ndim - 1)


def from_start(starts: GraphOperand) -> Any:
    """`starts: i64[rank]` of a window that takes all of one more axis in front."""
    return concatenate([starts.full(0, (1,)), starts], 0)


def window_depth(shape: Sequence[Size], sizes: Sequence[Size]) -> int:
    """How many leading axes have all those along which a window of `sizes` can be moved."""
    pairs = enumerate(zip(shape, sizes, strict=True), 1)
    return max((depth for depth, (size, part) in pairs if size != part), default=0)


def window_indices(starts: GraphOperand, shape: Sequence[Size], sizes: Sequence[Size]) -> Any:
    """The index tuples `[B, *sizes[:k], k]` of the windows at `starts: i64[B, rank]` of tensors.

    The windows are moved inside of `shape`. `k` is their `window_depth`, which is not 0; the axes
    behind are filled by the window.
    """
    depth = window_depth(shape, sizes)
    result = (starts.shape[0], *sizes[:depth])
    places = []
    for axis, room in enumerate(size - part for size, part in zip(shape, sizes, strict=True)):
        if axis < depth:
            place = starts.emit(Iota(result, axis + 1, dtypes.i64), [])[0]
            if room != 0:
                place = place + broadcast(_clipped(starts, axis, room), result, [0])
            places.append(reshape(place, (*result, 1)))
    return concatenate(places, len(result))


def _clipped(starts: GraphOperand, axis: int, room: Size) -> Any:
    """Column `axis` of `starts`, moved into `0 … room`."""
    column = reshape(slice_axis(starts, 1, axis, axis + 1), starts.shape[:1])
    most = starts.full(room, ()) if isinstance(room, int) else starts.emit(SizeOf(room), [])[0]
    inside = find("minimum")(column, broadcast(most, column.shape, ()))
    return find("maximum")(inside, 0)
