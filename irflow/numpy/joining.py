"""Tensors joined, cut into parts, given more axes to be joined."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, cast

from irflow import ops
from irflow.errors import ShapeError, UsageError
from irflow.frontend.boundary import public
from irflow.frontend.promotion import normalize_axis, promote_all
from irflow.frontend.tensor import Tensor, TensorLike, another, as_tensor
from irflow.numpy.manipulation import moveaxis


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
def append(x: TensorLike, values: TensorLike, axis: int | None = None) -> Tensor:
    """`values` behind `x` along an axis; both flattened by default."""
    return concatenate([x, values], axis)


@public
def hstack(arrays: Sequence[TensorLike]) -> Tensor:
    """Arrays side by side: joined along the second axis, vectors along their only one."""
    tensors = [atleast_1d(x) for x in arrays]
    return concatenate(tensors, 0 if tensors and tensors[0].ndim == 1 else 1)


@public
def vstack(arrays: Sequence[TensorLike]) -> Tensor:
    """Arrays on top of each other: joined along the first axis, vectors as rows."""
    return concatenate([atleast_2d(x) for x in arrays], 0)


row_stack = vstack


@public
def dstack(arrays: Sequence[TensorLike]) -> Tensor:
    """Arrays behind each other: joined along the third axis."""
    return concatenate([atleast_3d(x) for x in arrays], 2)


@public
def column_stack(arrays: Sequence[TensorLike]) -> Tensor:
    """Matrices side by side, vectors as columns."""
    tensors = [as_tensor(x) for x in arrays]
    return concatenate([atleast_2d(t).T if t.ndim < 2 else t for t in tensors], 1)


@public
def block(arrays: Any) -> Tensor:
    """A tensor put together from nested lists of blocks: the innermost lie along the last axis."""
    depth = _depth(arrays)
    return _joined(arrays, depth, max(depth, _rank(arrays)))


def _depth(arrays: Any) -> int:
    if not isinstance(arrays, list):
        return 0
    if not arrays:
        raise UsageError("block: an empty list")
    depths = {_depth(item) for item in arrays}
    if len(depths) > 1:
        raise UsageError("block: lists of different depths", facts=[("depths", sorted(depths))])
    return depths.pop() + 1


def _rank(arrays: Any) -> int:
    return max(map(_rank, arrays)) if isinstance(arrays, list) else as_tensor(arrays).ndim


def _joined(arrays: Any, depth: int, rank: int) -> Tensor:
    if not isinstance(arrays, list):
        return _with_rank(as_tensor(arrays), rank)
    return concatenate([_joined(item, depth - 1, rank) for item in arrays], -depth)


def _with_rank(x: Tensor, rank: int) -> Tensor:
    return cast(Tensor, ops.reshape(x, (*(1,) * (rank - x.ndim), *x.shape)))


# ------------------------------------------------------------------------------------------ parts


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
def array_split(
    x: TensorLike, indices_or_sections: int | Sequence[int], axis: int = 0
) -> list[Tensor]:
    """`split`, but for parts that may differ by one element, the longer ones first."""
    tensor = as_tensor(x)
    if not isinstance(indices_or_sections, int):
        return split(tensor, indices_or_sections, axis)
    size = int(tensor.shape[normalize_axis(axis, tensor.ndim)])
    short, longer = divmod(size, indices_or_sections)
    lengths = [short + (i < longer) for i in range(indices_or_sections)]
    return split(tensor, list(itertools.accumulate(lengths))[:-1], axis)


@public
def hsplit(x: TensorLike, indices_or_sections: int | Sequence[int]) -> list[Tensor]:
    """Parts along the second axis, along the only one of a vector."""
    return split(x, indices_or_sections, 0 if as_tensor(x).ndim == 1 else 1)


@public
def vsplit(x: TensorLike, indices_or_sections: int | Sequence[int]) -> list[Tensor]:
    """Parts along the first axis of a tensor of rank 2 or more."""
    _require_rank("vsplit", as_tensor(x), 2)
    return split(x, indices_or_sections, 0)


@public
def dsplit(x: TensorLike, indices_or_sections: int | Sequence[int]) -> list[Tensor]:
    """Parts along the third axis."""
    _require_rank("dsplit", as_tensor(x), 3)
    return split(x, indices_or_sections, 2)


def _require_rank(name: str, x: Tensor, rank: int) -> None:
    if x.ndim < rank:
        raise ShapeError(f"{name}: a tensor of rank {rank} or more", facts=[("operand", x.type)])


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


# ----------------------------------------------------------------------------------- more axes


def _at_least(arrays: Sequence[TensorLike], change: Callable[[Tensor], Tensor]) -> Any:
    results = [another(change(as_tensor(x))) for x in arrays]
    return results[0] if len(results) == 1 else tuple(results)


@public
def atleast_1d(*arrays: TensorLike) -> Any:
    """Scalars as vectors of one element; one tensor, or a tuple of several."""
    return _at_least(arrays, lambda x: _with_rank(x, max(x.ndim, 1)))


@public
def atleast_2d(*arrays: TensorLike) -> Any:
    """Vectors as one row; one tensor, or a tuple of several."""
    return _at_least(arrays, lambda x: _with_rank(x, max(x.ndim, 2)))


@public
def atleast_3d(*arrays: TensorLike) -> Any:
    """Vectors as `[1, n, 1]`, matrices as `[m, n, 1]`; one tensor, or a tuple of several."""
    return _at_least(arrays, _third_axis)


def _third_axis(x: Tensor) -> Tensor:
    if x.ndim >= 3:
        return x
    matrix = _with_rank(x, 2)
    return cast(Tensor, ops.reshape(matrix, (*matrix.shape, 1)))
