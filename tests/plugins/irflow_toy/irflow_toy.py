"""The smallest useful plugin of irflow: a backend that runs a few ops, and a pass of one rule."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from irflow import dtypes
from irflow.backend import Backend, Capabilities, CompileOptions, Executable
from irflow.ir import Graph
from irflow.ir.evaluate import bind_sizes, run_node
from irflow.ir.graph import Node, Value
from irflow.ops import Broadcast, Constant, Elementwise
from irflow.scalars import find
from irflow.transform import Pass, PassContext, Rewriter, RuleBuilder, rewrites

OPS = "constant iota broadcast elementwise reduce reshape transpose matmul convert call fusion"
# The rows that all others are expanded into, and two for reductions.
ROWS = (
    "where equal less add multiply negative divide floor fmod signbit power sqrt exp log sin cos "
    "arctan floor_divide bitwise_and bitwise_or bitwise_xor invert maximum minimum"
)


class ToyExecutable(Executable):
    """Walks over the nodes, one after the other."""

    def __call__(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        sizes = bind_sizes(self.graph, arrays)
        values = dict(zip(self.graph.inputs, arrays, strict=True))
        for node in self.graph:
            results = run_node(node, [values[value] for value in node.inputs], sizes)
            values.update(zip(node.outputs, results, strict=True))
        return [np.array(values[value]) for value in self.graph.outputs]


class ToyBackend(Backend):
    """Runs a few ops on f32, f64, i64 and bool; `decompose` writes some others in terms of them."""

    name: ClassVar[str] = "toy"
    priority: ClassVar[int] = -10

    def capabilities(self) -> Capabilities:
        types = frozenset({dtypes.f32, dtypes.f64, dtypes.i64, dtypes.bool_})
        ops, rows = frozenset(OPS.split()), frozenset(ROWS.split())
        return Capabilities(types, ops, rows, control_flow=False, host_steps=False)

    def pipeline(self, level: int) -> str:
        return "decompose"

    def compile(self, work: Graph, options: CompileOptions) -> Executable:
        return ToyExecutable(work)


@rewrites("multiply")
def double(node: Node, build: RuleBuilder) -> Value | None:
    """`x * 2` as `x + x`."""
    x, factor = node.inputs
    if isinstance(factor.node and factor.node.op, Broadcast):
        factor = factor.node.inputs[0]
    match factor.node:
        case Node(op=Constant(value)) if np.all(value.array == 2):
            return build(Elementwise(find("add")), x, x)
    return None


@dataclass(frozen=True)
class Toy(Pass):
    """Double by addition.

    Before: `x * 2`
    After: `x + x`
    Keeps: every result, to the last bit
    Needs: nothing
    """

    name: ClassVar[str] = "toy"

    def run(self, graph: Graph, context: PassContext) -> bool:
        return Rewriter([double], context).run(graph)
