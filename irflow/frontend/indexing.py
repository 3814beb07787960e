"""`x[key]`: integers, slices, `...`, None, arrays of integers, and boolean masks outside of tracing."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from irflow import dims, dtypes, ops
from irflow.dims import Size
from irflow.errors import ShapeError, UsageError
from irflow.frontend.tensor import Tensor, as_tensor, broadcast_shapes, size_tensor
from irflow.frontend.variable import Variable
from irflow.location import user_location


def get_item(x: Tensor, key: Any) -> Tensor:
    """NumPy's indexing.

    Raises:
        ShapeError: too many indices, or an integer that is out of range.
        UsageError: something that does not index.
    """
    parts = _complete(key if isinstance(key, tuple) else (key,), x)
    if any(_is_array(part) for part in parts):
        return _advanced(x, parts)
    return _basic(x, parts)


def _is_array(part: Any) -> bool:
    if isinstance(part, Tensor):
        return part.ndim > 0 or part.concrete() is None
    return isinstance(part, (list, np.ndarray, Variable))


def _complete(key: tuple[Any, ...], x: Tensor) -> list[Any]:
    """The key with masks as positions, and with `...` written out to the tensor's rank."""
    parts: list[Any] = []
    for part in key:
        parts.extend(_mask_positions(part))
    used = sum(part is not None and part is not Ellipsis for part in parts)
    if used > x.ndim:
        raise ShapeError(
            f"{used} indices for a tensor of rank {x.ndim}",
            facts=[("tensor", x.type)],
            location=user_location(),
        )
    dots = [i for i, part in enumerate(parts) if part is Ellipsis]
    if len(dots) > 1:
        raise UsageError("an index may hold '...' once", location=user_location())
    at = dots[0] if dots else len(parts)
    return [*parts[:at], *[slice(None)] * (x.ndim - used), *parts[at + 1 :]]


def _mask_positions(part: Any) -> list[Any]:
    if isinstance(part, (bool, np.bool_)):
        raise UsageError("a single bool does not index a tensor", location=user_location())
    array = part if isinstance(part, (list, np.ndarray, Tensor)) else None
    if array is None:
        return [part]
    tensor = as_tensor(array)
    if tensor.dtype is not dtypes.bool_:
        return [part]
    return [
        Tensor(positions) for positions in np.nonzero(tensor._demand("a boolean mask as an index"))
    ]


def _basic(x: Tensor, parts: list[Any]) -> Tensor:
    """Slices and integers: one slice op, one reversal, one reshape."""
    start: list[Size] = []
    stop: list[Size] = []
    step: list[int] = []
    reverse: list[int] = []
    shape: list[Any] = []
    axis = 0
    for part in parts:
        if part is None:
            shape.append(1)
            continue
        size = x.shape[axis]
        if isinstance(part, slice):
            first, last, stride, flipped = _bounds(part, size)
            shape.append(axis)
            if flipped:
                reverse.append(axis)
        else:
            first = _position(part, size, axis)
            last, stride = first + 1, 1
        start.append(first)
        stop.append(last)
        step.append(stride)
        if isinstance(part, slice):
            shape[-1] = -1 - axis
        axis += 1
    cut = ops.slice_(x, tuple(start), tuple(stop), tuple(step))
    cut = ops.reverse(cut, tuple(reverse)) if reverse else cut
    sizes = tuple(cut.shape[-1 - entry] if entry < 0 else 1 for entry in shape)
    return cast(Tensor, ops.reshape(cut, sizes))


def _position(part: Any, size: Size, axis: int) -> Size:
    try:
        index = part.__index__()
    except (AttributeError, TypeError):
        raise UsageError(
            f"{type(part).__name__} does not index a tensor",
            location=user_location(),
            hint="use integers, slices, ..., None or arrays",
        ) from None
    position = index + size if index < 0 else index
    if isinstance(size, int) and not 0 <= position < size:
        raise ShapeError(
            f"index {index} is out of range",
            facts=[("axis", axis), ("size", size)],
            location=user_location(),
        )
    return cast(Size, position)


def _bounds(part: slice, size: Size) -> tuple[Size, Size, int, bool]:
    """A slice as ascending bounds and a positive step, and whether the result is to be reversed."""
    stride = 1 if part.step is None else int(part.step)
    if stride == 0:
        raise UsageError("a slice with step 0", location=user_location())
    if isinstance(size, int):
        first, last, stride = slice(
            *(None if v is None else int(v) for v in (part.start, part.stop, part.step))
        ).indices(size)
        count = len(range(first, last, stride))
        if stride > 0:
            return first, max(last, first) if count else first, stride, False
        low = first + (count - 1) * stride
        return (low, first + 1, -stride, True) if count else (0, 0, -stride, True)
    if stride < 0 and (part.start is not None or part.stop is not None):
        raise UsageError(
            "a slice with negative step and bounds needs a known size",
            facts=[("size", size)],
            location=user_location(),
        )
    first = _symbolic_bound(part.start, size, 0)
    last = _symbolic_bound(part.stop, size, size)
    if stride < 0:
        if stride != -1:
            raise UsageError(
                "a negative step other than -1 needs a known size",
                facts=[("size", size)],
                location=user_location(),
            )
        return 0, size, 1, True
    return first, last, stride, False


def _symbolic_bound(bound: Any, size: Size, default: Size) -> Size:
    if bound is None:
        return default
    if isinstance(bound, dims.Dim):
        return bound
    number = int(bound)
    return dims.maximum(size + number, 0) if number < 0 else dims.minimum(number, size)


def _advanced(x: Tensor, parts: list[Any]) -> Tensor:
    """Arrays of integers: slices first, then one gather over the indexed axes, moved to the front."""
    plain = [part if isinstance(part, slice) else slice(None) for part in parts if part is not None]
    cut = _basic(x, plain)
    indexed = [
        (axis, part)
        for axis, part in enumerate(p for p in parts if p is not None)
        if not isinstance(part, slice)
    ]
    axes = [axis for axis, _ in indexed]
    tensors = [_index_tensor(part, cut.shape[axis]) for axis, part in indexed]
    shape = broadcast_shapes("index", [tensor.type for tensor in tensors])
    index = ops.stack([ops.broadcast_to(tensor, shape) for tensor in tensors], len(shape))
    rest = [axis for axis in range(cut.ndim) if axis not in axes]
    gathered = ops.gather(ops.transpose(cut, (*axes, *rest)), index)
    is_adjacent = axes == list(range(axes[0], axes[0] + len(axes)))
    before = axes[0] if is_adjacent else 0
    has_new_axis = any(part is None for part in parts)
    if has_new_axis and not is_adjacent:
        raise UsageError(
            "None beside index arrays that are apart",
            location=user_location(),
            hint="index first, then add the axis",
        )
    order = [
        *range(len(shape), len(shape) + before),
        *range(len(shape)),
        *range(len(shape) + before, gathered.ndim),
    ]
    result = ops.transpose(gathered, tuple(order))
    return _insert_axes(result, parts, len(shape)) if has_new_axis else result


def _insert_axes(result: Tensor, parts: list[Any], index_rank: int) -> Tensor:
    """Put the size-1 axes asked for by None between the axes of the slices and of the index."""
    sizes: list[Size] = []
    axis, seen = 0, False
    for part in parts:
        if part is None:
            sizes.append(1)
        elif isinstance(part, slice) or not seen:
            count = 1 if isinstance(part, slice) else index_rank
            sizes.extend(result.shape[axis : axis + count])
            axis += count
            seen = seen or not isinstance(part, slice)
    return cast(Tensor, ops.reshape(result, tuple(sizes)))


def _index_tensor(part: Any, size: Size) -> Tensor:
    tensor = as_tensor(part)
    if not tensor.dtype.is_integer:
        raise UsageError(
            f"indices of dtype {tensor.dtype}",
            location=user_location(),
            hint="indices are integers or bools",
        )
    known = tensor.concrete()
    if known is not None and isinstance(size, int) and known.size:
        low, high = int(known.min()), int(known.max())
        if low < -size or high >= size:
            bad = low if low < -size else high
            raise ShapeError(
                f"index {bad} is out of range", facts=[("size", size)], location=user_location()
            )
    if tensor.dtype.kind == "uint":
        return tensor
    wide = ops.convert(tensor, dtypes.i64)
    return cast(Tensor, ops.where(wide < 0, wide + size_tensor(size, dtypes.i64), wide))
