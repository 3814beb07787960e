"""The pass `fold`: constants are computed at compile time."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from irflow import dims
from irflow.analysis import every_graph
from irflow.dims import Dim
from irflow.ir.attributes import DenseArray, has_symbols
from irflow.ir.elements import Moved
from irflow.ir.evaluate import run_node
from irflow.ir.graph import Graph, Node, Value
from irflow.ir.op import fields_of
from irflow.ops.broadcast import Broadcast, Reshape
from irflow.ops.constants import Constant, Iota, SizeOf
from irflow.ops.shape import Transpose
from irflow.records import dataclass
from irflow.transform import Pass, PassContext, RuleBuilder

# An index ramp is cheaper to compute than to load, unless it is as short as this.
_SHORT = 16
_MOST_FLOPS = 10_000_000


@dataclass(frozen=True)
class Fold(Pass):
    """Evaluate nodes whose operands are constants, by the meaning of their op.

    Before: `elementwise<exp> constant<...>`.
    After: a constant; at most `limit` elements each, but for constants that are only reshaped or
        transposed, and read by nobody else. What is repeated stays repeated: a broadcast
        of a constant is computed only as an operand beside a constant that is an array itself.
    Keeps: the results, rounded as the op rounds on its own. Nodes with symbolic attributes stay.
    Needs: nothing; `canonicalize` computes before broadcasts and so brings constants together.

    Attributes:
        limit: the most elements of a new constant.
    """

    name: ClassVar[str] = "fold"
    limit: int = 4096

    def run(self, graph: Graph, context: PassContext) -> bool:
        changed = False
        for part in every_graph(graph):
            for node in part:
                if context.is_exhausted:
                    return changed
                changed |= self._fold(part, node, context)
        return changed

    def _fold(self, graph: Graph, node: Node, context: PassContext) -> bool:
        if not self._is_known(node) or not self._is_small(node, context):
            return False
        context.count("evaluate", node)
        build = RuleBuilder(graph, node)
        graph.replace(node, self._results(node, build))
        return True

    def _results(self, node: Node, build: RuleBuilder) -> list[Value]:
        content = _constant(node.inputs[0]) if isinstance(node.op, Reshape) else None
        if content is not None:
            return [build(Constant(content.reshaped(node.output.type.static_shape)))]
        results = [DenseArray(array) for array in self._arrays(node)]
        if isinstance(node.op, Transpose):
            _let_go(node.op, _constant(node.inputs[0]), results[0])
        return [build(Constant(result)) for result in results]

    def _is_known(self, node: Node) -> bool:
        """Whether the node can and should be evaluated, as all of its operands are known."""
        if isinstance(node.op, Constant | Iota | Broadcast) or node.regions:
            return False
        if isinstance(node.op, SizeOf):
            return not isinstance(node.op.size, Dim)
        has_constants = any(_constant(value) is not None for value in node.inputs)
        return has_constants and all(map(self._has_array, node.inputs))

    def _has_array(self, value: Value) -> bool:
        node = value.node
        if _constant(value) is not None:
            return True
        if node is None or not value.type.is_static:
            return False
        size = dims.evaluate(value.type.size, {})
        if isinstance(node.op, Iota):
            return size <= _SHORT
        is_repeated = isinstance(node.op, Broadcast) and _constant(node.inputs[0]) is not None
        return is_repeated and size <= self.limit

    def _arrays(self, node: Node) -> tuple[np.ndarray, ...]:
        operands = []
        for value in node.inputs:
            assert value.node is not None
            operands.append(self._arrays(value.node)[value.index])
        return run_node(node, operands, {})

    def _is_small(self, node: Node, context: PassContext) -> bool:
        if any(not output.type.is_static for output in node.outputs):
            return False
        if any(has_symbols(getattr(node.op, name)) for name in fields_of(type(node.op))):
            return False
        if _only_moves(node):
            return True
        if any(dims.evaluate(output.type.size, {}) > self.limit for output in node.outputs):
            context.explain(node, f"constant, but larger than {self.limit} elements")
            return False
        types = [value.type for value in node.inputs], [value.type for value in node.outputs]
        return dims.evaluate(node.op.cost(*types).flops, {}) <= _MOST_FLOPS


def _let_go(op: Transpose, before: DenseArray | None, after: DenseArray) -> None:
    """Let a constant be in memory as its transpose only."""
    if before is not None:
        axes = [op.perm.index(axis) for axis in range(len(op.perm))]
        elements = Moved(after.elements, [("transpose", axes)])
        before.elements.move(elements)


def _only_moves(node: Node) -> bool:
    """Whether a constant that nobody else reads is reshaped or transposed, and so replaced."""
    return type(node.op) in (Reshape, Transpose) and len(node.inputs[0].uses) == 1


def _constant(value: Value) -> DenseArray | None:
    node = value.node
    return node.op.value if node is not None and isinstance(node.op, Constant) else None
