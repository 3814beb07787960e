"""Ops with branches and bodies: what they refuse, what their gradients keep, passes inside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from irflow import compiler, dims, dtypes
from irflow.autodiff import jvp_graph, vjp_graph
from irflow.errors import IrflowError
from irflow.ir.builder import Builder
from irflow.ir.check import check_graph
from irflow.ir.evaluate import evaluate, step_limit
from irflow.ir.graph import Graph
from irflow.ir.op import infer_types
from irflow.ir.parse import parse_graph
from irflow.ir.types import TensorType
from irflow.ops import Handle, Scan, Switch, While, while_loop
from irflow.ops.region_parts import active_inputs, new_region, returning, size_givers
from irflow.scalars import find

I64 = TensorType(dtypes.i64, ())
BOOL = TensorType(dtypes.bool_, ())
N = dims.symbol("n")


def f32(*shape: dims.Size) -> TensorType:
    return TensorType(dtypes.f32, shape)


def identity(*types: TensorType, keep: Sequence[int] | None = None) -> Graph:
    region, (values,) = new_region("identity", types)
    return returning(region, [values[i] for i in (range(len(types)) if keep is None else keep)])


@pytest.mark.parametrize(
    ("op", "types", "regions", "text"),
    [
        (Switch(), [f32(), f32()], [identity(f32())] * 2, "switch: the index is no i64[]"),
        (
            Switch(),
            [I64, f32(), f32(3)],
            [identity(f32(), f32(3), keep=[0]), identity(f32(), f32(3), keep=[1])],
            "switch: results of branch 1 have other types\n  number 0  f32[3]\n  expected  f32[]",
        ),
        (Switch(), [I64, f32()], [identity(f32(3))], "switch: operands of @identity"),
        (
            While(0),
            [f32()],
            [identity(f32()), identity(f32())],
            "while: the condition is no bool[]\n  given  f32[]",
        ),
        (While(0), [BOOL], [identity(BOOL, keep=[]), identity(BOOL)], "0 results, not 1"),
        (
            While(1),
            [BOOL, f32()],
            [identity(BOOL, f32(), keep=[0]), identity(BOOL, f32(), keep=[0])],
            "while: carried results of the body have other types\n  number 0  bool[]",
        ),
        (
            Scan(3, 0, 1),
            [f32(), f32(4, 2)],
            [identity(f32(), f32(2))],
            "scan: a sequence of another length\n  sequence 0  f32[4, 2]\n  length      3",
        ),
        (Scan(3, 0, 1), [f32(), f32()], [identity(f32(), f32())], "a sequence of another length"),
        (
            Scan(3, 0, 1),
            [f32(), f32(3, 2)],
            [identity(f32(), f32(2), keep=[1, 0])],
            "scan: carried results of the body have other types",
        ),
    ],
)
def test_what_does_not_fit(
    op: Any, types: list[TensorType], regions: list[Graph], text: str
) -> None:
    with pytest.raises(IrflowError) as caught:
        infer_types(op, types, regions)
    assert text in str(caught.value)


def test_values_become_active_through_the_carry() -> None:
    types = [f32(), f32(), f32(), I64]
    body, ((w, a, b, k),) = new_region("body", types)
    returning(body, [a * b, b * w, k])
    assert active_inputs(body, 1, 3, [0]) == [0, 1, 2]
    assert active_inputs(body, 1, 3, [1]) == [1]
    assert active_inputs(body, 1, 3, []) == []


def test_sizes_are_given_by_as_few_operands_as_needed() -> None:
    m = dims.symbol("m")
    assert size_givers([f32(N)], [f32(N), f32(3), f32(m), f32(N, m)]) == [2]
    assert size_givers([f32(N)], [f32(N)]) == []


def loop_graph(op: While, size: dims.Size = 2) -> Graph:
    """`while k < limit: x = sin(x) * w`."""
    types = [f32(size), I64, I64, f32(size)]
    test, ((_, limit, k, _),) = new_region("test", types)
    returning(test, [k < limit])
    body, ((w, _, k, x),) = new_region("body", types)
    returning(body, [k + 1, find("sin")(x) * w])
    graph = Graph("loop")
    inputs = [graph.add_input(type, f"x{i}") for i, type in enumerate(types)]
    graph.set_outputs(Builder(graph).emit(op, inputs, [test, body])[1:])
    return graph


def arrays(steps: int) -> list[np.ndarray]:
    return [np.float32([1.5, 2]), np.asarray(steps), np.asarray(0), np.float32([0.5, 1])]


@pytest.mark.parametrize("derive", [vjp_graph, jvp_graph])
def test_gradients_are_well_formed_and_read_back(derive: Any) -> None:
    graph = derive(loop_graph(While(2)), [0, 3])
    check_graph(graph)
    assert str(parse_graph(str(graph))) == str(graph)
    again = vjp_graph(graph, [0, 3])
    check_graph(again)


def test_gradients_of_symbolic_loops_are_well_formed() -> None:
    check_graph(vjp_graph(vjp_graph(loop_graph(While(2), N), [0, 3]), [0, 3]))


def test_the_bodies_are_computed_as_often_as_promised() -> None:
    """Twice, and each gradient once, with room for all steps; about log2(t) / 2 times more else."""
    counted: list[float] = []
    row = find("sin")
    original = row.numpy

    def counting(x: np.ndarray, **options: Any) -> np.ndarray:
        counted.append(1)
        return original(x, **options)

    object.__setattr__(row, "numpy", counting)
    try:
        counts = {}
        for op, steps in [(While(2, 100), 100), (While(2), 14), (While(2), 400)]:
            graph = vjp_graph(loop_graph(op), [0, 3])
            counted.clear()
            evaluate(graph, [*arrays(steps), np.ones(2, np.float32)])
            counts[op, steps] = len(counted) / steps
    finally:
        object.__setattr__(row, "numpy", original)
    assert counts[While(2, 100), 100] <= 3
    assert counts[While(2), 14] <= 3
    assert counts[While(2), 400] <= 3 + np.log2(400) / 2


def test_a_full_stack_of_snapshots_costs_time_only(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = vjp_graph(loop_graph(While(2)), [0, 3])
    inputs = [*arrays(40), np.ones(2, np.float32)]
    expected = evaluate(graph, inputs)
    for room, halving in [(1, 0), (3, 2), (4, 0)]:
        monkeypatch.setattr(while_loop, "SNAPSHOTS", room)
        monkeypatch.setattr(while_loop, "HALVING", halving)
        found = evaluate(vjp_graph(loop_graph(While(2)), [0, 3]), inputs)
        for one, wanted in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, wanted)


def test_a_loop_may_be_told_to_stop() -> None:
    graph = loop_graph(While(2))
    with step_limit(10):
        evaluate(graph, arrays(10))
        with pytest.raises(IrflowError, match="a loop took more than 10 steps"):
            evaluate(graph, arrays(11))
    evaluate(graph, arrays(11))


def test_a_loop_that_never_ends_for_random_numbers_is_compiled() -> None:
    """`IRFLOW_CHECK=3` evaluates graphs on inputs drawn at random, and must come back."""
    test, ((k,),) = new_region("test", [I64])
    returning(test, [find("not_equal")(k, 1000)])
    body, ((k,),) = new_region("body", [I64])
    returning(body, [k - 1])
    graph = Graph("count_down")
    start = graph.add_input(I64, "k")
    graph.set_outputs(Builder(graph).emit(While(0), [start], [test, body]))
    (result,) = compiler.compile_graph(graph, "numpy")([np.asarray(1010)])
    assert result == 1000


def test_passes_work_inside_regions() -> None:
    body, ((c, x),) = new_region("body", [f32(2), f32(2)])
    twice = (c + x) * (c + x)
    unused = find("exp")(x)
    assert unused.type == f32(2)
    returning(body, [twice * 1.0, c])
    graph = Graph("outer")
    handles = [Handle(Builder(graph), graph.add_input(type)) for type in (f32(2), f32(3, 2))]
    graph.set_outputs([h.value for h in handles[0].emit(Scan(3, 0, 1), handles, [body])])
    lowered = compiler.lower(graph, "numpy", pipeline="canonicalize,cse,dce").graph
    (node,) = lowered
    rows = [str(inner.op.row) for inner in node.regions[0] if inner.op.name == "elementwise"]
    assert rows.count("add") == 1
    assert "exp" not in rows
