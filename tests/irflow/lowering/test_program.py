"""Programs: buffers, steps and what they print."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from irflow import dims, ops
from irflow.ir.builder import Builder
from irflow.ir.graph import Graph
from irflow.ir.op import Lowering, Op
from irflow.ir.types import TensorType
from irflow.lowering.interpret import run_program
from irflow.lowering.lower import lower_graph
from irflow.lowering.steps import CopyStep, HostStep, KernelStep
from irflow.ops import Handle
from irflow.ops.regions import Call, Fusion
from tests.irflow.lowering.build import build, f32, lowered, normal


@dataclass(frozen=True)
class SortRows(Op):
    """An op that only the host runs."""

    name: ClassVar[str] = "sort_rows"
    lowering: ClassVar[Lowering] = Lowering.HOST

    def infer(self, x: TensorType) -> TensorType:  # type: ignore[override]
        return x

    def numpy(self, x: np.ndarray) -> np.ndarray:  # type: ignore[override]
        return np.sort(x, axis=-1)


def kinds(graph: Graph) -> list[str]:
    return [type(step).__name__ for step in lowered(graph).steps]


def test_inputs_constants_and_duplicates_are_copied() -> None:
    def function(x: Handle) -> list[Handle]:
        y = x + 1.0
        return [x, y, y, x.constant(np.arange(3, dtype=np.float32)), ops.reshape(y, (3, 1))]

    graph = build(function, f32(3))
    steps = lowered(graph).steps
    assert sum(isinstance(step, CopyStep) for step in steps) == 4
    x = np.array([1, 2, 3], np.float32)
    results = run_program(lowered(graph), [x])
    for result, expected in zip(
        results, [x, x + 1, x + 1, np.arange(3), (x + 1)[:, None]], strict=True
    ):
        np.testing.assert_array_equal(result, expected)
    assert not any(np.shares_memory(a, b) for i, a in enumerate(results) for b in [x, *results[:i]])


def test_a_reshape_is_no_step() -> None:
    graph = build(lambda x: ops.reshape(x + 1.0, (6,)) * 2.0, f32(2, 3))
    assert kinds(graph) == ["KernelStep", "KernelStep"] or kinds(graph) == ["KernelStep"] * 4
    assert not any("reshape" in kernel.name for kernel in lowered(graph).kernels())


def test_host_steps_stand_between_kernels() -> None:
    def function(x: Handle) -> Handle:
        return x.emit(SortRows(), [x * 2.0])[0] + 1.0

    graph = build(function, f32(2, 4))
    steps = lowered(graph).steps
    position = next(i for i, step in enumerate(steps) if isinstance(step, HostStep))
    assert isinstance(steps[position - 1], KernelStep)
    assert isinstance(steps[-1], KernelStep)
    x = normal(2, 4)
    (result,) = run_program(lowered(graph), [x])
    np.testing.assert_allclose(result, np.sort(2 * x, -1) + 1)


def test_calls_are_inlined() -> None:
    region = build(lambda x: x + 1.0, f32(2))
    graph = Graph("outer")
    x = graph.add_input(f32(2), "x")
    (y,) = Builder(graph).emit(Call("plus_one"), [x], [region])
    graph.set_outputs([y])
    (result,) = run_program(lowered(graph), [np.zeros(2, np.float32)])
    np.testing.assert_array_equal(result, [1, 1])
    assert len(graph) == 1, "the graph that was given is changed"


def test_equal_kernels_are_shared() -> None:
    graph = build(lambda x, y: [x * x, y * y], f32(5), f32(5))
    program = lowered(graph)
    assert len(program.steps) == 2
    assert len(list(program.kernels())) == 1


def test_kernels_that_differ_in_the_order_of_their_inputs_are_shared() -> None:
    def first(x: Handle, y: Handle) -> Handle:
        a, b = x * 2.0, y + 1.0
        return a - b

    def second(y: Handle, x: Handle) -> Handle:
        b, a = y + 1.0, x * 2.0
        return a - b

    graph = Graph("test")
    x, y = (graph.add_input(f32(5), name) for name in "xy")
    builder = Builder(graph)
    regions = [build(function, f32(5), f32(5)) for function in (first, second)]
    pairs = [(x, y), (x, y)]
    results = [builder.emit(Fusion("loop"), p, [r])[0] for p, r in zip(pairs, regions, strict=True)]
    graph.set_outputs(results)
    program = lowered(graph)
    assert len(program.steps) == 2
    assert len(list(program.kernels())) == 1
    arrays = normal(5), normal(5, seed=1)
    found = run_program(program, arrays)
    np.testing.assert_array_equal(found[0], arrays[0] * 2 - (arrays[1] + 1))
    np.testing.assert_array_equal(found[1], arrays[1] * 2 - (arrays[0] + 1))


def test_the_listing() -> None:
    n = dims.symbol("n")
    program = lower_graph(build(lambda x: x + x, f32(n, 2)), "double")
    assert str(program).startswith(
        "program @double sizes n {\n"
        "  b0: input 0 f32[n, 2]\n"
        "  b1: output 0 f32[n, 2]\n"
        "  b1 = kernel @elementwise_0(b0)\n"
        "}\n"
    )
    assert "kernel @elementwise_0(in x0: f32[2*n], out y0: f32[2*n]) sizes n" in str(program)


def test_temporaries_share_the_arena() -> None:
    def chain(x: Handle) -> Handle:
        for _ in range(8):
            x = ops.transpose(x, (1, 0))
        return x

    n = dims.symbol("n")
    program = lowered(build(chain, f32(n, n)))
    assert len(program.numbers("temporary")) == 7
    assert program.layout({"n": 16}).nbytes == 2 * 16 * 16 * 4
    assert program.layout({"n": 32}).nbytes == 2 * 32 * 32 * 4


def test_outputs_of_several_shapes() -> None:
    from tests.irflow.lowering.build import fused, run

    graph = fused(lambda x: [x * 2.0, ops.reduce_sum(x, (1,))], f32(3, 4))
    x = normal(3, 4)
    scaled, total = run(graph, [x])
    np.testing.assert_allclose(scaled, 2 * x)
    np.testing.assert_allclose(total, x.sum(1), rtol=1e-5)
