"""The pass `cse`: common subexpression elimination."""

from __future__ import annotations

from typing import ClassVar

from irflow.analysis import Structure, every_graph, structure_of
from irflow.ir.graph import Graph, Node, Value
from irflow.ir.op import Op
from irflow.ops.elementwise import Elementwise
from irflow.records import dataclass
from irflow.transform import Pass, PassContext

Key = tuple[Op, tuple[Value, ...], tuple[Structure, ...]]


@dataclass(frozen=True)
class Cse(Pass):
    """Compute the same thing once.

    Before: several nodes with the same op, operands and regions.
    After: one of them, the first; operands of commutative rows may stand in any order.
    Keeps: the results bit by bit. All ops are pure: random bits are a function of key and counter.
    Needs: nothing; finds more after `canonicalize`.
    """

    name: ClassVar[str] = "cse"

    def run(self, graph: Graph, context: PassContext) -> bool:
        changed = False
        for part in every_graph(graph):
            changed |= _merge(part, context)
        return changed


def _merge(graph: Graph, context: PassContext) -> bool:
    first: dict[Key, Node] = {}
    numbers = {value: i for i, value in enumerate(graph.inputs)}
    changed = False
    for node in graph:
        for output in node.outputs:
            numbers[output] = len(numbers)
        known = first.setdefault(_key(node, numbers), node)
        if known is node or context.is_exhausted:
            continue
        context.count("merge_equal", node)
        graph.replace(node, known.outputs)
        changed = True
    return changed


def _key(node: Node, numbers: dict[Value, int]) -> Key:
    operands = node.inputs
    if isinstance(node.op, Elementwise) and node.op.row.commutative and len(operands) == 2:
        x, y = operands
        operands = (x, y) if numbers[x] <= numbers[y] else (y, x)
    return node.op, operands, tuple(structure_of(region) for region in node.regions)
