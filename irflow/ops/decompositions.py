"""Orthogonal decompositions of matrices: QR, singular values, eigenvectors.

Leading axes are a batch. The host computes them, as NumPy does, in the type of the operand, 16-bit
floats in f32. A matrix for which the iteration fails gives NaN, never an error. Gradients are for
real matrices.

The derivatives follow M. Giles, "Collected Matrix Derivative Results for Forward and Reverse Mode
Algorithmic Differentiation" (2008) for eigenvectors; J. Townsend, "Differentiating the Singular
Value Decomposition" (2016); M. Seeger et al., "Auto-Differentiating Linear Algebra" (2017) for
tall QR and D. Roberts and L. Roberts, "QR and LQ Decomposition Matrix Backpropagation Algorithms
for Square, Wide, and Deep Matrices" (2020) for wide.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from irflow import dims, dtypes
from irflow.dims import Size
from irflow.errors import DTypeError, GradientError, ShapeError
from irflow.ir.op import Lowering, Sample, register
from irflow.ir.types import TensorType
from irflow.ops.broadcast import expand
from irflow.ops.concatenation import concatenate
from irflow.ops.functions import iota, where
from irflow.ops.linalg import MatrixOp, triangular_solve
from irflow.ops.linalg_numpy import each_matrix, wide_copy
from irflow.ops.linalg_parts import (
    check_square,
    diagonal_of,
    matrices_of_spectrum,
    triangle,
)
from irflow.ops.matmul import matmul, matrix_transpose
from irflow.ops.shape import slice_axis
from irflow.scalars import find

if TYPE_CHECKING:
    from irflow.ops.operand import GraphOperand


def check_matrix(name: str, x: TensorType) -> None:
    """An error unless the type is of matrices of floats or complex numbers."""
    if not x.dtype.is_inexact:
        raise DTypeError(f"{name}: matrices of floats, not of {x.dtype}", hint="convert them first")
    if x.rank < 2:
        raise ShapeError(f"{name}: a matrix has two axes", facts=[("operand", x, f"rank {x.rank}")])


class HostMatrixOp(MatrixOp):
    """An op on batches of matrices that the host computes."""

    lowering: ClassVar[Lowering] = Lowering.HOST

    def batch(
        self, context: Any, inputs: Sequence[Any], is_batched: Sequence[bool]
    ) -> Sequence[Any]:
        return list(inputs[0].emit(self, context.fronted(inputs, is_batched)))


# ---------------------------------------------------------------------------------------------- QR


@register("qr")
class QR(HostMatrixOp):
    """`x = q @ r` for `x[*b, m, n]`: orthonormal columns `q[*b, m, k]`, upper `r[*b, k, n]`.

    `k = min(m, n)`, or `m` when `complete`. Signs are those of LAPACK's reflections.

    Gradient, for full rank of the first `k` columns: tall `(gq + q s) r^-T` where `s` is symmetric
    with the lower triangle of `r gr^T - gq^T q`; the columns beyond the square of a wide matrix
    are `q^T` times those of `x`. The added columns of a complete `q` of a tall matrix are not
    determined, so there is none.
    """

    complete: bool = False

    def infer(self, x: TensorType) -> tuple[TensorType, TensorType]:
        check_matrix(self.name, x)
        *batch, m, n = x.shape
        k = m if self.complete else dims.minimum(m, n)
        return x.with_shape((*batch, m, k)), x.with_shape((*batch, k, n))

    def numpy(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        q, r = np.linalg.qr(wide_copy(x), "complete" if self.complete else "reduced")
        return q.astype(x.dtype, copy=False), r.astype(x.dtype, copy=False)

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        (x,), (q, r), (gq, gr) = inputs, outputs, cotangents
        gq = q.full(0, q.shape) if gq is None else gq
        gr = r.full(0, r.shape) if gr is None else gr
        m, n = x.shape[-2:]
        if self._is_tall(x):
            return [_tall_gradient(q, r, gq, gr)]
        rest, change = _columns(x, m, n), _columns(gr, m, n)
        gq = gq + matmul(rest, matrix_transpose(change))
        square = _tall_gradient(q, _columns(r, 0, m), gq, _columns(gr, 0, m))
        return [concatenate([square, matmul(q, change)], x.ndim - 1)]

    def jvp(self, context: Any, inputs: Any, outputs: Any, tangents: Any) -> Sequence[Any]:
        (x,), (q, r), (t,) = inputs, outputs, tangents
        if t is None:
            return [None, None]
        m, n = x.shape[-2:]
        if self._is_tall(x):
            return list(_tall_tangent(q, r, t))
        dq, square = _tall_tangent(q, _columns(r, 0, m), _columns(t, 0, m))
        rest = matmul(matrix_transpose(dq), _columns(x, m, n))
        rest = rest + matmul(matrix_transpose(q), _columns(t, m, n))
        return [dq, concatenate([square, rest], x.ndim - 1)]

    def _is_tall(self, x: Any) -> bool:
        m, n = x.shape[-2:]
        is_tall = m == n or bool(m >= n)
        if is_tall and self.complete and m != n:
            raise GradientError(
                "qr: the complete factors of a tall matrix have no gradient",
                facts=[("operand", x.type)],
                hint="the reduced factors have one",
            )
        return is_tall

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x, wide = matrices_of_spectrum(8, 2, 4, 3), matrices_of_spectrum(9, 2, 3, 5)
        b, n = dims.symbol("b"), dims.symbol("n")
        yield Sample(cls(), (x,))
        yield Sample(cls(), (wide,), label="wide")
        yield Sample(cls(), (x[0, :3, ::-1],), label="square-strided")
        yield Sample(cls(True), (wide,), label="complete-wide")
        yield Sample(cls(True), (x,), differentiable=(), label="complete-tall")
        yield Sample(cls(), (x[:, :1, :1],), label="size-1")
        yield Sample(cls(), (x[:0],), label="empty-batch")
        yield Sample(cls(), (x,), ((b, 4, 3),), label="symbolic-batch")
        yield Sample(cls(), (x[:, :3],), ((b, n, n),), label="symbolic")
        yield Sample(cls(), (x.astype(np.float16),), differentiable=(), label="f16")
        yield Sample(cls(), (x.astype(np.complex64) * np.complex64(1 + 2j),), label="complex")


def _columns(x: Any, start: Size, stop: Size) -> Any:
    return slice_axis(x, x.ndim - 1, start, stop)


def _tall_gradient(q: Any, r: Any, gq: Any, gr: Any) -> Any:
    inner = matmul(r, matrix_transpose(gr)) - matmul(matrix_transpose(gq), q)
    symmetric = triangle(inner) + matrix_transpose(triangle(inner, strict=True))
    left = gq + matmul(q, symmetric)
    return matrix_transpose(triangular_solve(r, matrix_transpose(left), lower=False))


def _tall_tangent(q: Any, r: Any, t: Any) -> tuple[Any, Any]:
    turned = triangular_solve(r, matrix_transpose(t), lower=False, transpose=True)
    right = matrix_transpose(turned)  # t r^-1
    inner = matmul(matrix_transpose(q), right)
    below = triangle(inner, strict=True)
    upper = inner - below + matrix_transpose(below)
    return right - matmul(q, upper), matmul(upper, r)


# --------------------------------------------------------------------------------- singular values


@register("svd")
class SVD(HostMatrixOp):
    """`x = u @ diag(s) @ vh` for `x[*b, m, n]`: `u[*b, m, k]`, `s[*b, k]`, `vh[*b, k, n]`.

    `k = min(m, n)`; with `full`, `u` is `[*b, m, m]` and `vh` `[*b, n, n]`. Singular values
    descend, are real and not negative.

    Gradient: with `f[i, j] = 1 / (s[j]^2 - s[i]^2)` off the diagonal,
    `u (f * (u^T gu - gu^T u) s + s f * (v^T gv - gv^T v) + diag(gs)) v^T` and what leaves the
    spaces of `u` and `v`. Not finite where the gradient of vectors meets equal singular values, or
    zero ones; the full vectors of a matrix that is not square have none.
    """

    full: bool = False

    def infer(self, x: TensorType) -> tuple[TensorType, TensorType, TensorType]:
        check_matrix(self.name, x)
        *batch, m, n = x.shape
        k = dims.minimum(m, n)
        return (
            x.with_shape((*batch, m, m if self.full else k)),
            TensorType(dtypes.to_real(x.dtype), (*batch, k)),
            x.with_shape((*batch, n if self.full else k, n)),
        )

    def numpy(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        u, s, vh = each_matrix(lambda a: np.linalg.svd(a, self.full), wide_copy(x))
        s = s.astype(dtypes.to_real(dtypes.from_numpy(x.dtype)).numpy, copy=False)
        return u.astype(x.dtype, copy=False), s, vh.astype(x.dtype, copy=False)

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        gu, gs, gv = cotangents
        u, s, vh = self._reduced(inputs[0], outputs, gu is not None or gv is not None)
        k = s.shape[-1]
        inner = _on_diagonal(s.full(0, s.shape) if gs is None else gs)
        rows, columns = _along_rows(s, k), _along_columns(s, k)
        if gu is not None:
            turned = matmul(matrix_transpose(u), gu)
            inner = inner + _gaps(s * s) * (turned - matrix_transpose(turned)) * rows
        if gv is not None:
            turned = matmul(vh, matrix_transpose(gv))
            inner = inner + columns * _gaps(s * s) * (turned - matrix_transpose(turned))
        result = matmul(matmul(u, inner), vh)
        if gu is not None and u.shape[-2] != k:
            outside = gu - matmul(u, matmul(matrix_transpose(u), gu))
            result = result + matmul(outside / _along_rows(s, u.shape[-2]), vh)
        if gv is not None and vh.shape[-1] != k:
            outside = gv - matmul(matmul(gv, matrix_transpose(vh)), vh)
            result = result + matmul(u, outside / _along_columns(s, vh.shape[-1]))
        return [result]

    def jvp(self, context: Any, inputs: Any, outputs: Any, tangents: Any) -> Sequence[Any]:
        (t,) = tangents
        if t is None:
            return [None, None, None]
        u, s, vh = self._reduced(inputs[0], outputs, needs_vectors=True)
        k = s.shape[-1]
        left, right = matmul(matrix_transpose(u), t), matmul(t, matrix_transpose(vh))
        inner = matmul(left, matrix_transpose(vh))
        rows, columns, gaps = _along_rows(s, k), _along_columns(s, k), _gaps(s * s)
        turned = matrix_transpose(inner)
        du = matmul(u, gaps * (inner * rows + columns * turned))
        dv = -matmul(gaps * (columns * inner + turned * rows), vh)
        if u.shape[-2] != k:
            outside = right - matmul(u, inner)
            du = du + outside / _along_rows(s, u.shape[-2])
        if vh.shape[-1] != k:
            outside = left - matmul(inner, vh)
            dv = dv + outside / _along_columns(s, vh.shape[-1])
        return [du, diagonal_of(inner), dv]

    def _reduced(self, x: Any, outputs: Any, needs_vectors: bool) -> tuple[Any, Any, Any]:
        """The factors with `k` vectors."""
        (u, s, vh), (m, n) = outputs, x.shape[-2:]
        if not self.full or m == n:
            return u, s, vh
        if needs_vectors:
            raise GradientError(
                "svd: the full vectors of a matrix that is not square have no gradient",
                facts=[("operand", x.type)],
                hint="the reduced factors have one (full_matrices=False)",
            )
        k = s.shape[-1]
        return _columns(u, 0, k), s, slice_axis(vh, vh.ndim - 2, 0, k)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x, wide = matrices_of_spectrum(10, 2, 4, 3), matrices_of_spectrum(11, 2, 3, 5)
        b, n = dims.symbol("b"), dims.symbol("n")
        bad = x.copy()
        bad[1, 0, 0] = np.nan
        yield Sample(cls(), (x,))
        yield Sample(cls(), (wide,), label="wide")
        yield Sample(cls(), (x[0, :3, ::-1],), label="square-strided")
        yield Sample(cls(True), (x[:, :3],), label="full-square")
        yield Sample(cls(True), (wide,), differentiable=(), label="full")
        yield Sample(cls(), (x[:, :1, :1],), label="size-1")
        yield Sample(cls(), (x[:0],), label="empty-batch")
        yield Sample(cls(), (x[:, :0],), label="empty")
        yield Sample(cls(), (bad,), differentiable=(), label="nan")
        yield Sample(cls(), (x,), ((b, 4, 3),), label="symbolic-batch")
        yield Sample(cls(), (x[:, :3],), ((b, n, n),), label="symbolic")
        yield Sample(cls(), (x.astype(np.float16),), differentiable=(), label="f16")
        yield Sample(cls(), (x.astype(np.complex64) * np.complex64(1 + 2j),), label="complex")


def _along_rows(s: Any, rows: Size) -> Any:
    """`[*b, rows, k]` with `s[*b, j]` at `[*b, i, j]`."""
    return expand(s, (*s.shape[:-1], rows, s.shape[-1]), [s.ndim - 1])


def _along_columns(s: Any, columns: Size) -> Any:
    """`[*b, k, columns]` with `s[*b, i]` at `[*b, i, j]`."""
    return expand(s, (*s.shape, columns), [s.ndim])


def _is_diagonal(x: Any) -> Any:
    return find("equal")(iota(x, x.shape, -2), iota(x, x.shape, -1))


def _on_diagonal(s: Any) -> Any:
    full = _along_rows(s, s.shape[-1])
    return where(_is_diagonal(full), full, 0)


def _gaps(s: Any) -> Any:
    """`1 / (s[j] - s[i])` off the diagonal, 0 on it."""
    gaps = _along_rows(s, s.shape[-1]) - _along_columns(s, s.shape[-1])
    is_diagonal = _is_diagonal(gaps)
    return where(is_diagonal, 0, 1 / where(is_diagonal, 1, gaps))


# ------------------------------------------------------------------------------------ eigenvectors


@register("eigh")
class Eigh(HostMatrixOp):
    """`x = v @ diag(w) @ v^H` for symmetric or Hermitian `x[*b, n, n]`: `w[*b, n]`, `v` like `x`.

    Only the lower triangle of `x` is read. Eigenvalues are real and ascend; the columns of `v` are
    the eigenvectors, of length 1.

    Gradient: `v (diag(gw) + f * (v^T gv)) v^T` with `f[i, j] = 1 / (w[j] - w[i])` off the diagonal,
    made symmetric and folded onto the lower triangle. Not finite where the gradient of vectors
    meets equal eigenvalues.
    """

    def infer(self, x: TensorType) -> tuple[TensorType, TensorType]:
        check_square(self.name, x)
        return TensorType(dtypes.to_real(x.dtype), x.shape[:-1]), x

    def numpy(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        w, v = each_matrix(np.linalg.eigh, wide_copy(x))
        w = w.astype(dtypes.to_real(dtypes.from_numpy(x.dtype)).numpy, copy=False)
        return w, v.astype(x.dtype, copy=False)

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        (w, v), (gw, gv) = outputs, cotangents
        inner = _on_diagonal(w.full(0, w.shape) if gw is None else gw)
        if gv is not None:
            inner = inner + _gaps(w) * matmul(matrix_transpose(v), gv)
        full = matmul(matmul(v, inner), matrix_transpose(v))
        return [triangle(full) + triangle(matrix_transpose(full), strict=True)]

    def jvp(self, context: Any, inputs: Any, outputs: Any, tangents: Any) -> Sequence[Any]:
        (w, v), (t,) = outputs, tangents
        if t is None:
            return [None, None]
        full = triangle(t) + matrix_transpose(triangle(t, strict=True))
        inner = matmul(matmul(matrix_transpose(v), full), v)
        return [diagonal_of(inner), matmul(v, _gaps(w) * inner)]

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = matrices_of_spectrum(12, 2, 4, 4)
        x = (x + np.swapaxes(x, -1, -2)) / 2
        b, n = dims.symbol("b"), dims.symbol("n")
        hermitian = x + np.complex64(1j) * (np.tril(x, -1) - np.triu(x, 1))
        yield Sample(cls(), (x,))
        yield Sample(cls(), (x[0, ::-1, ::-1],), label="strided")
        yield Sample(cls(), (x[:, :1, :1],), label="size-1")
        yield Sample(cls(), (x[:0],), label="empty-batch")
        yield Sample(cls(), (x[:, :0, :0],), label="empty")
        yield Sample(cls(), (np.triu(x),), differentiable=(), label="upper-not-read")
        yield Sample(cls(), (x,), ((b, n, n),), label="symbolic")
        yield Sample(cls(), (x.astype(np.float16),), differentiable=(), label="f16")
        yield Sample(cls(), (hermitian,), label="complex")


# ------------------------------------------------------------------------------------ constructors


def qr(x: GraphOperand, complete: bool = False) -> tuple[Any, Any]:
    """The factors `q` and `r` of `x[*b, m, n]`."""
    q, r = x.emit(QR(complete), [x])
    return q, r


def svd(x: GraphOperand, full: bool = False) -> tuple[Any, Any, Any]:
    """The factors `u`, `s` and `vh` of `x[*b, m, n]`."""
    u, s, vh = x.emit(SVD(full), [x])
    return u, s, vh


def eigh(x: GraphOperand) -> tuple[Any, Any]:
    """The eigenvalues and eigenvectors of symmetric `x[*b, n, n]`; the lower triangle is read."""
    w, v = x.emit(Eigh(), [x])
    return w, v
