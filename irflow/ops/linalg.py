"""Factorisations of square matrices and the solution of linear systems.

Leading axes are a batch. Computations are in the dtype of the operands, 16-bit floats in f32. A
matrix without a factor or an inverse gives infinities and NaN, never an error.

The derivatives follow M. Giles, "Collected Matrix Derivative Results for Forward and Reverse Mode
Algorithmic Differentiation" (2008); that of the Cholesky factor is in the form of I. Murray,
"Differentiation of the Cholesky decomposition" (2016).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import ml_dtypes
import numpy as np

from irflow import dims, dtypes
from irflow.ir.op import Cost, Lowering, Op, Sample, register
from irflow.ir.types import TensorType
from irflow.loops.nodes import Const, Expr, LoopKind, Select
from irflow.ops.index_map import zero_expr
from irflow.ops.linalg_loops import cholesky_loops, factor_loops, substitute_loops
from irflow.ops.linalg_numpy import cholesky_arrays, factor_arrays, solve_arrays, substitute_arrays
from irflow.ops.linalg_parts import (
    check_square,
    check_system,
    definite_matrices,
    fill_scratch,
    lower_half,
    permute_rows,
    permute_rows_back,
    regular_matrices,
    times_unit_lower,
    triangle,
    with_more_columns,
    write_scratch,
)
from irflow.ops.matmul import matmul, matrix_transpose
from irflow.ops.scratch import Scratch, outer_loops
from irflow.scalars import find

if TYPE_CHECKING:
    from irflow.ops.operand import GraphOperand


class MatrixOp(Op):
    """An op on batches of square matrices: its cost is cubic in their size."""

    lowering: ClassVar[Lowering] = Lowering.NEST

    def batch(
        self, context: Any, inputs: Sequence[Any], is_batched: Sequence[bool]
    ) -> Sequence[Any]:
        if len(inputs) == 2 and not is_batched[0]:
            return [with_more_columns(self, *inputs)]
        return list(inputs[0].emit(self, context.fronted(inputs, is_batched)))

    def cost(self, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Cost:
        traffic = sum((t.nbytes for t in (*inputs, *outputs)), 0)
        return Cost(inputs[0].size * inputs[0].shape[-1], traffic)


@register("cholesky")
class Cholesky(MatrixOp):
    """The lower triangular `y` with `y @ transpose(y) = x`, of `x[*b, n, n]` positive definite.

    Only the lower triangle of `x` is read, above it symmetry is assumed; the upper triangle of the
    result is 0. The lower triangle is NaN for a matrix that is not positive definite.

    Gradient: with `s = y^-T P(y^T g) y^-1`, where P takes the lower triangle with half the
    diagonal, `s + s^T` below the diagonal and `s` on it.
    """

    def infer(self, x: TensorType) -> TensorType:
        return check_square(self.name, x)

    def numpy(self, x: np.ndarray) -> np.ndarray:
        return cholesky_arrays(x).astype(x.dtype, copy=False)

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        (y,), (g,) = outputs, cotangents
        inner = lower_half(matmul(matrix_transpose(y), g))
        left = triangular_solve(y, inner, transpose=True)
        full = matrix_transpose(triangular_solve(y, matrix_transpose(left), transpose=True))
        return [triangle(full) + triangle(matrix_transpose(full), strict=True)]

    def jvp(self, context: Any, inputs: Any, outputs: Any, tangents: Any) -> Sequence[Any]:
        (y,), (t,) = outputs, tangents
        if t is None:
            return [None]
        full = triangle(t) + matrix_transpose(triangle(t, strict=True))
        left = matrix_transpose(triangular_solve(y, full))
        return [matmul(y, lower_half(triangular_solve(y, left)))]

    def nest(self, context: Any, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        (x,) = inputs
        *batch, n, _ = x.type.shape
        with outer_loops(context, batch) as outer:
            upper = Scratch(context, x.type.dtype, (n, n), "upper")
            with context.loops((n, n)) as (i, j):
                upper.set((i, j), x([*outer, find("maximum")(i, j), find("minimum")(i, j)]))
            is_factored = cholesky_loops(context, upper, n)
            with context.loops((n, n)) as (i, j):
                nan = Const(float("nan"), upper.buffer.dtype)
                lower = Select(is_factored, upper.get(j, i), nan)
                context.store(0, [*outer, i, j], Select(j > i, zero_expr(nan.dtype), lower))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = definite_matrices(2, 2, 3, 4, 4)
        b, n = dims.symbol("b"), dims.symbol("n", lower=0)
        bad = x[0].copy()
        bad[1] = [[1, 2, 0, 0], [2, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
        bad[2, 2, 1] = np.nan
        yield Sample(cls(), (x,))
        yield Sample(cls(), (x[0, 0],), label="matrix")
        yield Sample(cls(), (x[0, :, ::-1, ::-1],), label="strided")
        yield Sample(cls(), (x[0, :, :1, :1],), label="size-1")
        yield Sample(cls(), (x[:, :0],), label="empty-batch")
        yield Sample(cls(), (x[..., :0, :0],), label="empty")
        yield Sample(cls(), (bad,), differentiable=(), label="indefinite")
        yield Sample(cls(), (x,), ((2, b, 4, 4),), label="symbolic-batch")
        yield Sample(cls(), (x[0],), ((3, n, n),), label="symbolic")
        yield Sample(cls(), (x.astype(np.float16),), differentiable=(), label="f16")


@register("triangular_solve")
class TriangularSolve(MatrixOp):
    """The `x` with `op(triangle(a)) @ x = b`: `a[*b, n, n]`, `b[*b, n, m]`, `x` like `b`.

    Only the lower (or upper) triangle of `a` is read, `op` is the transpose or nothing, and with
    `unit_diagonal` the diagonal is taken to be 1 and not read. A zero on the diagonal gives
    infinities and NaN.
    Gradient: `gb = op(a)^-T g`, and `ga = -gb x^T` (transposed with `a`) in the triangle.
    """

    lower: bool = True
    transpose: bool = False
    unit_diagonal: bool = False

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        return check_system(self.name, a, b)

    def numpy(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        turned = np.swapaxes(a, -1, -2) if self.transpose else a
        result = substitute_arrays(turned, b, self.lower != self.transpose, self.unit_diagonal)
        return result.astype(b.dtype, copy=False)

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        (a, _), (x,), (g,) = inputs, outputs, cotangents
        turned = TriangularSolve(self.lower, not self.transpose, self.unit_diagonal)
        to_b = g.emit(turned, [a, g])[0]
        if not context.needs(0):
            return [None, to_b]
        left, right = (x, to_b) if self.transpose else (to_b, x)
        return [-self._triangle(matmul(left, matrix_transpose(right))), to_b]

    def jvp(self, context: Any, inputs: Any, outputs: Any, tangents: Any) -> Sequence[Any]:
        (a, _), (x,), (da, db) = inputs, outputs, tangents
        parts = [] if db is None else [db]
        if da is not None:
            kept = self._triangle(da)
            parts.append(-matmul(matrix_transpose(kept) if self.transpose else kept, x))
        return [x.emit(self, [a, sum(parts[1:], parts[0])])[0]] if parts else [None]

    def _triangle(self, x: Any) -> Any:
        return triangle(x, self.lower, strict=self.unit_diagonal)

    def nest(self, context: Any, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        a, b = inputs
        *batch, n, m = b.type.shape
        with outer_loops(context, batch) as outer:
            x = Scratch(context, b.type.dtype, (n, m), "x")
            fill_scratch(context, x, b, outer)

            def coefficient(i: Expr, k: Expr) -> Expr:
                element: Expr = a([*outer, k, i] if self.transpose else [*outer, i, k])
                return element

            is_lower = self.lower != self.transpose
            substitute_loops(context, coefficient, x, (n, m), is_lower, self.unit_diagonal)
            write_scratch(context, 0, x, outer)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        a, b = regular_matrices(3, 3, 4, 4), np.random.default_rng(4).normal(size=(3, 4, 2))
        b = b.astype(np.float32)
        s, n, m = dims.symbol("s"), dims.symbol("n"), dims.symbol("m", lower=0)
        for lower in (True, False):
            for transpose in (False, True):
                label = f"{'lower' if lower else 'upper'}{'-transposed' * transpose}"
                yield Sample(cls(lower, transpose), (a, b), label=label)
        yield Sample(cls(unit_diagonal=True), (a, b), label="unit")
        yield Sample(cls(False, True, True), (a[0], b[0]), label="unit-upper")
        yield Sample(cls(), (a[:, ::-1, ::-1], b[..., ::-1]), label="strided")
        yield Sample(cls(), (a[:, :1, :1], b[:, :1, :1]), label="size-1")
        yield Sample(cls(), (a[..., :0, :0], b[:, :0]), label="empty")
        yield Sample(cls(), (a, b[..., :0]), label="no-columns")
        singular = (
            np.array([[0.0, 0], [1, 1]], np.float32),
            np.array([[0.0, 1], [1, 1]], np.float32),
        )
        yield Sample(cls(), singular, differentiable=(), label="singular")
        yield Sample(cls(), (a, b), ((s, n, n), (s, n, m)), label="symbolic")
        small = (a.astype(ml_dtypes.bfloat16), b.astype(ml_dtypes.bfloat16))
        yield Sample(cls(), small, differentiable=(), label="bf16")


@register("lu")
class LU(MatrixOp):
    """The factors of `x[*b, n, n]` with partial pivoting: `x[permutation] = l @ u`.

    Results: `l` below the diagonal, whose own is 1, and `u` from the diagonal on, packed in one
    matrix; the row that each row was exchanged with, in order, `i64[*b, n]`; the permutation that
    follows from it, `i64[*b, n]`. The pivot of a column is the first of its largest elements, NaN
    counting as the largest. A singular matrix has a zero on the diagonal of `u`.

    Gradient: with `dx` permuted, `d = l^-1 dx u^-1`: `dl = l tril(d, -1)`, `du = triu(d) u`, and
    the adjoint of that. It is not finite at singular matrices.
    """

    def infer(self, x: TensorType) -> tuple[TensorType, TensorType, TensorType]:
        check_square(self.name, x)
        rows = TensorType(dtypes.i64, x.shape[:-1])
        return x, rows, rows

    def numpy(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        packed, pivots, order = factor_arrays(x)
        return packed.astype(x.dtype, copy=False), pivots, order

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        (packed, _, order), (g, *_) = outputs, cotangents
        lower = times_unit_lower(packed, triangle(g, strict=True), transpose=True)
        upper = matmul(triangle(g, False), matrix_transpose(triangle(packed, False)))
        inner = triangle(lower, strict=True) + triangle(upper, False)
        left = triangular_solve(packed, inner, transpose=True, unit_diagonal=True)
        right = triangular_solve(packed, matrix_transpose(left), lower=False)
        return [permute_rows_back(matrix_transpose(right), order)]

    def jvp(self, context: Any, inputs: Any, outputs: Any, tangents: Any) -> Sequence[Any]:
        (packed, _, order), (t,) = outputs, tangents
        if t is None:
            return [None, None, None]
        left = triangular_solve(packed, permute_rows(t, order), unit_diagonal=True)
        turned = matrix_transpose(left)
        right = triangular_solve(packed, turned, lower=False, transpose=True)
        inner = matrix_transpose(right)
        lower = times_unit_lower(packed, triangle(inner, strict=True))
        upper = matmul(triangle(inner, False), triangle(packed, False))
        return [lower + upper, None, None]

    def nest(self, context: Any, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        (x,) = inputs
        *batch, n, _ = x.type.shape
        with outer_loops(context, batch) as outer:
            a = Scratch(context, x.type.dtype, (n, n), "a")
            fill_scratch(context, a, x, outer)
            with context.one_loop(n) as i:
                context.store(2, [*outer, i], i)

            def exchange(k: Expr, pivot: Expr) -> None:
                context.store(1, [*outer, k], pivot)
                pair = [context.load_output(2, [*outer, i]) for i in (k, pivot)]
                context.store(2, [*outer, k], pair[1])
                context.store(2, [*outer, pivot], pair[0])

            factor_loops(context, a, n, exchange)
            write_scratch(context, 0, a, outer)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = regular_matrices(5, 3, 4, 4)
        b, n = dims.symbol("b"), dims.symbol("n", lower=0)
        tied = np.array([[[1, 2, 0], [-1, 1, 3], [1, 0, 2]], [[0, 1, 1], [0, 2, 1], [0, 2, 5]]])
        yield Sample(cls(), (x,))
        yield Sample(cls(), (x[0, ::-1],), label="strided")
        yield Sample(cls(), (x[:, :1, :1],), label="size-1")
        yield Sample(cls(), (x[:, :0, :0],), label="empty")
        yield Sample(cls(), (tied.astype(np.float32),), differentiable=(), label="ties-singular")
        yield Sample(cls(), (x,), ((b, 4, 4),), label="symbolic-batch")
        yield Sample(cls(), (x,), ((3, n, n),), label="symbolic")
        yield Sample(cls(), (x.astype(np.float16),), differentiable=(), label="f16")


@register("solve")
class Solve(MatrixOp):
    """The `x` with `a @ x = b`: `a[*b, n, n]` and `b[*b, n, m]`, `x` like `b`.

    By LU factors with partial pivoting. Infinities and NaN where `a` is singular.
    Gradient: `gb = a^-T g` and `ga = -gb x^T`.
    """

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        return check_system(self.name, a, b)

    def numpy(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return solve_arrays(a, b).astype(b.dtype, copy=False)

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        (a, _), (x,), (g,) = inputs, outputs, cotangents
        to_b = solve(matrix_transpose(a), g)
        to_a = -matmul(to_b, matrix_transpose(x)) if context.needs(0) else None
        return [to_a, to_b]

    def jvp(self, context: Any, inputs: Any, outputs: Any, tangents: Any) -> Sequence[Any]:
        (a, _), (x,), (da, db) = inputs, outputs, tangents
        parts = [] if db is None else [db]
        parts += [] if da is None else [-matmul(da, x)]
        return [solve(a, sum(parts[1:], parts[0]))] if parts else [None]

    def nest(self, context: Any, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        a, b = inputs
        *batch, n, m = b.type.shape
        with outer_loops(context, batch) as outer:
            packed = Scratch(context, a.type.dtype, (n, n), "packed")
            x = Scratch(context, b.type.dtype, (n, m), "x")
            fill_scratch(context, packed, a, outer)
            fill_scratch(context, x, b, outer)

            def exchange(k: Expr, pivot: Expr) -> None:
                with context.one_loop(m, LoopKind.VECTOR) as j:
                    one, other = x.get(k, j), x.get(pivot, j)
                    x.set((k, j), other)
                    x.set((pivot, j), one)

            factor_loops(context, packed, n, exchange)
            substitute_loops(context, packed.get, x, (n, m), is_lower=True, is_unit=True)
            substitute_loops(context, packed.get, x, (n, m), is_lower=False, is_unit=False)
            write_scratch(context, 0, x, outer)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        a, b = regular_matrices(6, 3, 4, 4), np.random.default_rng(7).normal(size=(3, 4, 2))
        b = b.astype(np.float32)
        s, n, m = dims.symbol("s"), dims.symbol("n"), dims.symbol("m", lower=0)
        yield Sample(cls(), (a, b))
        yield Sample(cls(), (a[0, ::-1], b[0, :, ::-1]), label="strided")
        yield Sample(cls(), (a[:, :1, :1], b[:, :1]), label="size-1")
        yield Sample(cls(), (a[:, :0, :0], b[:, :0]), label="empty")
        yield Sample(cls(), (a, b[..., :0]), label="no-columns")
        yield Sample(cls(), (a, b), ((s, n, n), (s, n, m)), label="symbolic")
        small = (a.astype(np.float16), b.astype(np.float16))
        yield Sample(cls(), small, differentiable=(), label="f16")


# ------------------------------------------------------------------------------------ constructors


def cholesky(x: GraphOperand) -> Any:
    """The lower Cholesky factors of `x[*b, n, n]`, of which the lower triangle is read."""
    return x.emit(Cholesky(), [x])[0]


def triangular_solve(
    a: GraphOperand,
    b: GraphOperand,
    lower: bool = True,
    transpose: bool = False,
    unit_diagonal: bool = False,
) -> Any:
    """The solution of a triangular system with right-hand sides `b[*b, n, m]`."""
    return b.emit(TriangularSolve(lower, transpose, unit_diagonal), [a, b])[0]


def lu(x: GraphOperand) -> tuple[Any, Any, Any]:
    """Packed factors, pivots and permutation of `x[*b, n, n]`."""
    packed, pivots, permutation = x.emit(LU(), [x])
    return packed, pivots, permutation


def solve(a: GraphOperand, b: GraphOperand) -> Any:
    """The solution of `a @ x = b` for `b[*b, n, m]`."""
    return b.emit(Solve(), [a, b])[0]
