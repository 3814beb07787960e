"""Branches and loops as steps: native where nothing inside needs the host."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

from irflow import dims, dtypes
from irflow.backend import CompileOptions
from irflow.ir.evaluate import evaluate
from irflow.ir.graph import Graph
from irflow.ir.op import OPS, Lowering, Op
from irflow.ir.types import TensorType
from irflow.lowering.interpret import run_program
from irflow.lowering.program import Program
from irflow.lowering.steps import HostStep, LoopStep, SwitchStep, every_step
from irflow.ops import (
    Handle,
    Scan,
    Switch,
    While,
    concatenate,
    dynamic_slice,
    dynamic_update_slice,
    reshape,
)
from irflow.ops.region_parts import new_region, returning
from irflow_llvm.runtime import LlvmExecutable
from tests.irflow.lowering.build import build, f32, lowered

I64 = TensorType(dtypes.i64, ())


@dataclass(frozen=True)
class SortRows(Op):
    """An op that only the host runs."""

    name: ClassVar[str] = "sort_on_host"
    lowering: ClassVar[Lowering] = Lowering.HOST

    def infer(self, x: TensorType) -> TensorType:  # type: ignore[override]
        return x

    def numpy(self, x: np.ndarray) -> np.ndarray:  # type: ignore[override]
        return np.sort(x, axis=-1)


@pytest.fixture
def host_op() -> Iterator[Op]:
    OPS[SortRows.name] = SortRows
    yield SortRows()
    del OPS[SortRows.name]


def kinds(program: Program) -> list[str]:
    return [type(step).__name__ for step in every_step(program.steps)]


def check(graph: Graph, *arrays: Any) -> Program:
    """The program gives what the graph means, interpreted and as machine code."""
    program = lowered(graph)
    given = [np.asarray(array) for array in arrays]
    expected = evaluate(graph, given)
    for run in (lambda x: run_program(program, x), LlvmExecutable(program, CompileOptions())):
        for _ in range(2):
            for found, wanted in zip(run(given), expected, strict=True):
                np.testing.assert_allclose(found, wanted, rtol=1e-6)
                assert found.shape == wanted.shape
    return program


def scan_of(body: Graph, length: dims.Size, constants: int, carries: int, **options: Any) -> Any:
    def function(*operands: Handle) -> Any:
        return operands[0].emit(Scan(length, constants, carries, **options), operands, [body])

    return function


def test_a_scan_is_one_native_call_without_copies_of_slices() -> None:
    body, ((c, x),) = new_region("body", [f32(4), f32(4)])
    returning(body, [c + x, c * x])
    program = check(
        build(scan_of(body, 5, 0, 1), f32(4), f32(5, 4)),
        np.ones(4, np.float32),
        np.arange(20, dtype=np.float32).reshape(5, 4),
    )
    (loop,) = program.steps
    assert isinstance(loop, LoopStep)
    # The carry alone is copied, at the start; what it becomes is computed last, where it lies.
    assert kinds(program) == ["LoopStep", "CopyStep", "KernelStep", "KernelStep"]
    assert loop.inputs == (1, 0)
    assert [program.buffers[number].kind for number in loop.outputs] == ["output", "output"]


def test_carries_may_change_places() -> None:
    body, ((a, b, x),) = new_region("body", [f32(2), f32(2), f32(2)])
    returning(body, [b, a, a, b, x])
    for length in (0, 1, 4):
        check(
            build(scan_of(body, length, 0, 2), f32(2), f32(2), f32(length, 2)),
            np.float32([1, 2]),
            np.float32([3, 4]),
            np.arange(2 * length, dtype=np.float32).reshape(length, 2),
        )


@pytest.mark.parametrize("reverse", [False, True])
def test_a_result_that_is_carried_and_stacked_twice(reverse: bool) -> None:
    body, ((w, c, x),) = new_region("body", [f32(3), f32(3), f32(3)])
    y = c * w + x
    returning(body, [y, y, y, w, w.full(2.5, w.shape)])
    graph = build(scan_of(body, 3, 1, 1, reverse=reverse), f32(3), f32(3), f32(3, 3))
    x = np.arange(9, dtype=np.float32).reshape(3, 3)
    check(graph, np.float32([1, 2, 3]), np.float32([0.5, 0, 1]), x)


def test_loops_inside_loops_keep_their_memory() -> None:
    """What the outer body still reads is not overwritten by the inner one."""
    test, ((limit, k, _),) = new_region("test", [I64, I64, f32(3)])
    returning(test, [k < limit])
    step, ((_, k, v),) = new_region("step", [I64, I64, f32(3)])
    returning(step, [k + 1, v * 1.5 + 1.0])
    body, ((limit, c, x),) = new_region("outer", [I64, f32(3), f32(3)])
    early, other = x * 2.0, c + x
    _, inner = limit.emit(While(1), [limit, limit.full(0, ()), other], [test, step])
    late = inner * early + other
    _, again = limit.emit(While(1, 2), [limit, limit.full(0, ()), late], [test.copy(), step.copy()])
    returning(body, [late * 0.1, again + early])
    graph = build(scan_of(body, 4, 1, 1), I64, f32(3), f32(4, 3))
    x = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    program = check(graph, np.asarray(3), np.float32([1, 2, 3]), x)
    assert kinds(program).count("LoopStep") == 3
    assert "HostStep" not in kinds(program)


def test_what_every_round_reads_is_not_overwritten() -> None:
    """`y` is read early in each round; what is computed after it may not take its place."""
    body, ((y, c),) = new_region("body", [f32(8), f32(8)])
    early = y + c
    returning(body, [(early * early + early) * 0.01 + early * 0.5])

    def function(x: Handle) -> Any:
        return scan_of(body, 4, 1, 1)(x * x, x)

    program = check(build(function, f32(8)), np.linspace(-1, 1, 8).astype(np.float32))
    (place,) = (n for n, s in enumerate(program.steps) if isinstance(s, LoopStep))
    (before,) = program.steps[place - 1].outputs
    lives = program.lifetimes()
    assert lives[before][1] == max(last for _, last in lives.values())


def test_branches() -> None:
    branches = []
    for factor in (2.0, 3.0, 4.0):
        region, ((x, y),) = new_region("branch", [f32(3), f32(3)])
        branches.append(returning(region, [x * factor, y]))

    def function(index: Handle, x: Handle, y: Handle) -> Any:
        first = index.emit(Switch(), [index, x, y], branches)
        return [first[0] + 1.0, first[1]]

    graph = build(function, I64, f32(3), f32(3))
    for index in (-9, 0, 1, 2, 3):
        program = check(graph, np.asarray(index), np.float32([1, 2, 3]), np.ones(3, np.float32))
    assert isinstance(program.steps[0], SwitchStep)


def test_symbolic_lengths() -> None:
    n, m = dims.symbol("n"), dims.symbol("m")
    body, ((c, x),) = new_region("body", [f32(m), f32(m)])
    returning(body, [c + x, c * x])
    graph = build(scan_of(body, n, 0, 1), f32(m), f32(n, m))
    for length, width in [(3, 2), (1, 5)]:
        x = np.arange(length * width, dtype=np.float32).reshape(length, width)
        check(graph, np.ones(width, np.float32), x)


def test_what_needs_the_host_runs_there(host_op: Op) -> None:
    body, ((c, x),) = new_region("body", [f32(4), f32(4)])
    (row,) = c.emit(host_op, [c + x])
    returning(body, [row * 0.5, row])

    def function(c: Handle, x: Handle) -> Any:
        last, rows = scan_of(body, 3, 0, 1)(c + c, x)
        return [last * last, rows]

    x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    program = check(build(function, f32(4), f32(3, 4)), np.ones(4, np.float32), x)
    assert kinds(program) == ["KernelStep", "HostStep", "KernelStep"]
    assert any(isinstance(step, HostStep) for step in program.steps)


def rows_body(*, read_late: bool = False, exchanged: bool = False) -> Graph:
    """`(k, a: [4, 2], b: [4, 2]) -> (k + 1, a with row k replaced, b with row k replaced)`."""
    body, ((k, a, b),) = new_region("body", [I64, f32(4, 2), f32(4, 2)])
    starts = concatenate([reshape(k, (1,)), k.full(0, (1,))], 0)
    row = dynamic_slice(b, starts, (1, 2)) + 1.0
    new_a = dynamic_update_slice(a, row, starts)
    late = dynamic_slice(a, starts + 1, (1, 2)) * 2.0
    source = a if exchanged else late if read_late else row * row
    new_b = dynamic_update_slice(b, dynamic_slice(source, starts * 0, (1, 2)), starts)
    return returning(body, [k + 1, new_a, new_b])


@pytest.mark.parametrize("options", [{}, {"read_late": True}, {"exchanged": True}])
def test_rows_are_replaced_in_place(options: dict[str, bool]) -> None:
    graph = build(scan_of(rows_body(**options), 6, 0, 3), I64, f32(4, 2), f32(4, 2))
    a, b = np.arange(16, dtype=np.float32).reshape(2, 4, 2)
    for first in (-1, 0, 3):
        program = check(graph, np.asarray(first), a, b)
    assert kinds(program).count("UpdateStep") == 2


def test_whole_carries_that_replace_rows_of_each_other() -> None:
    body, ((k, a, b),) = new_region("body", [I64, f32(3, 2), f32(2, 2)])
    starts = concatenate([reshape(k, (1,)), k.full(0, (1,))], 0)
    rows = dynamic_slice(a, starts, (2, 2))
    returning(
        body,
        [k + 1, dynamic_update_slice(a, b, starts), dynamic_update_slice(b, b + rows, starts)],
    )
    graph = build(scan_of(body, 3, 0, 3), I64, f32(3, 2), f32(2, 2))
    check(graph, np.asarray(0), np.ones((3, 2), np.float32), np.eye(2, dtype=np.float32))
    body, ((k, b, a),) = new_region("body", [I64, f32(2, 2), f32(3, 2)])
    starts = concatenate([reshape(k, (1,)), k.full(0, (1,))], 0)
    first = dynamic_update_slice(b, b.full(7.0, (1, 2)), starts)
    returning(body, [k + 1, first, dynamic_update_slice(a, b, starts)])
    graph = build(scan_of(body, 3, 0, 3), I64, f32(2, 2), f32(3, 2))
    program = check(graph, np.asarray(0), np.eye(2, dtype=np.float32), np.ones((3, 2), np.float32))
    assert kinds(program).count("UpdateStep") == 2


@pytest.mark.parametrize("shape", [(4, 2), (8,)])
def test_a_carry_that_is_returned_besides_its_update_is_kept(shape: tuple[int, ...]) -> None:
    body, ((k, a),) = new_region("body", [I64, f32(4, 2)])
    starts = concatenate([reshape(k, (1,)), k.full(0, (1,))], 0)
    new = dynamic_update_slice(a, a.full(9.0, (1, 2)), starts)
    returning(body, [k + 1, new, reshape(a, shape)])
    graph = build(scan_of(body, 4, 0, 2), I64, f32(4, 2))
    program = check(graph, np.asarray(0), np.ones((4, 2), np.float32))
    assert "UpdateStep" not in kinds(program)


def test_a_loop_takes_memory_that_nobody_else_needs() -> None:
    double, ((c,),) = new_region("double", [f32(3)])
    returning(double, [c + c])

    def function(x: Handle) -> Any:
        y = x * x
        (first,) = scan_of(double, 2, 0, 1)(y)
        z = first + y
        (second,) = scan_of(double.copy(), 3, 0, 1)(z)
        w = reshape(second, (3, 1))
        (third,) = scan_of(double.copy(), 1, 0, 1)(second)
        return [third, w]

    program = check(build(function, f32(3)), np.float32([1, 2, 3]))
    loops = [step for step in program.steps if isinstance(step, LoopStep)]
    # `y` and, under another shape, `second` are read again.
    assert [len(loop.start) for loop in loops] == [1, 0, 1]


def test_an_update_in_place_waits_for_a_loop_that_reads_the_carry() -> None:
    double, ((c,),) = new_region("double", [f32(4, 2)])
    returning(double, [c + c])
    body, ((k, a),) = new_region("body", [I64, f32(4, 2)])
    starts = concatenate([reshape(k, (1,)), k.full(0, (1,))], 0)
    new = dynamic_update_slice(a, a.full(9.0, (1, 2)), starts)
    (doubled,) = scan_of(double, 2, 0, 1)(a)
    returning(body, [k + 1, new, doubled])
    graph = build(scan_of(body, 3, 0, 2), I64, f32(4, 2))
    program = check(graph, np.asarray(0), np.ones((4, 2), np.float32))
    assert kinds(program).count("UpdateStep") == 1


def test_the_listing() -> None:
    body, ((c,),) = new_region("body", [f32()])
    returning(body, [c + c])
    text = str(lowered(build(scan_of(body, 3, 0, 1), f32())))
    assert text.startswith(
        "program @test {\n"
        "  b0: input 0 f32[]\n"
        "  b1: output 0 f32[]\n"
        "  b2: temporary f32[]\n"
        "  b1 = loop length=3 {\n"
        "    b1 = copy(b0)\n"
        "  } then {\n"
        "    b1 = kernel @elementwise_1()\n"
        "  }\n"
        "}\n"
    )
