"""Elements chosen by conditions and positions; axes mirrored, turned and cut."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from irflow import dims, ops
from irflow.dims import Size
from irflow.errors import ShapeError, UsageError
from irflow.frontend.boundary import public
from irflow.frontend.promotion import broadcast_shapes, normalize_axes, normalize_axis, promote_all
from irflow.frontend.tensor import Tensor, TensorLike, as_tensor
from irflow.numpy.creation import sequence
from irflow.numpy.elementwise import clip, where
from irflow.numpy.joining import concatenate
from irflow.numpy.manipulation import flip, swapaxes, take, transpose


@public
def select(
    condlist: Sequence[TensorLike], choicelist: Sequence[TensorLike], default: TensorLike = 0
) -> Tensor:
    """For each element the choice of the first condition that holds, or `default`.

    Raises:
        UsageError: there are not as many conditions as choices, or none.
    """
    if len(condlist) != len(choicelist) or not condlist:
        raise UsageError(f"select: {len(condlist)} conditions for {len(choicelist)} choices")
    result = as_tensor(default)
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        result = where(condition, choice, result)
    return result


@public
def piecewise(x: TensorLike, condlist: Sequence[TensorLike], funclist: Sequence[Any]) -> Tensor:
    """For each element the function of the last condition that holds.

    Args:
        x: any tensor.
        condlist: conditions of its shape.
        funclist: a function of `x`, or a value, for each condition, and perhaps one more for
            where none holds, which is 0 otherwise. All are computed everywhere.

    Raises:
        UsageError: another number of functions.
    """
    if len(funclist) not in (len(condlist), len(condlist) + 1):
        raise UsageError(f"piecewise: {len(condlist)} conditions for {len(funclist)} functions")
    tensor = as_tensor(x)

    def value(function: Any) -> Tensor:
        found = as_tensor(function(tensor) if callable(function) else function)
        return found.astype(tensor.dtype)

    rest = value(funclist[-1]) if len(funclist) > len(condlist) else value(0)
    result = cast(Tensor, ops.broadcast_to(rest, tensor.shape))
    for condition, function in zip(condlist, funclist, strict=False):
        result = where(condition, value(function), result)
    return result


@public
def choose(a: TensorLike, choices: Sequence[TensorLike], mode: str = "raise") -> Tensor:
    """For each element of `a` that of the choice with its number.

    Args:
        a: integers.
        choices: tensors that broadcast with it.
        mode: what is done with numbers outside: "clip", "wrap", or "raise", which clips those
            that are being traced.

    Raises:
        UsageError: a known number is outside.
    """
    numbers, options = as_tensor(a).astype("i64"), promote_all([as_tensor(c) for c in choices])
    count, known = len(options), numbers.concrete()
    is_outside = known is not None and known.size and (known.min() < 0 or known.max() >= count)
    if mode == "raise" and is_outside:
        raise UsageError(f"choose: a number is outside of the {count} choices")
    places = numbers % count if mode == "wrap" else clip(numbers, 0, count - 1)
    shape = broadcast_shapes("choose", [places.type, *(o.type for o in options)])
    table = ops.stack([ops.broadcast_to(o, shape) for o in options])
    chosen = ops.expand_dims(ops.broadcast_to(places, shape), 0)
    return cast(Tensor, ops.reshape(ops.take_along_axis(table, chosen, 0), shape))


@public
def compress(condition: TensorLike, x: TensorLike, axis: int | None = None) -> Tensor:
    """The slices along an axis for which a mask `[n]` of known value is true.

    Raises:
        ConcretizationError: the mask is being traced.
    """
    mask = as_tensor(condition).demand("compress")
    return take(x, np.flatnonzero(mask), axis)


@public
def extract(condition: TensorLike, x: TensorLike) -> Tensor:
    """The elements for which a mask of known value is true, in one row."""
    mask = as_tensor(condition).demand("extract")
    return take(as_tensor(x).reshape(-1), np.flatnonzero(mask))


# --------------------------------------------------------------------------------- mirrored, turned


@public
def fliplr(x: TensorLike) -> Tensor:
    """The order along the second axis reversed."""
    _require_rank("fliplr", as_tensor(x), 2)
    return flip(x, 1)


@public
def flipud(x: TensorLike) -> Tensor:
    """The order along the first axis reversed."""
    _require_rank("flipud", as_tensor(x), 1)
    return flip(x, 0)


def _require_rank(name: str, x: Tensor, rank: int) -> None:
    if x.ndim < rank:
        raise ShapeError(f"{name}: a tensor of rank {rank} or more", facts=[("operand", x.type)])


@public
def rot90(x: TensorLike, k: int = 1, axes: Sequence[int] = (0, 1)) -> Tensor:
    """Turned `k` times by 90 degrees in the plane of two axes, from the first to the second."""
    tensor = as_tensor(x)
    first, second = normalize_axes(axes, tensor.ndim)
    match operator.index(k) % 4:
        case 1:
            return swapaxes(flip(tensor, second), first, second)
        case 2:
            return flip(tensor, (first, second))
        case 3:
            return flip(swapaxes(tensor, first, second), second)
    return tensor


@public
def rollaxis(x: TensorLike, axis: int, start: int = 0) -> Tensor:
    """An axis moved to before another one."""
    tensor = as_tensor(x)
    place = normalize_axis(axis, tensor.ndim)
    before = normalize_axis(start, tensor.ndim + 1)
    order = [a for a in range(tensor.ndim) if a != place]
    order.insert(before - (before > place), place)
    return transpose(tensor, order)


# ------------------------------------------------------------------------------- resized along axes


@public
def resize(x: TensorLike, new_shape: Any) -> Tensor:
    """The flattened elements again and again, until a shape is full."""
    flat = as_tensor(x).reshape(-1)
    shape = tuple(sequence(new_shape))
    wanted, count = dims.product(shape), flat.shape[0]
    if not isinstance(wanted, int) or not isinstance(count, int):
        raise ShapeError("resize: symbolic sizes", facts=[("operand", flat.type), ("shape", shape)])
    if not count:
        return flat.full(0, shape)
    places = np.resize(np.arange(count), wanted)
    return cast(Tensor, ops.reshape(take(flat, places), shape))


@public
def delete(x: TensorLike, obj: Any, axis: int | None = None) -> Tensor:
    """Without the slices at known positions along an axis; flattened without an axis."""
    tensor, place = _in_one_row(x, axis)
    size = _known_size("delete", tensor, place)
    keep = np.delete(np.arange(size), obj if isinstance(obj, slice) else np.asarray(obj))
    return take(tensor, keep, place)


@public
def insert(x: TensorLike, obj: Any, values: TensorLike, axis: int | None = None) -> Tensor:
    """With values put before the slices at known positions along an axis.

    Args:
        x: any tensor; flattened without an axis.
        obj: one position, several, or a slice.
        values: broadcast to one slice a position; of a vector one position takes several.
        axis: along which.
    """
    tensor, place = _in_one_row(x, axis)
    size = _known_size("insert", tensor, place)
    given = as_tensor(values).astype(tensor.dtype)
    at = obj if isinstance(obj, slice) else np.asarray(obj)
    count = len(np.insert(np.arange(size), at, 0)) - size
    if np.ndim(obj) == 0 and tensor.ndim == 1 and given.ndim == 1:
        count = _known_size("insert", given, 0)
    shape = tuple(count if a == place else s for a, s in enumerate(tensor.shape))
    new = cast(Tensor, ops.broadcast_to(given, shape))
    # NumPy says where new elements go: they are the negative numbers.
    marks = np.insert(np.arange(size), at, -1 - np.arange(count))
    order = np.where(marks < 0, size - 1 - marks, marks)
    return take(concatenate([tensor, new], place), order, place)


def _in_one_row(x: TensorLike, axis: int | None) -> tuple[Tensor, int]:
    tensor = as_tensor(x)
    if axis is None:
        return tensor.reshape(-1), 0
    return tensor, normalize_axis(axis, tensor.ndim)


def _known_size(name: str, x: Tensor, axis: int) -> int:
    size: Size = x.shape[axis]
    if not isinstance(size, int):
        raise ShapeError(f"{name}: an axis of symbolic size", facts=[("operand", x.type)])
    return size


@public
def trim_zeros(x: TensorLike, trim: str = "fb") -> Tensor:
    """A vector of known value without the zeros at its front ("f"), back ("b") or both.

    Raises:
        ConcretizationError: it is being traced.
    """
    tensor = as_tensor(x)
    places = np.flatnonzero(tensor.demand("trim_zeros"))
    size = int(tensor.shape[0])
    if not len(places):
        return tensor[:0]
    first = int(places[0]) if "f" in trim.lower() else 0
    last = int(places[-1]) + 1 if "b" in trim.lower() else size
    return tensor[first:last]


@public
def lexsort(keys: Sequence[TensorLike], axis: int = -1) -> Tensor:
    """The positions that sort by several keys, the last of which counts most."""
    tensors = [as_tensor(key) for key in keys]
    place = normalize_axis(axis, tensors[0].ndim)
    order = ops.argsort(tensors[0], place)
    for key in tensors[1:]:
        following = ops.argsort(ops.take_along_axis(key, order, place), place)
        order = ops.take_along_axis(order, following, place)
    return cast(Tensor, order)
