"""Diagonals of matrices, taken and made."""

from __future__ import annotations

from typing import cast

from irflow import dtypes, ops
from irflow.dims import Size
from irflow.dtypes import DTypeLike
from irflow.errors import ShapeError
from irflow.frontend.boundary import public
from irflow.frontend.promotion import normalize_axes
from irflow.frontend.tensor import Tensor, TensorLike, apply, as_tensor
from irflow.numpy import linalg
from irflow.numpy.elementwise import where
from irflow.numpy.manipulation import moveaxis
from irflow.scalars import find


@public
def diagonal(x: TensorLike, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """The elements `i, i + offset` of the matrices in two axes, along a last axis."""
    return linalg.diagonal(_at_end(x, axis1, axis2), offset=offset)


@public
def trace(
    x: TensorLike,
    offset: int = 0,
    axis1: int = 0,
    axis2: int = 1,
    dtype: DTypeLike | None = None,
) -> Tensor:
    """The sums of these diagonals."""
    return linalg.trace(_at_end(x, axis1, axis2), offset=offset, dtype=dtype)


def _at_end(x: TensorLike, axis1: int, axis2: int) -> Tensor:
    tensor = as_tensor(x)
    if tensor.ndim < 2:
        raise ShapeError("diagonal: a matrix has two axes", facts=[("operand", tensor.type)])
    return moveaxis(tensor, normalize_axes((axis1, axis2), tensor.ndim), (-2, -1))


@public
def diag(v: TensorLike, k: int = 0) -> Tensor:
    """The `k`-th diagonal of a matrix, or the matrix with a vector there and zeros elsewhere."""
    tensor = as_tensor(v)
    if tensor.ndim == 2:
        return diagonal(tensor, k)
    if tensor.ndim != 1:
        raise ShapeError("diag: a vector or a matrix", facts=[("operand", tensor.type)])
    size = tensor.shape[0] + abs(k)
    rows, columns = (apply(ops.Iota((size, size), a, dtypes.i64), ())[0] for a in (0, 1))
    # The vector is repeated as the rows, or the columns, that lie beside the diagonal.
    axis = 1 if k < 0 else 0
    padded = ops.pad(tensor, [0], [abs(k)], None, tensor.full(0, ()))
    full = ops.broadcast(padded, (size, size), (axis,))
    is_there = find("equal")(columns - rows, k)
    return where(is_there, cast(Tensor, full), tensor.full(0, ()))


@public
def diagflat(v: TensorLike, k: int = 0) -> Tensor:
    """The matrix with the elements of the flattened `v` on its `k`-th diagonal."""
    return diag(as_tensor(v).reshape(-1), k)


@public
def tri(n: Size, m: Size | None = None, k: int = 0, dtype: DTypeLike | None = None) -> Tensor:
    """Ones on and below the `k`-th diagonal of an `n` by `m` matrix."""
    shape = (n, n if m is None else m)
    rows, columns = (apply(ops.Iota(shape, a, dtypes.i64), ())[0] for a in (0, 1))
    return cast(Tensor, columns <= rows + k).astype(dtype or dtypes.DEFAULT_FLOAT)
