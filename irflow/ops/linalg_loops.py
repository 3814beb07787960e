"""The algorithms of linear algebra as loops over scratch matrices.

All updates are of whole rows, so that the innermost loop runs along memory in vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from irflow.dims import Size
from irflow.dtypes import bool_
from irflow.loops.nodes import Const, Expr, LoopKind, Select, integer, size_expr
from irflow.ops.scratch import Scratch
from irflow.scalars import find


def cholesky_loops(context: Any, upper: Scratch, size: Size) -> Expr:
    """Turn the upper triangle of a symmetric matrix into its factor; whether there is one.

    Row `i` is finished when what the rows above contribute is subtracted, and divided by the root
    of its diagonal element.
    """

    def row(index: Any, carried: Any) -> tuple[Expr]:
        i = index[0]
        rest = size_expr(size) - i
        with context.one_loop(i) as k:
            _subtract_row(context, upper, (i, k), upper.get(k, i), i, rest)
        pivot = upper.get(i, i)
        root = context.let(find("sqrt")(pivot))
        with context.one_loop(rest, LoopKind.VECTOR) as j:
            upper.set((i, i + j), upper.get(i, i + j) / root)
        return (carried[0] & (pivot > 0),)

    is_factored: Expr = context.loop([size], (Const(True, bool_),), row)[0]
    return is_factored


def factor_loops(
    context: Any, a: Scratch, size: Size, exchange: Callable[[Expr, Expr], None]
) -> None:
    """Turn a matrix into its packed factors; `exchange(k, pivot)` is told of exchanged rows."""
    n = size_expr(size)
    with context.one_loop(n) as k:
        pivot = _pivot(context, a, k, n - k)
        with context.one_loop(n, LoopKind.VECTOR) as j:
            one, other = a.get(k, j), a.get(pivot, j)
            a.set((k, j), other)
            a.set((pivot, j), one)
        exchange(k, pivot)
        diagonal, below = a.get(k, k), n - 1 - k
        with context.one_loop(below) as r:
            i = context.let(k + 1 + r)
            element = a.get(i, k)
            is_zero = find("equal")(diagonal, 0)
            factor = context.builder.let(Select(is_zero, element, element / diagonal), "factor")
            a.set((i, k), factor)
            _subtract_row(context, a, (i, k), factor, context.let(k + 1), below)


def _pivot(context: Any, a: Scratch, k: Expr, rows: Expr) -> Expr:
    """The row of the first of the largest elements of column `k`, from row `k` on."""

    def body(index: Any, carried: Any) -> tuple[Expr, Expr]:
        best, where = carried
        i = context.let(k + index[0])
        value = context.builder.let(find("absolute")(a.get(i, k)))
        is_nan = find("not_equal")(value, value) & find("equal")(best, best)
        wins = context.builder.let((value > best) | is_nan)
        return Select(wins, value, best), Select(wins, i, where)

    first = context.builder.let(find("absolute")(a.get(k, k)))
    place: Expr = context.loop([rows], (first, k), body)[1]
    return place


def substitute_loops(
    context: Any,
    coefficient: Callable[[Expr, Expr], Expr],
    x: Scratch,
    shape: tuple[Size, Size],
    is_lower: bool,
    is_unit: bool,
) -> None:
    """Solve with a triangular matrix in place: `x` is the right-hand side, then the solution."""
    n, width = size_expr(shape[0]), shape[1]

    def row(number: Expr) -> Expr:
        i: Expr = context.let(number if is_lower else n - 1 - number)
        return i

    with context.one_loop(n) as step:
        i = row(step)
        with context.one_loop(step) as earlier:
            k = row(earlier)
            factor = context.builder.let(coefficient(i, k), "factor")
            _subtract_row(context, x, (i, k), factor, integer(0), width)
        if not is_unit:
            diagonal = context.builder.let(coefficient(i, i), "diagonal")
            with context.one_loop(width, LoopKind.VECTOR) as j:
                x.set((i, j), x.get(i, j) / diagonal)


def _subtract_row(
    context: Any, a: Scratch, rows: tuple[Expr, Expr], factor: Expr, start: Expr, count: Any
) -> None:
    """`a[i, start:] -= factor * a[k, start:]` for `count` elements."""
    i, k = rows
    with context.one_loop(count, LoopKind.VECTOR) as step:
        j = start + step
        a.set((i, j), a.get(i, j) - factor * a.get(k, j))
