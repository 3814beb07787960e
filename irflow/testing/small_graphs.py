"""The small graphs that the conformance kit calls in every way it can think of."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from irflow import dims, dtypes, ops
from irflow.ir.builder import Builder
from irflow.ir.graph import Graph
from irflow.ir.op import OPS, Op, register
from irflow.ir.types import TensorType
from irflow.ops import Handle
from irflow.scalars import find

Function = Callable[[Handle, Handle], Sequence[Handle]]


def _shuffled(x: Handle, y: Handle) -> Sequence[Handle]:
    part = ops.slice_axis(y, 0, 0, 1)
    return [ops.transpose(x, (1, 0)), ops.reshape(x, (6,)), part, ops.flip(x)]


# Graphs of two f32[2, 3] whose results one may be tempted to share or to return as views.
SHARING: dict[str, Function] = {
    "an-input": lambda x, y: [x, x + y],
    "an-input-twice": lambda x, y: [x, x, y],
    "a-result-twice": lambda x, y: [x + y] * 2,
    "equal-results": lambda x, y: [x + y, x + y],
    "views": _shuffled,
    "a-constant": lambda x, y: [x.constant(np.ones((2, 3), np.float32)), x + y],
    "a-repeated-scalar": lambda x, y: [x.full(2.0, (2, 3)), x + y],
    "updated-in-place": lambda x, y: [x * 2.0, (x * 2.0) + y, find("negative")(x * 2.0)],
}


def floats(*shape: int, seed: int = 0) -> np.ndarray:
    """Normal numbers in f32, the same for each seed."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def pair(function: Function) -> Graph:
    """A graph of a function of two `f32[2, 3]`."""
    return graph_of(function, (2, 3), (2, 3))


def symbolic_graph(*, second: bool = False) -> Graph:
    """`tanh(x @ w)` of a symbolic batch; with `second` the sum of two batches of one size."""
    n = dims.symbol("n")
    if second:
        return graph_of(lambda x, y: [x + y], (n, 4), (n, 4))
    return graph_of(lambda x, w: [find("tanh")(ops.matmul(x, w)), x * 2.0], (n, 4), (4, 2))


def graph_of(function: Function, left: Sequence[dims.Size], right: Sequence[dims.Size]) -> Graph:
    """A graph of a function of two tensors of f32 of these shapes."""
    graph = Graph("main")
    builder = Builder(graph)
    types = (TensorType(dtypes.f32, tuple(shape)) for shape in (left, right))
    inputs = [
        Handle(builder, graph.add_input(t, name)) for t, name in zip(types, "xy", strict=True)
    ]
    graph.set_outputs([handle.value for handle in function(inputs[0], inputs[1])])
    return graph


class StrangeOp:
    """Registers an op for the length of a `with` block and gives a graph that uses it."""

    name = "conformance_strange"

    def __enter__(self) -> Graph:
        class Strange(Op):
            """An op that no backend knows."""

            def infer(self, *types: TensorType) -> TensorType:
                return types[0]

            def numpy(self, *inputs: np.ndarray) -> np.ndarray:
                return np.array(inputs[0])

        registered = register(self.name)(Strange)
        graph = Graph("strange")
        x = graph.add_input(TensorType(dtypes.f32, (3,)), "x")
        graph.set_outputs(Builder(graph).emit(registered(), [x]))
        return graph

    def __exit__(self, *error: object) -> None:
        del OPS[self.name]
