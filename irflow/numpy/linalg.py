"""`irflow.numpy.linalg`: NumPy's linear algebra, batched over leading axes.

Where NumPy raises LinAlgError, the results are infinities and NaN here: compiled code does not
raise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, cast

from irflow import dims, ops
from irflow.dtypes import DTypeLike
from irflow.errors import ShapeError, UsageError
from irflow.frontend.boundary import public
from irflow.frontend.promotion import axes_of, broadcast_shapes, normalize_axes, promote_all
from irflow.frontend.reductions import Axis, kept
from irflow.frontend.tensor import Tensor, TensorLike, apply_row, as_tensor, inexact
from irflow.ir import TensorType
from irflow.numpy.complex_parts import conj, magnitude_squared
from irflow.numpy.decompositions import (
    EighResult,
    QRResult,
    SVDResult,
    cond,
    eigh,
    eigvalsh,
    lstsq,
    matrix_rank,
    pinv,
    qr,
    svd,
    svdvals,
)
from irflow.numpy.manipulation import matrix_transpose, moveaxis
from irflow.numpy.products import cross, matmul, multi_dot, outer, tensordot, vecdot
from irflow.scalars import find

__all__ = [
    "EighResult",
    "QRResult",
    "SVDResult",
    "SlogdetResult",
    "cholesky",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eigh",
    "eigvalsh",
    "inv",
    "lstsq",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "multi_dot",
    "norm",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_triangular",
    "svd",
    "svdvals",
    "tensordot",
    "trace",
    "vecdot",
    "vector_norm",
]


class SlogdetResult(NamedTuple):
    """What `slogdet` gives: `det = sign * exp(logabsdet)`."""

    sign: Tensor
    logabsdet: Tensor


# ----------------------------------------------------------------------------- systems and factors


@public
def cholesky(x: TensorLike, *, upper: bool = False, symmetrize_input: bool = True) -> Tensor:
    """The triangular factor of positive definite matrices: `x = y @ y^H`, or `y^H @ y`.

    Args:
        x: `[..., n, n]`.
        upper: whether `y` is upper triangular.
        symmetrize_input: take the mean of `x` and its conjugate transpose, so that gradients
            are symmetric; otherwise only one triangle of `x` is read, the lower one unless `upper`.

    Returns:
        `[..., n, n]`; the triangle is NaN where a matrix is not positive definite.
    """
    tensor = inexact(x)
    if symmetrize_input:
        tensor = (tensor + conj(tensor).mT) * 0.5
    elif upper:
        tensor = conj(tensor).mT
    factor = cast(Tensor, ops.cholesky(tensor))
    return conj(factor).mT if upper else factor


@public
def solve(a: TensorLike, b: TensorLike) -> Tensor:
    """The `x` with `a @ x = b`, by LU factors with partial pivoting.

    Args:
        a: `[..., n, n]`.
        b: `[n]`, or `[..., n, m]`; leading axes broadcast.

    Returns:
        The shape of `b` with the common leading axes; infinities and NaN where `a` is singular.
    """
    return _system(a, b, ops.solve)


@public
def solve_triangular(
    a: TensorLike,
    b: TensorLike,
    *,
    lower: bool = False,
    trans: bool = False,
    unit_diagonal: bool = False,
) -> Tensor:
    """The `x` with `a @ x = b` for a triangular `a`, of which only that triangle is read.

    Args:
        a: `[..., n, n]`.
        b: `[n]`, or `[..., n, m]`; leading axes broadcast.
        lower: which triangle of `a`.
        trans: solve with the transpose of that triangle.
        unit_diagonal: take the diagonal to be 1.
    """
    return _system(a, b, lambda p, q: ops.triangular_solve(p, q, lower, bool(trans), unit_diagonal))


def _system(a: TensorLike, b: TensorLike, solver: Callable[[Any, Any], Any]) -> Tensor:
    left, right = promote_all([inexact(a), inexact(b)])
    is_vector = right.ndim == 1
    if is_vector:
        right = cast(Tensor, ops.expand_dims(right, -1))
    if left.ndim < 2 or right.ndim < 2:
        facts = [("matrix", left.type), ("right-hand side", right.type)]
        raise ShapeError("solve: a matrix and one or more columns are needed", facts=facts)
    batches = [TensorType(t.dtype, t.shape[:-2]) for t in (left, right)]
    batch = broadcast_shapes("solve: the batch axes", batches)
    operands = [ops.broadcast_to(t, (*batch, *t.shape[-2:])) for t in (left, right)]
    result = solver(*operands)
    return cast(Tensor, ops.reshape(result, result.shape[:-1]) if is_vector else result)


@public
def inv(x: TensorLike) -> Tensor:
    """The inverses of `x[..., n, n]`; infinities and NaN where a matrix is singular."""
    return cast(Tensor, ops.inverse(inexact(x)))


@public
def det(x: TensorLike) -> Tensor:
    """The determinants of `x[..., n, n]`, `[...]`; their gradient needs regular matrices."""
    return cast(Tensor, ops.determinant(inexact(x)))


@public
def slogdet(x: TensorLike) -> SlogdetResult:
    """The signs and logarithms of the magnitudes of the determinants of `x[..., n, n]`.

    A singular matrix has the sign 0 and the logarithm -inf.
    """
    return SlogdetResult(*ops.log_determinant(inexact(x)))


@public
def matrix_power(x: TensorLike, n: int) -> Tensor:
    """`x[..., k, k]` multiplied with itself `n` times, by repeated squaring; `n < 0` inverts."""
    base = as_tensor(x) if n >= 0 else inv(x)
    rows, columns = (ops.iota(base, base.shape, axis) for axis in (-2, -1))
    result = cast(Tensor, ops.convert(find("equal")(rows, columns), base.dtype))
    for position, bit in enumerate(bin(abs(n))[:1:-1]):
        base = matmul(base, base) if position else base
        result = matmul(result, base) if bit == "1" else result
    return result


# --------------------------------------------------------------------------------- sums and norms


@public
def diagonal(x: TensorLike, *, offset: int = 0) -> Tensor:
    """The elements `x[..., i, i + offset]`."""
    tensor = as_tensor(x)
    if tensor.ndim < 2:
        raise ShapeError("diagonal: a matrix has two axes", facts=[("operand", tensor.type)])
    rows, columns = tensor.shape[-2:]
    down, right = max(-offset, 0), max(offset, 0)
    length = dims.maximum(dims.minimum(rows - down, columns - right), 0)
    steps = ops.iota(tensor, (length,))
    places = ops.stack([steps + down, steps + right], -1)
    moved = ops.moveaxis(ops.moveaxis(tensor, -2, 0), -1, 1)
    return cast(Tensor, ops.moveaxis(ops.gather(moved, places), 0, -1))


@public
def trace(x: TensorLike, *, offset: int = 0, dtype: DTypeLike | None = None) -> Tensor:
    """The sums of the diagonals of `x[..., m, n]`, `[...]`, in the types of `sum`."""
    found = diagonal(x, offset=offset)
    return (found if dtype is None else found.astype(dtype)).sum(-1)


@public
def vector_norm(
    x: TensorLike, *, axis: Axis = None, keepdims: bool = False, ord: float = 2
) -> Tensor:
    """The `ord`-norm of vectors along `axis`, of all elements by default.

    `(sum |x|^ord)^(1/ord)`; the largest and smallest magnitude for inf and -inf, the number of
    elements that are not 0 for 0.
    """
    tensor = inexact(x)
    if ord == 2:
        return apply_row(find("sqrt"), [magnitude_squared(tensor).sum(axis, keepdims)])
    size = apply_row(find("absolute"), [tensor])
    if math.isinf(ord):
        return size.max(axis, keepdims) if ord > 0 else size.min(axis, keepdims)
    if ord == 0:
        return apply_row(find("not_equal"), [size, 0]).astype(size.dtype).sum(axis, keepdims)
    if ord == 1:
        return size.sum(axis, keepdims)
    power = apply_row(find("power"), [size, ord]).sum(axis, keepdims)
    return apply_row(find("power"), [power, 1 / ord])


@public
def matrix_norm(
    x: TensorLike, *, keepdims: bool = False, ord: float | str | None = "fro"
) -> Tensor:
    """The norm of matrices `x[..., m, n]`.

    Args:
        x: the matrices.
        keepdims: keep the two axes with size 1.
        ord: "fro" the root of the sum of squares; 1 and -1 the largest and smallest sum of
            magnitudes of a column; inf and -inf of a row; 2 and -2 the largest and smallest
            singular value, "nuc" their sum.

    Raises:
        UsageError: no such norm.
    """
    if ord in ("fro", None):
        return vector_norm(x, axis=(-2, -1), keepdims=keepdims)
    if ord in (2, -2, "nuc"):
        return _spectral_norm(svdvals(x), ord, keepdims)
    if not isinstance(ord, (int, float)) or abs(ord) not in (1, math.inf):
        raise UsageError(f"matrix_norm: no norm called {ord!r}")
    summed = -2 if abs(ord) == 1 else -1
    sums = apply_row(find("absolute"), [inexact(x)]).sum(summed, keepdims=True)
    return sums.max((-2, -1), keepdims) if ord > 0 else sums.min((-2, -1), keepdims)


def _spectral_norm(values: Tensor, ord: float | str, keepdims: bool) -> Tensor:
    result = values.sum(-1) if ord == "nuc" else values.max(-1) if ord == 2 else values.min(-1)
    return cast(Tensor, ops.reshape(result, (*result.shape, 1, 1))) if keepdims else result


@public
def norm(
    x: TensorLike, ord: float | str | None = None, axis: Axis = None, keepdims: bool = False
) -> Tensor:
    """`numpy.linalg.norm`: of vectors along one axis, of matrices along two.

    Without `ord` the root of the sum of squares; without `axis` of all elements then, else of a
    vector or a matrix.

    Raises:
        UsageError: more than two axes.
    """
    tensor = as_tensor(x)
    if ord is None:
        return vector_norm(tensor, axis=axis, keepdims=keepdims)
    axes = axes_of(axis, tensor.ndim)
    if len(axes) == 1 and not isinstance(ord, str):
        return vector_norm(tensor, axis=axes, keepdims=keepdims, ord=ord)
    if len(axes) != 2:
        raise UsageError(f"norm: ord={ord!r} of a tensor with {len(axes)} axes")
    if axis is not None and not isinstance(axis, int):
        axes = normalize_axes(axis, tensor.ndim)  # the order of two axes counts
    moved = moveaxis(tensor, axes, (-2, -1))
    result = matrix_norm(moved, ord=ord)
    return kept(result, tensor, axes) if keepdims else result
