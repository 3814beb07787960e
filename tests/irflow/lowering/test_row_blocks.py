"""Loops over time whose rows do not depend on each other go block by block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from irflow import dims, dtypes
from irflow.backend import CompileOptions
from irflow.dims import Size
from irflow.ir.evaluate import evaluate
from irflow.ir.graph import Graph
from irflow.ir.types import TensorType
from irflow.lowering import row_blocks
from irflow.lowering.interpret import run_program
from irflow.lowering.program import Program
from irflow.lowering.steps import LoopStep, RowsStep, every_step
from irflow.ops import Handle, Scan, broadcast, concatenate, matmul, reduce_sum, reshape, slice_
from irflow.ops.region_parts import new_region, returning
from irflow.scalars import find
from irflow_llvm.runtime import LlvmExecutable
from tests.irflow.lowering.build import build, f32, lowered

UNITS, STEPS, HEIGHT = 8, 2, 4
RANDOM = np.random.default_rng(0)
Body = Callable[[Handle, Handle, Handle], tuple[Handle, Handle]]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter is slow."""
    monkeypatch.setattr(row_blocks, "LEAST_ROWS", HEIGHT)
    monkeypatch.setattr(row_blocks, "LEAST_ELEMENTS", 1)


def cell(w: Handle, h: Handle, x: Handle) -> tuple[Handle, Handle]:
    """A product, halves of columns exchanged, and something summed up along each row."""
    z, half = matmul(h, w) + x, UNITS // 2
    rows = z.shape[0]
    left = slice_(z, (0, 0), (rows, half))
    right = slice_(z, (0, half), (rows, UNITS))
    mixed = concatenate([find("tanh")(right), left], 1)
    total = reshape(reduce_sum(mixed, (1,)), (rows, 1))
    state = mixed + broadcast(reshape(total, (rows,)), mixed.shape, (0,)) * 0.01
    return state, state * 2.0


def recurrence(rows: Size, body: Body = cell, reverse: bool = False) -> Graph:
    """`body` as a scan over sequences `[step, row, unit]`, its constant a square matrix."""
    matrix, state = f32(UNITS, UNITS), f32(rows, UNITS)
    region, ((w,), (h,), (x,)) = new_region("body", [matrix], [state], [state])
    returning(region, body(w, h, x))

    def function(*operands: Handle) -> Any:
        return operands[0].emit(Scan(STEPS, 1, 1, reverse), operands, [region])

    return build(function, matrix, state, f32(STEPS, rows, UNITS))


def arrays(rows: int) -> list[np.ndarray]:
    shapes = (UNITS, UNITS), (rows, UNITS), (STEPS, rows, UNITS)
    return [0.1 * RANDOM.normal(size=shape).astype(np.float32) for shape in shapes]


def blocks(program: Program) -> list[RowsStep]:
    return [step for step in every_step(program.steps) if isinstance(step, RowsStep)]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("rows", [2 * HEIGHT, 2 * HEIGHT + 1])
@pytest.mark.parametrize("is_symbolic", [False, True])
def test_blocks_of_rows(rows: int, is_symbolic: bool, reverse: bool) -> None:
    size = dims.symbol("n") if is_symbolic else rows
    graph, given = recurrence(size, reverse=reverse), arrays(rows)
    program = lowered(graph)
    (step,) = blocks(program)
    assert step.height == HEIGHT
    assert [type(inner) for inner in step.body] == [LoopStep]
    expected = evaluate(graph, given)
    runs = [LlvmExecutable(program, CompileOptions())]
    interpreted = [run_program(program, given, backwards) for backwards in (False, True)]
    for results in [*(run(given) for run in runs), *interpreted]:
        for found, wanted in zip(results, expected, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_bits_do_not_depend_on_what_is_known_of_rows() -> None:
    rows = 2 * HEIGHT + 1
    given = arrays(rows)
    results = [
        LlvmExecutable(lowered(recurrence(size)), CompileOptions())(given)
        for size in (rows, dims.symbol("n"))
    ]
    assert [a.tobytes() for a in results[0]] == [b.tobytes() for b in results[1]]


def mean_of_rows(w: Handle, h: Handle, x: Handle) -> tuple[Handle, Handle]:
    mean = reduce_sum(h, (0,)) * (1 / HEIGHT)
    return matmul(x, w) + broadcast(mean, h.shape, (1,)), h


def sums_of_columns(w: Handle, h: Handle, x: Handle) -> tuple[Handle, Handle]:
    """As many as there are rows, so that shapes do not tell."""
    assert h.shape == (UNITS, UNITS)
    return h + broadcast(reduce_sum(x, (0,)), h.shape, (0,)), h


def turned(w: Handle, h: Handle, x: Handle) -> tuple[Handle, Handle]:
    return matmul(h, w), matmul(x, reshape(h, (UNITS, h.shape[0])))


def shared_work(w: Handle, h: Handle, x: Handle) -> tuple[Handle, Handle]:
    return matmul(h, matmul(w, w)), x


@pytest.mark.parametrize("body", [mean_of_rows, sums_of_columns, turned, shared_work])
def test_rows_that_depend_on_each_other_stay_together(body: Body) -> None:
    rows = 2 * HEIGHT
    graph, given = recurrence(rows, body), arrays(rows)
    program = lowered(graph)
    assert not blocks(program)
    for found, wanted in zip(run_program(program, given), evaluate(graph, given), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_a_constant_may_be_of_rows() -> None:
    """As factors of dropout are, which are the same in all steps."""
    rows = 2 * HEIGHT
    state = f32(rows, UNITS)
    region, ((m,), (h,)) = new_region("body", [state], [state])
    returning(region, [h * m + 1.0])
    graph = build(lambda *x: x[0].emit(Scan(STEPS, 1, 1), x, [region]), state, state)
    given = arrays(rows)
    given = [given[1], given[2][0]]
    program = lowered(graph)
    assert len(blocks(program)) == 1
    found = LlvmExecutable(program, CompileOptions())(given)
    np.testing.assert_allclose(found[0], evaluate(graph, given)[0], rtol=1e-5)


def test_few_rows_and_counters_are_no_blocks() -> None:
    assert not blocks(lowered(recurrence(HEIGHT)))
    state, number = f32(4 * HEIGHT, UNITS), TensorType(dtypes.i64, ())
    region, ((h, k),) = new_region("body", [state, number])
    returning(region, [h + 1.0, k + 1])
    graph = build(lambda *x: x[0].emit(Scan(STEPS, 0, 2), x, [region]), state, number)
    assert not blocks(lowered(graph))
