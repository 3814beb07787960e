"""What kernels cost: flops, bytes, memory and lines, also with symbolic sizes."""

from typing import Any, get_args

import pytest

import irflow as irf
import irflow.numpy as inp
from irflow import dims, ops
from irflow.ir.parse import parse_graph
from irflow.lowering.lower import lower_graph
from irflow.lowering.steps import (
    CopyStep,
    ForkStep,
    HostStep,
    Step,
    UpdateStep,
    every_step,
)
from irflow.report.costs import (
    KINDS,
    graph_costs,
    node_cost,
    program_costs,
    temporaries,
    total,
    typical_sizes,
)
from irflow.testing.graphs import random_graph

MATMUL = """graph @g(%x: f32[n, 4], %w: f32[4, 3]) -> f32[n, 3] {
  %0 = matmul %x, %w : f32[n, 3]  // model.py:4
  return %0
}"""


def test_a_product_costs_two_flops_a_term() -> None:
    (cost,) = graph_costs(parse_graph(MATMUL))
    n = dims.symbol("n")
    assert (cost.flops, cost.bytes, cost.unfused_bytes) == (24 * n, 28 * n + 48, 28 * n + 48)
    assert cost.intensity({"n": 4}) == pytest.approx(96 / 160)
    assert [str(line) for line in cost.lines] == ["model.py:4"]
    assert not cost.is_fused
    assert cost.name == "matmul f32[n, 3]"


def test_nothing_moved_has_no_intensity() -> None:
    text = "graph @g(%x: f32[n]) -> f32[n] {\n %0 = elementwise<exp> %x : f32[n]\n return %0\n}"
    (cost,) = graph_costs(parse_graph(text))
    assert cost.intensity({"n": 0}) is None
    assert cost.intensity({"n": 2}) is not None


def test_regions_cost_what_their_nodes_do() -> None:
    graph = parse_graph(
        """graph @g(%x: f32[8]) -> f32[8] {
  %0 = fusion<"loop"> %x : f32[8] {
    (%a: f32[8]) -> f32[8]
    %0 = constant<dense(f32[], 2.0)> : f32[]
    %1 = broadcast<(8,), axes=()> %0 : f32[8]
    %2 = elementwise<multiply> %a, %1 : f32[8]
    %3 = elementwise<add> %2, %a : f32[8]
    return %3
  }
  return %0
}"""
    )
    (cost,) = graph_costs(graph)
    assert (cost.flops, cost.bytes) == (16, 64)
    assert cost.unfused_bytes == (4 + 32) + 96 + 96
    assert cost.ops == ("multiply", "add")
    assert cost.is_fused


@pytest.mark.parametrize("seed", range(25))
def test_every_step_is_accounted_for(seed: int) -> None:
    program = lower_graph(random_graph(seed, 30))
    costs = program_costs(program)
    steps = list(every_step(program.steps))
    assert [cost.kind for cost in costs] == [KINDS[type(step)] for step in steps]
    for cost, step in zip(costs, steps, strict=True):
        if isinstance(step, HostStep):
            assert cost.name == str(step).partition(" = ")[2]
            assert cost.flops == node_cost(step.node).flops
        if isinstance(step, CopyStep):
            assert (cost.flops, cost.ops) == (0, ())


@pytest.mark.parametrize("seed", range(10))
def test_flops_of_a_program_are_those_of_its_nodes(seed: int) -> None:
    program = lower_graph(random_graph(seed, 30))
    sizes = typical_sizes(program.graph)
    aliases = ("reshape", "stop_gradient")
    nodes = total(node_cost(node) for node in program.graph if node.op.name not in aliases)
    steps = sum((cost.flops * cost.known_times for cost in program_costs(program)), 0)
    moved = total(node_cost(node) for node in program.graph if node.op.name in aliases)
    more = dims.evaluate(steps - nodes.flops, sizes)
    assert 0 <= more <= dims.evaluate(moved.flops, sizes), "aliases of constants are kernels"


def test_typical_sizes_respect_bounds() -> None:
    text = "graph @g(%x: f32[a, b, c]) -> f32[a, b, c] where a <= 9, b >= 100 {\n return %x\n}"
    assert typical_sizes(parse_graph(text)) == {"a": 9, "b": 100, "c": 64}


def test_temporaries_are_sorted_by_size() -> None:
    graph = parse_graph(
        """graph @g(%x: f32[n, 4]) -> f32[4] {
  %0 = reduce<add, axes=(1,)> %x : f32[n]
  %1 = broadcast<(n, 4), axes=(0,)> %0 : f32[n, 4]
  %2 = reduce<add, axes=(0,)> %1 : f32[4]
  return %2
}"""
    )
    found = temporaries(lower_graph(graph))
    assert [(one.type, str(one.nbytes), one.steps) for one in found] == [
        ("f32[n, 4]", "16*n", (1, 2)),
        ("f32[n]", "4*n", (0, 1)),
    ]


SCAN = """graph @g(%w: f32[3], %xs: f32[n, 3]) -> f32[3], f32[n] {
  %0, %1 = scan<n, constants=0, carries=1> %w, %xs : f32[3], f32[n] {
    (%carry: f32[3], %x: f32[3]) -> f32[3], f32[]
    %0 = elementwise<add> %carry, %x : f32[3]          // model.py:6
    %1 = reduce<add, axes=(0,)> %0 : f32[]             // model.py:7
    return %0, %1
  }
  return %0, %1
}"""


def test_the_body_of_a_loop_counts_as_often_as_it_runs() -> None:
    graph = parse_graph(SCAN)
    n = dims.symbol("n")
    (whole,) = graph_costs(graph)
    assert whole.flops == 6 * n
    loop, *inside = program_costs(lower_graph(graph))
    assert (loop.kind, loop.name, loop.flops, loop.bytes) == ("loop", "loop of n steps", 0, 0)
    kernels = [cost for cost in inside if cost.kind == "kernel"]
    assert [(c.ops, c.flops, c.times, c.depth) for c in kernels] == [
        (("add",), 3, n, 1),
        (("reduce add",), 3, n, 1),
    ]
    assert [str(line) for cost in kernels for line in cost.lines] == ["model.py:6", "model.py:7"]
    assert {cost.kind for cost in inside if cost.times == 1} == {"copy"}


def test_steps_that_wait_for_others_keep_their_nodes() -> None:
    """The sum is written over the carry, after the product has read it."""
    text = """graph @g(%w: f32[3], %xs: f32[5, 3]) -> f32[3], f32[5, 3] {
  %0, %1 = scan<5, constants=0, carries=1> %w, %xs : f32[3], f32[5, 3] {
    (%carry: f32[3], %x: f32[3]) -> f32[3], f32[3]
    %0 = elementwise<add> %carry, %x : f32[3]
    %1 = elementwise<tanh> %carry : f32[3]
    return %0, %1
  }
  return %0, %1
}"""
    _, _, first, second = program_costs(lower_graph(parse_graph(text)))
    assert (first.ops, second.ops) == (("tanh",), ("add",))


def test_branches_and_loops_of_unknown_length() -> None:
    graph = parse_graph(
        """graph @g(%i: i64[], %x: f32[3]) -> f32[3], f32[3] {
  %0 = switch %i, %x : f32[3] {
    (%x: f32[3]) -> f32[3]
    %0 = elementwise<exp> %x : f32[3]
    return %0
  } {
    (%x: f32[3]) -> f32[3]
    %0 = elementwise<add> %x, %x : f32[3]
    return %0
  }
  %1 = while<0> %x : f32[3] {
    (%x: f32[3]) -> bool[]
    %0 = reduce<maximum, axes=(0,)> %x : f32[]
    %1 = elementwise<isfinite> %0 : bool[]
    return %1
  } {
    (%x: f32[3]) -> f32[3]
    %0 = elementwise<multiply> %x, %x : f32[3]
    return %0
  }
  return %0, %1
}"""
    )
    found = [cost for cost in program_costs(lower_graph(graph)) if cost.kind != "copy"]
    assert [(cost.name.partition("_")[0], cost.ops, cost.times) for cost in found] == [
        ("switch of 2 branches", (), 1),
        ("elementwise", ("exp",), 1),
        ("elementwise", ("add",), 1),
        ("loop", (), 1),
        ("reduce", ("reduce maximum",), None),
        ("elementwise", ("isfinite",), None),
        ("elementwise", ("multiply",), None),
    ]


def test_every_kind_of_step_has_a_name() -> None:
    assert {*KINDS, ForkStep} == set(get_args(Step)), "steps of a fork stand in its place"


def test_rows_that_replace_others_cost_two_of_them() -> None:
    def write(i: Any, rows: Any) -> Any:
        return ops.dynamic_update_slice(rows, inp.ones((1, 4)), inp.stack([i, 0]))

    traced = irf.jit(lambda rows: irf.fori_loop(0, 8, write, rows)).trace("f32[8, 4]")
    program = traced.lower("llvm").result.program()
    (step,) = [step for step in every_step(program.steps) if isinstance(step, UpdateStep)]
    assert step.window.shape == (1, 4)
    costs = [cost for cost in program_costs(program) if cost.kind == "copy"]
    (cost,) = [cost for cost in costs if cost.times == 8 and cost.bytes == 2 * 4 * 4]
    assert cost.ops == ("dynamic_update_slice",)
