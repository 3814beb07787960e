"""Shapes and places: reshape, transpose, join, split, select."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from irflow import dtypes, ops
from irflow.dims import Dim, Size
from irflow.dtypes import DTypeLike
from irflow.errors import ShapeError, UsageError
from irflow.frontend.boundary import public
from irflow.frontend.promotion import (
    broadcast_shapes,
    normalize_axes,
    normalize_axis,
    promote_all,
)
from irflow.frontend.tensor import Tensor, TensorLike, another, apply_row, as_tensor, require_cpu
from irflow.numpy.creation import sequence, tri_mask
from irflow.numpy.elementwise import where
from irflow.scalars import find


@public
def reshape(x: TensorLike, shape: Any, *, copy: bool | None = None) -> Tensor:  # noqa: ARG001
    """The same elements under another shape; one size may be -1.

    `copy` is the standard's: whether elements are copied is nothing that tensors show.
    """
    return as_tensor(x).reshape(tuple(sequence(shape)))


@public
def ravel(x: TensorLike) -> Tensor:
    """All elements along one axis."""
    return as_tensor(x).reshape(-1)


@public
def transpose(x: TensorLike, axes: Sequence[int] | None = None) -> Tensor:
    """The axes in another order, reversed by default."""
    return as_tensor(x).transpose(*(axes or ()))


@public
def permute_dims(x: TensorLike, axes: Sequence[int]) -> Tensor:
    """The array API standard's name of `transpose`."""
    return transpose(x, axes)


@public
def matrix_transpose(x: TensorLike) -> Tensor:
    """The last two axes exchanged."""
    return as_tensor(x).mT


@public
def swapaxes(x: TensorLike, axis1: int, axis2: int) -> Tensor:
    """Two axes exchanged."""
    tensor = as_tensor(x)
    order = list(range(tensor.ndim))
    a, b = normalize_axis(axis1, tensor.ndim), normalize_axis(axis2, tensor.ndim)
    order[a], order[b] = order[b], order[a]
    return tensor.transpose(order)


@public
def moveaxis(
    x: TensorLike, source: int | Sequence[int], destination: int | Sequence[int]
) -> Tensor:
    """Axes moved to other positions; the rest keep their order."""
    tensor = as_tensor(x)
    start = normalize_axes(sequence(source), tensor.ndim)
    end = normalize_axes(sequence(destination), tensor.ndim)
    if len(start) != len(end):
        raise UsageError("moveaxis: as many destinations as sources are needed")
    order = [axis for axis in range(tensor.ndim) if axis not in start]
    for position, axis in sorted(zip(end, start, strict=True)):
        order.insert(position, axis)
    return tensor.transpose(order)


@public
def expand_dims(x: TensorLike, axis: int | Sequence[int]) -> Tensor:
    """New axes of size 1 at the given positions of the result."""
    tensor = as_tensor(x)
    rank = tensor.ndim + len(sequence(axis))
    new = normalize_axes(sequence(axis), rank)
    sizes = iter(tensor.shape)
    return cast(
        Tensor, ops.reshape(tensor, tuple(1 if i in new else next(sizes) for i in range(rank)))
    )


@public
def squeeze(x: TensorLike, axis: int | Sequence[int] | None = None) -> Tensor:
    """Without axes of size 1: those named, or all.

    Raises:
        ShapeError: a named axis has another size.
    """
    tensor = as_tensor(x)
    if axis is None:
        drop = tuple(i for i, size in enumerate(tensor.shape) if size == 1)
    else:
        drop = normalize_axes(sequence(axis), tensor.ndim)
    for i in drop:
        if tensor.shape[i] != 1:
            raise ShapeError(
                "squeeze: the axis has not size 1",
                facts=[("operand", tensor.type, f"axis {i} = {tensor.shape[i]}")],
            )
    return cast(
        Tensor, ops.reshape(tensor, tuple(s for i, s in enumerate(tensor.shape) if i not in drop))
    )


@public
def broadcast_to(x: TensorLike, shape: Any) -> Tensor:
    """`x` repeated to `shape`, axes aligned at the end."""
    return cast(Tensor, ops.broadcast_to(as_tensor(x), tuple(sequence(shape))))


@public
def broadcast_arrays(*arrays: TensorLike) -> list[Tensor]:
    """All arrays repeated to their common shape."""
    tensors = [as_tensor(x) for x in arrays]
    shape = broadcast_shapes("broadcast_arrays", [t.type for t in tensors])
    return [another(cast(Tensor, ops.broadcast_to(t, shape))) for t in tensors]


@public
def diff(
    x: TensorLike,
    n: int = 1,
    axis: int = -1,
    prepend: TensorLike | None = None,
    append: TensorLike | None = None,
) -> Tensor:
    """The differences of neighbours along an axis, taken `n` times; of bools, whether they differ.

    Args:
        x: `[...]` with at least one axis.
        n: how often; each time the axis loses one element.
        axis: along which.
        prepend: a number or tensor to put before `x` along the axis.
        append: the same behind.
    """
    tensor = as_tensor(x)
    place = normalize_axis(axis, tensor.ndim)
    edges = [None if e is None else _edge(as_tensor(e), tensor, place) for e in (prepend, append)]
    parts = [part for part in (edges[0], tensor, edges[1]) if part is not None]
    result = concatenate(parts, place)
    row = find("not_equal" if result.dtype is dtypes.bool_ else "subtract")
    for _ in range(n):
        size = result.shape[place]
        if size == 0:
            break
        ends = [ops.slice_axis(result, place, i, size - 1 + i) for i in (1, 0)]
        result = apply_row(row, ends)
    return result


def _edge(value: Tensor, x: Tensor, axis: int) -> Tensor:
    """What `diff` puts beside `x`: a number becomes one slice."""
    if value.ndim:
        return value
    value = value.astype(x.dtype) if value.is_weak else value
    sizes = tuple(1 if i == axis else size for i, size in enumerate(x.shape))
    return cast(Tensor, ops.broadcast_to(value, sizes))


@public
def concatenate(arrays: Sequence[TensorLike], axis: int | None = 0) -> Tensor:
    """Arrays joined along an axis; all other sizes agree. With `axis=None` the flattened arrays."""
    tensors = _promoted("concatenate", arrays)
    if axis is None:
        tensors, axis = [t.reshape(-1) for t in tensors], 0
    return another(ops.concatenate(tensors, normalize_axis(axis, tensors[0].ndim)))


concat = concatenate


def _promoted(name: str, arrays: Sequence[TensorLike]) -> list[Tensor]:
    tensors = [as_tensor(x) for x in arrays]
    if not tensors:
        raise UsageError(f"{name}: there is nothing to join")
    return promote_all(tensors)


@public
def stack(arrays: Sequence[TensorLike], axis: int = 0) -> Tensor:
    """Arrays of one shape joined along a new axis."""
    tensors = _promoted("stack", arrays)
    return cast(Tensor, ops.stack(tensors, normalize_axis(axis, tensors[0].ndim + 1)))


@public
def split(x: TensorLike, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Tensor]:
    """Parts along an axis: that many equal ones, or cut at the given positions."""
    tensor = as_tensor(x)
    at = normalize_axis(axis, tensor.ndim)
    if isinstance(indices_or_sections, int):
        return [another(part) for part in ops.split(tensor, indices_or_sections, at)]
    size = int(tensor.shape[at])
    cuts = [0, *(slice(None, i).indices(size)[1] for i in indices_or_sections), size]
    bounds = itertools.pairwise(cuts)
    return [another(ops.slice_axis(tensor, at, low, max(low, high))) for low, high in bounds]


@public
def flip(x: TensorLike, axis: int | Sequence[int] | None = None) -> Tensor:
    """The order of the elements reversed along axes, along all by default."""
    return cast(Tensor, ops.flip(as_tensor(x), axis))


@public
def roll(
    x: TensorLike, shift: int | Sequence[int], axis: int | Sequence[int] | None = None
) -> Tensor:
    """Elements moved by `shift` along axes; those that fall off come in at the other end.

    Without an axis the flattened elements are moved. Several shifts and axes go together in pairs.
    """
    tensor = as_tensor(x)
    if axis is None:
        flat = roll(tensor.reshape(-1), int(np.sum(shift)), 0)
        return cast(Tensor, ops.reshape(flat, tensor.shape))
    for by, at in np.broadcast(shift, axis):
        tensor = _rolled(tensor, int(by), normalize_axis(int(at), tensor.ndim))
    return tensor


def _rolled(x: Tensor, shift: int, axis: int) -> Tensor:
    size = x.shape[axis]
    if size == 0:
        return x
    # Of a symbolic size the remainder is not known, but a shift below it is usual.
    cut = -shift % size if isinstance(size, int) else size - shift if shift > 0 else -shift
    parts = [ops.slice_axis(x, axis, cut, size), ops.slice_axis(x, axis, 0, cut)]
    return cast(Tensor, ops.concatenate(parts, axis))


@public
def tile(x: TensorLike, reps: int | Sequence[int]) -> Tensor:
    """The whole array repeated along each axis."""
    tensor = as_tensor(x)
    counts = list(sequence(reps))
    rank = max(len(counts), tensor.ndim)
    tensor = cast(Tensor, ops.reshape(tensor, (1,) * (rank - tensor.ndim) + tensor.shape))
    return cast(Tensor, ops.tile(tensor, [1] * (rank - len(counts)) + counts))


@public
def repeat(x: TensorLike, repeats: TensorLike, axis: int | None = None) -> Tensor:
    """Each element repeated along an axis, in place.

    Args:
        x: any tensor; flattened when there is no `axis`.
        repeats: how often; or `[n]`, how often each, which has to be known when tracing.
        axis: along which to repeat.

    Raises:
        ShapeError: `repeats` has another size than the axis.
    """
    tensor = as_tensor(x)
    if axis is None:
        return repeat(tensor.reshape(-1), repeats, 0)
    place = normalize_axis(axis, tensor.ndim)
    if isinstance(repeats, (int, Dim)):
        return cast(Tensor, ops.repeat(tensor, repeats, place))
    counts = as_tensor(repeats).demand("repeat by a tensor").reshape(-1)
    if counts.size == 1:
        return cast(Tensor, ops.repeat(tensor, int(counts[0]), place))
    size = tensor.shape[place]
    if counts.size != size:
        raise ShapeError(
            "repeat: one number for all elements, or one for each",
            facts=[("operand", tensor.type, f"axis {place} = {size}"), ("repeats", counts.size)],
        )
    return take(tensor, np.repeat(np.arange(counts.size), counts), place)


@public
def pad(
    x: TensorLike, pad_width: Any, mode: str = "constant", constant_values: TensorLike = 0
) -> Tensor:
    """More elements before and after each axis.

    Args:
        x: any tensor.
        pad_width: `[[before, after], …]` for each axis, one such pair for all, or one number.
        mode: `"constant"`, `"edge"` or `"reflect"`.
        constant_values: the fill value of the constant mode.
    """
    tensor = as_tensor(x)
    pairs = _pad_pairs(pad_width, tensor.ndim)
    if mode == "constant":
        fill = as_tensor(constant_values).astype(tensor.dtype)
        return cast(
            Tensor, ops.pad(tensor, [p[0] for p in pairs], [p[1] for p in pairs], None, fill)
        )
    if mode not in ("edge", "reflect"):
        raise UsageError(
            f"pad: mode {mode!r}",
            facts=[("known", "constant, edge, reflect")],
        )
    for axis, (before, after) in enumerate(pairs):
        tensor = _pad_axis(tensor, axis, before, after, mode)
    return tensor


def _pad_pairs(pad_width: Any, rank: int) -> list[tuple[int, int]]:
    if isinstance(pad_width, int):
        return [(pad_width, pad_width)] * rank
    rows = [tuple(row) if isinstance(row, (tuple, list)) else (row,) for row in pad_width]
    if len(rows) == 2 and all(len(row) == 1 for row in rows):
        rows = [(rows[0][0], rows[1][0])]
    pairs = [(row[0], row[-1]) for row in rows]
    return pairs * rank if len(pairs) == 1 else pairs


def _pad_axis(x: Tensor, axis: int, before: int, after: int, mode: str) -> Tensor:
    size = x.shape[axis]
    if mode == "edge":
        first, last = ops.slice_axis(x, axis, 0, 1), ops.slice_axis(x, axis, size - 1, size)
        low, high = ops.repeat(first, before, axis), ops.repeat(last, after, axis)
    else:
        low = ops.flip(ops.slice_axis(x, axis, 1, before + 1), axis)
        high = ops.flip(ops.slice_axis(x, axis, size - 1 - after, size - 1), axis)
    parts = [part for part, count in ((low, before), (x, 1), (high, after)) if count]
    return concatenate(parts, axis)


@public
def take(x: TensorLike, indices: TensorLike, axis: int | None = None) -> Tensor:
    """Elements along an axis by position; negative positions count from the end."""
    tensor = as_tensor(x)
    if axis is None:
        tensor, axis = tensor.reshape(-1), 0
    return cast(Tensor, ops.take(tensor, as_tensor(indices), normalize_axis(axis, tensor.ndim)))


@public
def take_along_axis(x: TensorLike, indices: TensorLike, axis: int = -1) -> Tensor:
    """One element a position along an axis, picked by an index tensor of the same rank."""
    tensor = as_tensor(x)
    return cast(
        Tensor, ops.take_along_axis(tensor, as_tensor(indices), normalize_axis(axis, tensor.ndim))
    )


@public
def tril(x: TensorLike, k: int = 0) -> Tensor:
    """The lower triangle of the last two axes, zeros above the `k`-th diagonal."""
    tensor = as_tensor(x)
    return _masked(tensor, tri_mask(tensor, k))


@public
def triu(x: TensorLike, k: int = 0) -> Tensor:
    """The upper triangle of the last two axes, zeros below the `k`-th diagonal."""
    tensor = as_tensor(x)
    return _masked(tensor, ~tri_mask(tensor, k - 1))


def _masked(x: Tensor, mask: Tensor) -> Tensor:
    return where(mask, x, as_tensor(False).astype(x.dtype))


def astype(
    x: TensorLike, dtype: DTypeLike, /, *, copy: bool = True, device: str | None = None
) -> Tensor:
    """The elements in another type; a tensor that has it already is handed back by `copy=False`."""
    require_cpu(device)
    result = as_tensor(x).astype(dtype)
    has_type = isinstance(x, Tensor) and result.dtype is x.dtype
    return x if has_type and not copy else result


@public
def unstack(x: TensorLike, /, *, axis: int = 0) -> tuple[Tensor, ...]:
    """The slices along an axis, which is dropped.

    Raises:
        ShapeError: the axis has a symbolic size, or there is none.
    """
    tensor = as_tensor(x)
    place = normalize_axis(axis, tensor.ndim)
    size = tensor.shape[place]
    if not isinstance(size, int):
        raise ShapeError("unstack: an axis of symbolic size", facts=[("operand", tensor.type)])
    moved = moveaxis(tensor, place, 0)
    return tuple(moved[i] for i in range(size))


@public
def shape(x: TensorLike) -> tuple[Size, ...]:
    """The sizes of the axes."""
    return as_tensor(x).shape


@public
def ndim(x: TensorLike) -> int:
    """The number of axes."""
    return as_tensor(x).ndim
