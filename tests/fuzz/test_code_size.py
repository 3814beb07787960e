"""The code of a graph grows with its nodes, not with its paths."""

import numpy as np
import pytest

from irflow import dtypes
from irflow.compiler import compile_graph
from irflow.ir.builder import Builder
from irflow.ir.graph import Graph
from irflow.ir.types import TensorType
from irflow.ops import Handle
from irflow.scalars import find
from irflow.testing.reference import Reference


def diamond(depth: int) -> Graph:
    """Each level is computed from both branches of the one before: `2 ** depth` paths."""
    graph = Graph("diamond")
    builder = Builder(graph)
    x = Handle(builder, graph.add_input(TensorType(dtypes.f32, (8,)), "x"))
    for _ in range(depth):
        x = find("sin")(x) * 0.5 + find("cos")(x)
    graph.set_outputs([x.value])
    return graph


def lines(depth: int, kind: str) -> int:
    return len(compile_graph(diamond(depth), "llvm").listing(kind).splitlines())


@pytest.mark.parametrize("kind", ["loops", "llvm"])
def test_a_deep_diamond_has_linear_code(kind: str) -> None:
    ten, twenty, thirty = (lines(depth, kind) for depth in (10, 20, 30))
    assert thirty > twenty > ten
    assert thirty - twenty <= 1.2 * (twenty - ten)


def test_a_deep_diamond_is_right() -> None:
    graph, inputs = diamond(30), [np.linspace(-1, 1, 8, dtype=np.float32)]
    executable = compile_graph(graph, "llvm")
    Reference(graph, inputs).check(executable(inputs), "a diamond of depth 30")
