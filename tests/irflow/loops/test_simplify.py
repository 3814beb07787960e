"""The simplifier: each rule by an example, and all of them against the interpreter."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from irflow import dims, dtypes, scalars
from irflow.loops import (
    Block,
    Buffer,
    Cast,
    Const,
    Expr,
    Load,
    LoopKind,
    Select,
    Space,
    Store,
    Var,
    integer,
)
from irflow.loops.bounds import Interval, interval
from irflow.loops.build import NestBuilder
from irflow.loops.check import check
from irflow.loops.interpret import interpret
from irflow.loops.print import print_expr, print_statement
from irflow.loops.simplify import simplify, simplify_expr
from irflow.loops.unroll import unroll
from tests.irflow.loops import kernels
from tests.irflow.loops.kernels import Sample

I, J, N = Var("i"), Var("j"), Var("n")
X, Y = Var("x", dtypes.f32), Var("y", dtypes.f32)
P, Q = Var("p", dtypes.bool_), Var("q", dtypes.bool_)
U = Var("u", dtypes.u8)
DATA = Load(Buffer("data", dtypes.i64, (4,)), (integer(0),))
KNOWN = {"i": Interval(0, 9), "j": Interval(0, 27), "n": Interval(1, 2**40)}

f32 = dtypes.f32
TRUE, FALSE = Const(True, dtypes.bool_), Const(False, dtypes.bool_)
CASES = [
    # literals
    (integer(2) + 3, "5"),
    (integer(7) // 0, "0"),
    (integer(-7) // 2, "-4"),
    (Const(200, dtypes.u8) + 100, "44:u8"),
    (Const(1.5, f32) * 2.0, "3.0"),
    (scalars.tanh(Const(1.5, f32)), "tanh(1.5)"),
    (Cast(dtypes.i8, Const(300.0, f32)), "127:i8"),
    (Cast(dtypes.i64, I), "i"),
    (scalars.less(Const(float("nan"), f32), 1.0), "false"),
    # neutral and absorbing
    (I + 0, "i"),
    (0 + I, "i"),
    (I - 0, "i"),
    (I - I, "0"),
    (I * 1, "i"),
    (1 * I, "i"),
    (I * 0, "0"),
    (0 // I, "0"),
    (0 % I, "0"),
    (X + 0.0, "x + 0.0"),
    (X + -0.0, "x"),
    (X - 0.0, "x"),
    (X - X, "x - x"),
    (X * 1.0, "x"),
    (X * 0.0, "x * 0.0"),
    (X / 1.0, "x"),
    (scalars.negative(-X), "x"),
    (P & True, "p"),
    (P & False, "false"),
    (P | True, "true"),
    (U & 255, "u"),
    (U | 255, "255:u8"),
    (I & -1, "i"),
    (P | P, "p"),
    (~~P, "p"),
    (scalars.logical_or(P, FALSE), "p"),
    (scalars.logical_or(TRUE, P), "true"),
    # literals move together
    ((I + 2) + 3, "i + 5"),
    (2 + (3 + I), "i + 5"),
    ((I * 2) * 3, "i * 6"),
    # division and remainder by what is known
    (I // 10, "0"),
    (I % 10, "i"),
    (I // 9, "i // 9"),
    ((I * 28 + J) // 28, "i"),
    ((I * 28 + J) % 28, "j"),
    ((I * 56 + J + 28) // 28, "i * 2 + 1"),
    ((J + I * 28) // 28 % 10, "i"),
    ((I * 28 + J) // 27, "(i * 28 + j) // 27"),
    ((N * 4) // 4, "n"),
    ((N * 4 + I % 4) % 4, "i % 4"),
    ((N // 3) // 5, "n // 15"),
    ((N % 12) % 4, "n % 4"),
    ((N % 12) % 5, "n % 12 % 5"),
    ((DATA * 4) // 4, "data[0] * 4 // 4"),
    # comparisons by bounds
    (I < 10, "true"),
    (I < 9, "i < 9"),
    (I >= 0, "true"),
    (I > 9, "false"),
    (N >= 1, "true"),
    (N > 5, "n > 5"),
    (scalars.equal(I, 20), "false"),
    (scalars.not_equal(I, I), "false"),
    (scalars.equal(X, X), "x == x"),
    (scalars.less(X, X), "false"),
    (Cast(dtypes.i64, U) < 256, "true"),
    (scalars.minimum(I, 9), "i"),
    (scalars.maximum(I, 0), "i"),
    (scalars.minimum(N, I), "minimum(n, i)"),
    # choices
    (Select(TRUE, X, Y), "x"),
    (Select(P, X, X), "x"),
    (Select(P, X, Y), "select(p, x, y)"),
    (scalars.where(FALSE, X, Y), "y"),
    (Select(I < 10, X, Y), "x"),
    (Load(Buffer("b", f32, (4,)), (I,), I < 100), "b[i]"),
    (Load(Buffer("b", f32, (4,)), (I,), I > 100), "0.0"),
]


@pytest.mark.parametrize(
    ("expr", "expected"), CASES, ids=[f"{k}: {print_expr(e)}" for k, (e, _) in enumerate(CASES)]
)
def test_expressions(expr: Expr, expected: str) -> None:
    assert print_expr(simplify_expr(expr, KNOWN)) == expected


Write = Callable[[NestBuilder, Buffer], object]


def block(write: Write) -> str:
    nest = NestBuilder()
    write(nest, Buffer("y", dtypes.i64, (4,)))
    kernel = nest.kernel("k", [], [Buffer("y", dtypes.i64, (4,))])
    return print_statement(simplify(kernel).body)


def test_a_loop_that_runs_once() -> None:
    def write(nest: NestBuilder, y: Buffer) -> None:
        with nest.loop("i", 1) as i:
            nest.store(y, (i,), i + 5)

    assert block(write) == "y[0] = 5"


def test_a_loop_of_threads_stays() -> None:
    def write(nest: NestBuilder, y: Buffer) -> None:
        with nest.loop("i", 1, LoopKind.THREAD_X) as i:
            nest.store(y, (i,), i + 5)

    assert block(write).startswith("for i in 1 thread_x")


def test_a_loop_that_never_runs() -> None:
    def write(nest: NestBuilder, y: Buffer) -> None:
        with nest.loop("i", 0) as i:
            nest.store(y, (i,), i)

    assert block(write) == ""


def test_masks_follow_from_extents() -> None:
    def write(nest: NestBuilder, y: Buffer) -> None:
        with nest.loop("i", 3) as i, nest.loop("j", 2) as j:
            nest.store(y, (i,), j, i * 2 + j < 6)
            nest.store(y, (i,), i, i * 2 + j > 5)

    assert block(write).splitlines()[2:3] == ["    y[i] = j"]
    assert "|" not in block(write)


def test_branches_that_are_decided() -> None:
    def write(nest: NestBuilder, y: Buffer) -> None:
        with nest.if_(integer(1) < 2):
            nest.store(y, (integer(0),), integer(1))
        with nest.else_():
            nest.store(y, (integer(0),), integer(2))
        with nest.if_(integer(3) < 2):
            nest.store(y, (integer(0),), integer(3))

    assert block(write) == "y[0] = 1"


def test_what_nobody_reads_goes() -> None:
    def write(nest: NestBuilder, y: Buffer) -> None:
        first = nest.alloc(dtypes.i64, (2,), Space.REGISTER, "first")
        second = nest.alloc(dtypes.i64, (2,), Space.REGISTER, "second")
        nest.store(first, (integer(0),), Load(second, (integer(1),)))
        nest.let(Load(first, (integer(0),)), "unused")
        nest.store(y, (integer(0),), integer(4))

    assert block(write) == "y[0] = 4"


def test_names_of_literals_are_replaced() -> None:
    def write(nest: NestBuilder, y: Buffer) -> None:
        with nest.loop("i", 4) as i:
            position = nest.let(i + 0, "position")
            nest.store(y, (position,), nest.let(position * 0 + 3, "three"))

    assert block(write) == "for i in 4 {\n  y[i] = 3\n}"


def test_bounds_of_sizes_are_used() -> None:
    n = dims.symbol("n", upper=8)
    y = Buffer("y", dtypes.i64, (n,))
    nest = NestBuilder()
    with nest.loop("i", n) as i:
        nest.store(y, (i,), i // 8)
    assert "y[i] = 0" in print_statement(simplify(nest.kernel("k", [], [y])).body)


@pytest.mark.parametrize("make", kernels.ALL, ids=lambda make: make.__name__)
def test_kernels_mean_the_same(make: Callable[[], Sample]) -> None:
    sample = make()
    before = interpret(sample.kernel, sample.inputs)
    for kernel in (simplify(sample.kernel), simplify(unroll(sample.kernel))):
        check(kernel)
        np.testing.assert_array_equal(interpret(kernel, sample.inputs), before)


@pytest.mark.parametrize(
    ("expr", "low", "high"),
    [
        (I * -2 + 3, -15, 3),
        (I - J, -27, 9),
        (I % 4, 0, 3),
        (I % 20, 0, 9),
        (DATA % 7, 0, 6),
        ((I - 5) // 2, -3, 2),
        (I // I, -9, 9),
        (scalars.minimum(I, 4), 0, 4),
        (scalars.maximum(I, 4), 4, 9),
        (Select(P, I, J - 30), -30, 9),
        (Cast(dtypes.i64, U) + 1, 1, 256),
        (DATA + 1, -(2**63), 2**63 - 1),
    ],
    ids=str,
)
def test_intervals(expr: Expr, low: int, high: int) -> None:
    assert interval(expr, KNOWN)[:2] == (low, high)


ROWS = [
    *("add", "subtract", "multiply", "floor_divide", "remainder", "minimum", "maximum"),
    *("floor_divide", "remainder", "multiply", "add", "bitwise_and", "bitwise_xor"),
]


@st.composite
def indices(draw: st.DrawFn, depth: int) -> Expr:
    """An index expression over loop variables, a size, data and literals."""
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        literal = st.integers(-3, 12) | st.sampled_from([28, 2**62, -(2**63)])
        return draw(st.sampled_from([I, J, N, DATA]) | literal.map(integer))
    parts = indices(depth - 1)
    if draw(st.integers(0, 5)) == 0:
        name = draw(st.sampled_from(["less", "less_equal", "greater", "equal", "not_equal"]))
        condition = scalars.find(name)(draw(parts), draw(parts))
        return Select(condition, draw(parts), draw(parts))
    if draw(st.integers(0, 7)) == 0:
        return Cast(dtypes.i64, Cast(draw(st.sampled_from([dtypes.u8, dtypes.i32])), draw(parts)))
    return scalars.find(draw(st.sampled_from(ROWS)))(draw(parts), draw(parts))


def evaluate(expr: Expr, i: int, j: int, n: int, data: int) -> int:
    y = Buffer("y", expr.dtype, (1,))
    buffer = Buffer("data", dtypes.i64, (4,))
    nest = NestBuilder(["i", "j", "n"])
    nest.add(Store(y, (integer(0),), expr))
    kernel = nest.kernel("k", [buffer], [y], (I, J, N))
    (result,) = interpret(kernel, [np.full(4, data)], {"i": i, "j": j, "n": n})
    return int(result[0])


VALUES = (
    st.integers(0, 9),
    st.integers(0, 27),
    st.integers(1, 1000) | st.just(2**40),
    st.sampled_from([0, 1, -1, 5, 2**62, 2**63 - 1, -(2**63)]),
)


@given(indices(4), *VALUES)
def test_random_indices_mean_the_same(expr: Expr, i: int, j: int, n: int, data: int) -> None:
    simple = simplify_expr(expr, KNOWN)
    assert evaluate(simple, i, j, n, data) == evaluate(expr, i, j, n, data)


@given(indices(3), *VALUES)
def test_bounds_hold(expr: Expr, i: int, j: int, n: int, data: int) -> None:
    bounds = interval(expr, KNOWN)
    assert bounds.low <= evaluate(expr, i, j, n, data) <= bounds.high


def test_the_empty_block() -> None:
    assert print_statement(Block(())) == ""
