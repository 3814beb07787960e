"""Shapes and places: reshape, transpose, repeat, select."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from irflow import dims, ops
from irflow.dims import Dim, Size
from irflow.dtypes import DTypeLike
from irflow.errors import ShapeError, UsageError
from irflow.frontend.boundary import public
from irflow.frontend.device import require_cpu
from irflow.frontend.promotion import (
    axes_of,
    broadcast_shapes,
    normalize_axes,
    normalize_axis,
)
from irflow.frontend.tensor import Tensor, TensorLike, another, as_tensor
from irflow.numpy.creation import sequence, tri_mask
from irflow.numpy.elementwise import where


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
def shape(x: TensorLike) -> tuple[Size, ...]:
    """The sizes of the axes."""
    return as_tensor(x).shape


@public
def ndim(x: TensorLike) -> int:
    """The number of axes."""
    return as_tensor(x).ndim


@public
def size(x: TensorLike, axis: int | Sequence[int] | None = None) -> Size:
    """The number of elements, in all or along axes."""
    tensor = as_tensor(x)
    return dims.product(tuple(tensor.shape[a] for a in axes_of(axis, tensor.ndim)))


@public
def copy(x: TensorLike) -> Tensor:
    """Another handle on the same elements, which `x[i] = v` does not change."""
    return another(as_tensor(x))
