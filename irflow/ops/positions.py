"""Positions computed by a graph: index tuples and starts of windows, in NumPy and in loops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from irflow import dims, dtypes
from irflow.dims import Size
from irflow.errors import DTypeError, ShapeError, UsageError
from irflow.ir.types import Shape, TensorType
from irflow.loops.nodes import Const, Expr, integer, size_expr
from irflow.ops.index_map import all_of, is_between
from irflow.scalars import find

OUTSIDE = ("clip", "drop")
LARGEST = 2**63 - 1
ALWAYS = Const(True, dtypes.bool_)


# -------------------------------------------------------------------------------------- the checks


def check_choice(name: str, attribute: str, value: str, choices: Sequence[str]) -> None:
    """UsageError unless an attribute has one of the known values."""
    if value not in choices:
        raise UsageError(f"{name}: {attribute} is one of {', '.join(choices)}, not {value!r}")


def check_indices(name: str, x: TensorType, indices: TensorType, outside: str) -> int:
    """The number of leading axes of `x` that `indices` address; errors where they cannot."""
    check_choice(name, "outside", outside, OUTSIDE)
    if not indices.dtype.is_integer:
        raise DTypeError(f"{name}: indices are integers", facts=[("indices", indices)])
    depth = indices.shape[-1] if indices.rank else 0
    if not isinstance(depth, int) or not 1 <= depth <= x.rank:
        axis = f"axis {indices.rank - 1} = {depth}" if indices.rank else "rank 0"
        raise ShapeError(
            f"{name}: the last axis of the indices addresses 1 to rank axes of the operand",
            facts=[("operand", x, f"rank {x.rank}"), ("indices", indices, axis)],
        )
    return depth


def check_same_shape(summary: str, wanted: TensorType, actual: TensorType) -> None:
    """ShapeError naming the first axis in which two types differ."""
    if wanted.rank != actual.rank:
        raise ShapeError(
            summary,
            facts=[
                ("expected", wanted, f"rank {wanted.rank}"),
                ("actual", actual, f"rank {actual.rank}"),
            ],
        )
    for axis, (a, b) in enumerate(zip(wanted.shape, actual.shape, strict=True)):
        if not dims.decide_equal(a, b):
            raise ShapeError(
                summary,
                facts=[
                    ("expected", wanted, f"axis {axis} = {a}"),
                    ("actual", actual, f"axis {axis} = {b}"),
                ],
            )


def check_window(name: str, x: TensorType, window: TensorType, starts: TensorType) -> None:
    """Errors unless a window of equal rank fits into `x` and `starts` is `i64[rank]`."""
    if starts.dtype is not dtypes.i64:
        raise DTypeError(f"{name}: starts are i64", facts=[("starts", starts, starts.dtype)])
    if starts.shape != (x.rank,):
        raise ShapeError(
            f"{name}: starts does not have one entry an axis",
            facts=[("operand", x, f"rank {x.rank}"), ("starts", starts)],
        )
    for axis, (size, part) in enumerate(zip(x.shape, window.shape, strict=True)):
        if part < 0 or size < part:
            raise ShapeError(
                f"{name}: the window does not fit into the operand",
                facts=[
                    ("operand", x, f"axis {axis} = {size}"),
                    ("window", window, f"axis {axis} = {part}"),
                ],
            )


# ------------------------------------------------------------------------------------------ NumPy


def numpy_places(
    shape: Sequence[int], indices: np.ndarray
) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """One array of positions an addressed axis, and which of them lie inside of `shape`."""
    if indices.dtype == np.uint64:
        # Larger ones would turn negative in i64.
        indices = np.minimum(indices, np.uint64(LARGEST))
    places = tuple(np.moveaxis(indices.astype(np.int64), -1, 0))
    is_inside = np.ones(indices.shape[:-1], bool)
    for place, size in zip(places, shape, strict=False):
        is_inside &= (place >= 0) & (place < size)
    return places, is_inside


def clipped(shape: Sequence[int], places: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Positions moved to the nearest ones inside of `shape`, whose sizes are not 0."""
    return tuple(np.clip(p, 0, size - 1) for p, size in zip(places, shape, strict=False))


def numpy_window(
    shape: Sequence[int], sizes: Sequence[int], starts: np.ndarray
) -> tuple[slice, ...]:
    """The window of `sizes` at `starts`, moved so that it lies inside of `shape`."""
    room = [size - part for size, part in zip(shape, sizes, strict=True)]
    begins = [min(max(int(start), 0), most) for start, most in zip(starts, room, strict=True)]
    return tuple(slice(a, a + part) for a, part in zip(begins, sizes, strict=True))


# ------------------------------------------------------------------------------------------ loops


def loop_places(
    context: Any, indices: Any, batch: Sequence[Any], shape: Shape, outside: str
) -> tuple[list[Expr], Expr]:
    """The positions in the index tuple at `batch`, and whether they lie inside of `shape`.

    With "clip", the positions are moved inside; the condition is then `ALWAYS`, or that no axis is
    empty.
    """
    depth = indices.type.shape[-1]
    places = [loop_index(context, indices([*batch, integer(axis)])) for axis in range(depth)]
    sizes = shape[:depth]
    if outside == "clip":
        pairs = zip(places, sizes, strict=True)
        moved = [clip_index(context, p, size_expr(size - 1)) for p, size in pairs]
        present = [size_expr(size) > 0 for size in sizes if may_be_empty(size)]
        return moved, context.let(all_of(present)) if present else ALWAYS
    conditions = [is_between(p, 0, size) for p, size in zip(places, sizes, strict=True)]
    return places, context.let(all_of(conditions))


def may_be_empty(size: Size) -> bool:
    """Whether a symbolic size may turn out to be 0."""
    lower, _ = dims.bounds(size)
    return lower is None or lower < 1


def loop_index(context: Any, value: Expr) -> Expr:
    """An index of any integer type as a named `i64`; a `u64` that is too large stays too large."""
    if value.dtype is dtypes.u64:
        value = find("minimum")(value, LARGEST)
    index: Expr = context.let(context.convert(value, dtypes.i64))
    return index


def loop_starts(
    context: Any, starts: Any, shape: Shape, sizes: Sequence[Size]
) -> list[Expr | None]:
    """The clipped start along every axis; None where the window fills the axis."""
    pairs = enumerate(zip(shape, sizes, strict=True))
    return [
        None
        if size == part
        else clip_index(context, starts([integer(axis)]), size_expr(size - part))
        for axis, (size, part) in pairs
    ]


def clip_index(context: Any, index: Expr, last: Expr) -> Expr:
    """`index` moved into `0 … last`, named."""
    inside: Expr = context.let(find("maximum")(find("minimum")(index, last), 0))
    return inside
