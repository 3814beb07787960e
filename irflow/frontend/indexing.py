"""`x[key]`: integers, slices, `...`, None, tensors of integers, masks of known value."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from irflow import dims, dtypes, ops
from irflow.dims import Size
from irflow.errors import ShapeError, UsageError
from irflow.frontend.promotion import broadcast_shapes
from irflow.ops.operand import GraphOperand

if TYPE_CHECKING:
    from irflow.frontend.tensor import Tensor


def get_item(x: Tensor, key: Sequence[Any], outside: str = "clip") -> Tensor:
    """NumPy's indexing.

    Args:
        x: any tensor.
        key: the parts of the index; those that are arrays as tensors.
        outside: what a position outside gives that is known only when the graph runs: the nearest
            element, or with `"drop"` 0.

    Raises:
        ShapeError: too many indices, an integer that is out of range, a mask of another shape.
        UsageError: something that does not index.
    """
    parts = completed(key, x)
    if any(is_gathered(part) for part in parts):
        return _advanced(x, parts, outside)
    return _basic(x, [part for part in parts if part is not Ellipsis])


def is_gathered(part: Any) -> bool:
    """Whether a part is an array of positions; an integer tensor of known value is an integer."""
    if not isinstance(part, GraphOperand):
        return False
    return part.ndim > 0 or cast("Tensor", part).concrete() is None


def completed(key: Sequence[Any], x: Tensor) -> list[Any]:
    """The key with slices for all axes after `...`, and masks as positions.

    The `...` itself stays: it parts index arrays, also where it stands for no axis.
    """
    used = sum(_axis_count(part) for part in key)
    if used > x.ndim:
        raise ShapeError(
            f"{used} indices for a tensor of rank {x.ndim}", facts=[("tensor", x.type)]
        )
    dots = [i for i, part in enumerate(key) if part is Ellipsis]
    if len(dots) > 1:
        raise UsageError("an index may hold '...' once")
    at = dots[0] + 1 if dots else len(key)
    whole = [*key[:at], *[slice(None)] * (x.ndim - used), *key[at:]]
    parts: list[Any] = []
    for part in whole:
        axis = sum(p is not None and p is not Ellipsis for p in parts)
        parts.extend(_positions(part, x, axis) if _is_mask(part) else [part])
    return parts


def _axis_count(part: Any) -> int:
    if part is None or part is Ellipsis:
        return 0
    if isinstance(part, (bool, np.bool_)):
        raise UsageError("a single bool does not index a tensor")
    return cast("Tensor", part).ndim if _is_mask(part) else 1


def _is_mask(part: Any) -> bool:
    return isinstance(part, GraphOperand) and part.dtype is dtypes.bool_


def _positions(mask: Tensor, x: Tensor, axis: int) -> list[Tensor]:
    """Where a mask is true, one tensor of positions an axis."""
    if not mask.ndim:
        raise UsageError("a single bool does not index a tensor")
    covered = x.shape[axis : axis + mask.ndim]
    if mask.shape != covered:
        raise ShapeError(
            "the mask has another shape than the axes it indexes",
            facts=[("tensor", x.type), ("mask", mask.type)],
        )
    known = mask.demand("a boolean mask as an index")
    return [mask.constant(positions) for positions in np.nonzero(known)]


# ------------------------------------------------------------------------------ slices and integers


def _basic(x: Tensor, parts: Sequence[Any]) -> Tensor:
    """Slices and integers: one slice op, one reversal, one reshape."""
    cuts: list[tuple[Size, Size, int, bool]] = []
    kept: list[int | None] = []  # the axes of the result: an axis of x, or a new one
    for part in parts:
        axis = len(cuts)
        if part is None:
            kept.append(None)
        elif isinstance(part, slice):
            kept.append(axis)
            cuts.append(bounds_of(part, x.shape[axis]))
        else:
            first = position_of(part, x.shape[axis], axis)
            cuts.append((first, first + 1, 1, False))
    starts, stops, steps, flips = zip(*cuts, strict=True) if cuts else ((), (), (), ())
    cut = ops.slice_(x, starts, stops, steps)
    reversed_axes = tuple(axis for axis, is_flipped in enumerate(flips) if is_flipped)
    cut = ops.reverse(cut, reversed_axes) if reversed_axes else cut
    sizes = tuple(1 if axis is None else cut.shape[axis] for axis in kept)
    return cast("Tensor", ops.reshape(cut, sizes))


def position_of(part: Any, size: Size, axis: int) -> Size:
    """An integer of a key as a position along an axis, which negative ones count from the end.

    Raises:
        ShapeError: it is out of range.
        UsageError: it is no integer.
    """
    try:
        index = operator.index(part)
    except TypeError:
        name = part.type if isinstance(part, GraphOperand) else type(part).__name__
        raise UsageError(
            f"{name} does not index a tensor", hint="use integers, slices, ..., None or arrays"
        ) from None
    position = index + size if index < 0 else index
    is_checked = isinstance(size, int) or dims.are_guarded()
    if is_checked and not 0 <= position < size:
        raise ShapeError(f"index {index} is out of range", facts=[("axis", axis), ("size", size)])
    return position


def bounds_of(part: slice, size: Size) -> tuple[Size, Size, int, bool]:
    """A slice as ascending bounds, a positive step, and whether the result is to be reversed."""
    stride = 1 if part.step is None else operator.index(part.step)
    if stride == 0:
        raise UsageError("a slice with step 0")
    if not isinstance(size, int):
        return _symbolic_bounds(part, stride, size)
    start, stop = (
        None if v is None else int(v) if isinstance(v, dims.Dim) else operator.index(v)
        for v in (part.start, part.stop)
    )
    places = range(*slice(start, stop, stride).indices(size))
    if not places:
        return 0, 0, abs(stride), False
    if stride > 0:
        return places.start, places.stop, stride, False
    return places[-1], places.start + 1, -stride, True


def _symbolic_bounds(part: slice, stride: int, size: Size) -> tuple[Size, Size, int, bool]:
    if stride < 0:
        if stride != -1 or part.start is not None or part.stop is not None:
            raise UsageError(
                "a slice of a symbolic size with a negative step has no bounds, and step -1",
                facts=[("size", size)],
            )
        return 0, size, 1, True
    first = _symbolic_bound(part.start, size, 0)
    last = _symbolic_bound(part.stop, size, size)
    if part.start is not None and part.stop is not None:
        last = dims.maximum(first, last)
    return first, last, stride, False


def _symbolic_bound(bound: Any, size: Size, default: Size) -> Size:
    if bound is None:
        return default
    if isinstance(bound, dims.Dim):
        return bound
    number = operator.index(bound)
    return dims.maximum(size + number, 0) if number < 0 else dims.minimum(number, size)


# ----------------------------------------------------------------------------- arrays of positions


def _advanced(x: Tensor, parts: Sequence[Any], outside: str) -> Tensor:
    """Arrays of integers: slices first, then one gather over the indexed axes.

    The axes of the index stand where the arrays stood if these were side by side, else in front.
    """
    cut = _basic(x, [_whole_unless_slice(part) for part in parts if _axis_count(part)])
    indexed, rest, before = _parted(parts)
    axes = [axis for axis, _ in indexed]
    tensors = [_index_tensor(x, part, cut.shape[axis]) for axis, part in indexed]
    shape = broadcast_shapes("index", [tensor.type for tensor in tensors])
    index = ops.stack([ops.broadcast_to(tensor, shape) for tensor in tensors], len(shape))
    moved = ops.transpose(cut, (*axes, *(axis for axis in rest if axis is not None)))
    sizes = tuple(1 if axis is None else cut.shape[axis] for axis in rest)
    gathered = ops.reshape(ops.gather(moved, index, outside), (*shape, *sizes))
    front = range(len(shape), len(shape) + before)
    back = range(len(shape) + before, gathered.ndim)
    return cast("Tensor", ops.transpose(gathered, (*front, *range(len(shape)), *back)))


def _whole_unless_slice(part: Any) -> slice:
    return part if isinstance(part, slice) else slice(None)


def _parted(parts: Sequence[Any]) -> tuple[list[tuple[int, Any]], list[int | None], int]:
    """The indexed axes with their indices; the other axes of the result; how many come first."""
    indexed: list[tuple[int, Any]] = []
    rest: list[int | None] = []
    before = 0
    runs = 0  # of indices side by side
    was_index = False
    axis = 0
    for part in parts:
        is_index = not (part is None or part is Ellipsis or isinstance(part, slice))
        if is_index:
            indexed.append((axis, part))
            before = before if runs else len(rest)
            runs += not was_index
        elif part is not Ellipsis:
            rest.append(None if part is None else axis)
        was_index = is_index
        axis += _axis_count(part)
    return indexed, rest, before if runs == 1 else 0


def _index_tensor(x: Tensor, part: Any, size: Size) -> Tensor:
    """Positions along an axis as non-negative i64."""
    tensor = (
        part if isinstance(part, GraphOperand) else x.constant(np.asarray(operator.index(part)))
    )
    if not tensor.dtype.is_integer:
        raise UsageError(f"indices of type {tensor.type}", hint="indices are integers or bools")
    known = cast("Tensor", tensor).concrete()
    if known is not None and (isinstance(size, int) or dims.are_guarded()):
        _require_inside(known, size)
    return cast("Tensor", ops.wrap_indices(tensor, size))


def _require_inside(positions: np.ndarray, size: Size) -> None:
    if not positions.size:
        return
    low, high = int(positions.min()), int(positions.max())
    if low < -size or high >= size:
        bad = low if low < -size else high
        raise ShapeError(f"index {bad} is out of range", facts=[("size", size)])
