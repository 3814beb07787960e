"""Parts of the ops of linear algebra: checks, triangles, rows in another order, sample matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from irflow import dims
from irflow.errors import DTypeError, ShapeError
from irflow.ir.op import Op
from irflow.ir.types import TensorType
from irflow.loops.nodes import Expr, LoopKind
from irflow.ops.batch_merging import merged, parted
from irflow.ops.broadcast import expand, reduce_sum
from irflow.ops.functions import iota, where
from irflow.ops.index_map import check_dtypes
from irflow.ops.matmul import matmul, matrix_transpose
from irflow.ops.positions import check_same_shape
from irflow.ops.scratch import Scratch
from irflow.ops.sorting import add_along_axis, gather_along_axis
from irflow.scalars import find

# ------------------------------------------------------------------------------------------- checks


def check_square(name: str, x: TensorType) -> TensorType:
    """The type itself; an error unless it is of square matrices of floats or complex numbers."""
    if not x.dtype.is_inexact:
        raise DTypeError(f"{name}: matrices of floats, not of {x.dtype}", hint="convert them first")
    if x.rank < 2:
        raise ShapeError(f"{name}: a matrix has two axes", facts=[("operand", x, f"rank {x.rank}")])
    if not dims.decide_equal(x.shape[-1], x.shape[-2]):
        facts = [("operand", x, f"{x.shape[-2]} rows", f"{x.shape[-1]} columns")]
        raise ShapeError(f"{name}: the matrix is not square", facts=facts)
    return x


def with_more_columns(op: Op, a: Any, b: Any) -> Any:
    """The solutions for right-hand sides `b[B, *b, n, m]` of one system `a[*b, n, n]`."""
    columns = b.ndim - 2
    (x,) = b.emit(op, [a, merged(b, columns)])
    return parted(x, columns, b.shape[0], b.shape[-1])


def check_system(name: str, a: TensorType, b: TensorType) -> TensorType:
    """The type of the solution of `a @ x = b`; an error where the operands do not fit."""
    check_square(name, a)
    check_dtypes(name, a=a, b=b)
    columns = b.shape[-1] if b.rank else 1
    wanted = b.with_shape((*a.shape[:-1], columns))
    check_same_shape(f"{name}: the right-hand side does not fit the matrix", wanted, b)
    return b


# ------------------------------------------------------------------------------------------- parts


def triangle(x: Any, lower: bool = True, strict: bool = False) -> Any:
    """The elements of matrices on one side of the diagonal, and on it unless `strict`; else 0."""
    rows, columns = iota(x, x.shape, -2), iota(x, x.shape, -1)
    near, far = (columns, rows) if lower else (rows, columns)
    return where(near < far if strict else near <= far, x, 0)


def lower_half(x: Any) -> Any:
    """The lower triangle with half of the diagonal."""
    return (triangle(x) + triangle(x, strict=True)) * 0.5


def times_unit_lower(packed: Any, x: Any, transpose: bool = False) -> Any:
    """`l @ x`, or with `l` transposed, for the factor below the diagonal of a packed matrix."""
    below = triangle(packed, strict=True)
    return x + matmul(matrix_transpose(below) if transpose else below, x)


def _rows_of(order: Any, shape: Sequence[Any]) -> Any:
    """Positions of rows for every column."""
    return expand(order, shape, [len(shape) - 1])


def permute_rows(x: Any, order: Any) -> Any:
    """`x[*b, order[*b, i], :]`."""
    return gather_along_axis(x, _rows_of(order, x.shape), x.ndim - 2)


def permute_rows_back(x: Any, order: Any) -> Any:
    """`y` with `permute_rows(y, order) = x`."""
    return add_along_axis(x, _rows_of(order, x.shape), x.ndim - 2, x.shape)


def diagonal_of(x: Any) -> Any:
    """`x[*b, i, i]` of square matrices."""
    rows, columns = (iota(x, x.shape, axis) for axis in (-2, -1))
    return reduce_sum(where(find("equal")(rows, columns), x, 0), [x.ndim - 1])


# ---------------------------------------------------------------------------------------- the loops


def fill_scratch(context: Any, scratch: Scratch, load: Any, outer: Sequence[Expr]) -> None:
    """Copy a matrix of an operand."""
    *_, n, m = load.type.shape
    with context.one_loop(n) as i, context.one_loop(m, LoopKind.VECTOR) as j:
        scratch.set((i, j), load([*outer, i, j]))


def write_scratch(context: Any, output: int, scratch: Scratch, outer: Sequence[Expr]) -> None:
    """Copy a matrix to an output."""
    n, m = scratch.buffer.shape
    with context.one_loop(n) as i, context.one_loop(m, LoopKind.VECTOR) as j:
        context.store(output, [*outer, i, j], scratch.get(i, j))


# ----------------------------------------------------------------------------------------- samples


def regular_matrices(seed: int, *shape: int) -> np.ndarray:
    """Random matrices that are well conditioned, and need row exchanges."""
    x = np.random.default_rng(seed).normal(size=shape)
    steps = 3 * np.roll(np.eye(shape[-1]), 1, 0) + np.eye(shape[-1])
    return (x + steps).astype(np.float32)


def definite_matrices(seed: int, *shape: int) -> np.ndarray:
    """Random symmetric matrices with positive eigenvalues."""
    x = np.random.default_rng(seed).normal(size=shape)
    return (x @ np.swapaxes(x, -1, -2) + 2 * np.eye(shape[-1])).astype(np.float32)


def matrices_of_spectrum(seed: int, *shape: int) -> np.ndarray:
    """Random matrices with the singular values 1, 2, 3, …, which are far apart."""
    *batch, m, n = shape
    k = min(m, n)
    generator = np.random.default_rng(seed)
    left = np.linalg.qr(generator.normal(size=(*batch, m, k)))[0]
    right = np.linalg.qr(generator.normal(size=(*batch, n, k)))[0]
    x = left * np.arange(1, k + 1) @ np.swapaxes(right, -1, -2)
    return np.asarray(x.astype(np.float32))
