"""Building, printing, walking and checking loop code."""

from collections.abc import Callable

import pytest

from irflow import dims, dtypes, scalars
from irflow.errors import CheckError, DTypeError
from irflow.loops import (
    Alloc,
    Barrier,
    Block,
    Broadcast,
    Buffer,
    Const,
    Expr,
    For,
    If,
    Kernel,
    Let,
    Load,
    LoopKind,
    Ramp,
    Select,
    Shuffle,
    Space,
    Stmt,
    Store,
    Var,
    integer,
    size_expr,
    walk,
)
from irflow.loops.build import NestBuilder, kernel_sizes
from irflow.loops.check import check
from irflow.loops.print import print_expr, print_kernel
from tests.irflow.loops import kernels

N = dims.symbol("n")
I = Var("i")
X, Y = Buffer("x", dtypes.f32, (N,)), Buffer("y", dtypes.f32, (N,))

# ----------------------------------------------------------------------------------------- building


def test_the_text_of_a_kernel() -> None:
    assert print_kernel(kernels.row_sum().kernel) == (
        "kernel @row_sum(in x: f32[n, 9], out y: f32[n]) sizes n {\n"
        "  for i in n parallel {\n"
        "    alloc total: f32[1] register\n"
        "    total[0] = 0.0\n"
        "    for j in 9 vector {\n"
        "      total[0] = total[0] + x[i, j]\n"
        "    }\n"
        "    y[i] = total[0]\n"
        "  }\n"
        "}\n"
    )


def test_every_statement_prints() -> None:
    text = print_kernel(kernels.collatz().kernel) + print_kernel(kernels.block_sum().kernel)
    for line in [
        "    while state[0] > 1 {",
        "      if value % 2 == 0 {",
        "      } else {",
        "  for b in 3 block_x {",
        "    alloc shared: i32[8] shared",
        "      barrier",
        "      let other: i32 = shared[t + 4 | t < 4]",
    ]:
        assert line in text.splitlines()


@pytest.mark.parametrize(
    ("expr", "text"),
    [
        ((I + 1) * 2, "(i + 1) * 2"),
        (I + I * 2, "i + i * 2"),
        (I - (I - 1), "i - (i - 1)"),
        (Const(1.5, dtypes.f64), "1.5:f64"),
        (Const(3, dtypes.u8), "3:u8"),
        (Const(float("inf"), dtypes.f32), "inf"),
        (scalars.tanh(Load(X, (I,), I < 3, "stream")), "tanh(x[i | i < 3].stream)"),
        (Ramp(I, 2, 4), "ramp(i, 2, 4)"),
        (Shuffle((Ramp(I, 1, 2),), (1, 0)), "shuffle([ramp(i, 1, 2)], [1, 0])"),
        (Select(I < 2, I, Broadcast(I, 1)), "select(i < 2, i, broadcast(i, 1))"),
    ],
)
def test_expressions_print(expr: Expr, text: str) -> None:
    assert print_expr(expr) == text


def test_names_are_unique() -> None:
    nest = NestBuilder(["x"])
    assert [nest.unique(name) for name in ("x", "x", "t", "t", "t1")] == [
        "x1",
        "x2",
        "t",
        "t1",
        "t11",
    ]


def test_a_let_can_be_hoisted_to_where_its_variables_are() -> None:
    nest = NestBuilder()
    with nest.loop("i", N) as i, nest.loop("j", 4) as j:
        once = nest.let(Load(X, (i,)) * 2.0, "once", hoist=True)
        each = nest.let(once + Load(X, (j,)), "each", hoist=True)
        nest.store(Y, (i,), each)
    outer = nest.finish().statements[0]
    assert isinstance(outer, For)
    first, inner = outer.body.statements
    assert isinstance(first, Let)
    assert first.var == once
    assert isinstance(inner, For)
    assert isinstance(inner.body.statements[0], Let)


def test_a_value_read_from_a_written_buffer_is_not_hoisted() -> None:
    nest = NestBuilder()
    state = nest.alloc(dtypes.f32, (1,))
    with nest.loop("i", N):
        nest.let(Load(state, (integer(0),)), hoist=True)
    _, loop = nest.finish().statements
    assert isinstance(loop, For)
    assert isinstance(loop.body.statements[0], Let)


def test_literals_need_no_name() -> None:
    nest = NestBuilder()
    assert nest.let(integer(3)) == integer(3)
    assert nest.let(I) is I
    assert nest.finish() == Block(())


def test_numbers_take_the_type_of_the_other_operand() -> None:
    u = Var("u", dtypes.u8)
    assert print_expr(u + 3) == "u + 3:u8"
    assert print_expr(scalars.where(I < 2, 1.0, Var("x", dtypes.f32))) == "where(i < 2, 1.0, x)"
    assert print_expr(scalars.where(I < 2, 1.0, 2.0)) == "where(i < 2, 1.0, 2.0)"
    assert (Ramp(I, 1, 4) + 1).lanes == 4


def test_literals_are_equal_when_they_are_the_same() -> None:
    f32 = dtypes.f32
    assert Const(0.0, f32) != Const(-0.0, f32)
    assert Const(float("nan"), f32) == Const(float("nan"), f32)
    assert Const(1, f32) == Const(1.0, f32)
    assert Const(1, dtypes.i32) != Const(1, dtypes.i64)
    assert len({Const(0.0, f32), Const(-0.0, f32), Const(0, f32)}) == 2
    assert len({Const(float("nan"), f32), Const(float("nan"), f32)}) == 1


def test_equal_expressions_are_one_key() -> None:
    assert len({(I + 2) * 3, (I + 2) * 3, (I + 3) * 2}) == 2


def test_sizes_become_expressions() -> None:
    m = dims.symbol("m")
    assert print_expr(size_expr(2 * N + 1)) == "2 * n + 1"
    assert print_expr(size_expr(dims.minimum(N, m) // 4)) in (
        "minimum(m, n) // 4",
        "minimum(n, m) // 4",
    )
    buffer = Buffer("b", dtypes.f32, (N, m))
    assert kernel_sizes([buffer], Block(())) == (Var("m"), Var("n"))


# ------------------------------------------------------------------------------------------ walking


def test_substitution_and_free_variables() -> None:
    expr = Load(X, (I + 1,), I < 3) * 2.0
    replaced = walk.substitute(expr, {"i": Var("k") * 2})
    assert print_expr(replaced) == "x[k * 2 + 1 | k * 2 < 3] * 2.0"
    assert list(walk.free_variables(replaced)) == ["k"]
    assert walk.substitute(expr, {"j": I}) is expr


def test_free_variables_of_statements() -> None:
    body = kernels.matmul().kernel.body
    assert list(walk.free_variables(body)) == ["n"]
    assert list(walk.stored(body)) == ["tile", "c"]
    assert list(walk.allocated(body)) == ["tile"]
    assert {load.buffer.name for load in walk.loads(body)} == {"a", "b", "tile"}


# ----------------------------------------------------------------------------------------- checking


def kernel(*statements: Stmt) -> Kernel:
    return Kernel("k", (X,), (Y,), (Var("n"),), Block(statements))


def loop(*statements: Stmt, kind: LoopKind = LoopKind.SERIAL) -> For:
    return For(I, Var("n"), kind, Block(statements))


ONE = Const(1.0, dtypes.f32)
TWO_AXES = Buffer("z", dtypes.f32, (N, N))
SHARED = Buffer("s", dtypes.f32, (4,), Space.SHARED)
VECTOR = Ramp(integer(0), 1, 4)

WRONG: list[tuple[Kernel, str]] = [
    (kernel(Store(Y, (I,), ONE)), "i is not defined here"),
    (kernel(loop(), Store(Y, (I,), ONE)), "i is not defined here"),
    (kernel(loop(loop())), "the name i is given twice"),
    (kernel(Let(Var("x", dtypes.f32), ONE)), "the name x is given twice"),
    (kernel(Let(Var("t"), ONE)), "t is i64, not f32"),
    (kernel(loop(Let(Var("u"), Var("n") + Var("i", dtypes.i64, 1))), loop()), "given twice"),
    (kernel(Store(Y, (Var("n", dtypes.i32),), ONE)), "n is i64, not i32"),
    (kernel(Store(TWO_AXES, (Var("n"), Var("n")), ONE)), "the buffer z is not known here"),
    (kernel(Store(Buffer("y", dtypes.f32, (4,)), (Var("n"),), ONE)), "y is declared otherwise"),
    (kernel(Store(Y, (), ONE)), "y has 1 axes, not 0"),
    (kernel(Store(Y, (ONE,), ONE)), "an index is f32, not i64"),
    (kernel(Store(Y, (integer(0),), integer(1))), "a value of i64 is stored in y, which is f32"),
    (kernel(Store(Y, (integer(0),), Broadcast(ONE, 4))), "a value of other lanes"),
    (kernel(Store(Y, (VECTOR,), ONE, Broadcast(I < 2, 3))), "i is not defined here"),
    (
        kernel(Store(Y, (VECTOR,), ONE, Broadcast(Var("n") < 2, 3))),
        "a condition has 3 lanes, not 4",
    ),
    (kernel(Store(Y, (integer(0),), ONE, integer(1))), "a condition is i64, not bool"),
    (kernel(Store(X, (integer(0),), ONE)), "the input x is written"),
    (kernel(Store(Y, (integer(0),), Load(Y, (integer(0),)))), "the output y is read"),
    (kernel(For(I, ONE, LoopKind.SERIAL, Block(()))), "an extent is f32, not i64"),
    (kernel(If(integer(1), Block(()))), "a condition is i64, not bool"),
    (kernel(Let(Var("t", dtypes.u8), Const(256, dtypes.u8))), "256 is not a literal of u8"),
    (
        kernel(Let(Var("t"), Select(Var("n") < 1, Var("n"), ONE))),
        "the sides of a select differ in type",
    ),
    (
        kernel(Let(Var("t", lanes=4), scalars.add(VECTOR, integer(1)))),
        "add: lanes differ",
    ),
    (kernel(Let(Var("t", lanes=1), Shuffle((VECTOR,), (4,)))), "a lane that is not there"),
    (kernel(Barrier()), "a barrier stands outside of all thread loops"),
    (
        kernel(loop(Alloc(SHARED), kind=LoopKind.THREAD_X)),
        "the shared buffer s is allocated in a thread loop",
    ),
    (kernel(Alloc(Buffer("b", dtypes.f32, (dims.symbol("m"),)))), "the size m of b is not a"),
    (Kernel("k", (X,), (Y,), (), Block(())), "the size n of x is not a parameter"),
]


@pytest.mark.parametrize(("wrong", "message"), WRONG, ids=[message for _, message in WRONG])
def test_wrong_kernels(wrong: Kernel, message: str) -> None:
    with pytest.raises(CheckError) as caught:
        check(wrong)
    assert message in str(caught.value)


def test_an_error_shows_the_statement() -> None:
    with pytest.raises(CheckError) as caught:
        check(kernel(loop(Store(Y, (I,), Load(Y, (I,))))))
    assert str(caught.value) == "kernel @k: the output y is read\n  in  y[i] = y[i]"


def test_outputs_may_be_read_on_request() -> None:
    check(kernel(loop(Store(Y, (I,), Load(Y, (I,))))), may_read_outputs=True)


@pytest.mark.parametrize("make", kernels.ALL, ids=lambda make: make.__name__)
def test_good_kernels(make: Callable[[], kernels.Sample]) -> None:
    check(make().kernel)


def test_rows_refuse_wrong_types_at_once() -> None:
    with pytest.raises(DTypeError, match="operands of different dtypes"):
        scalars.add(I, ONE)
