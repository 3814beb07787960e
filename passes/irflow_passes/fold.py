"""The pass `fold`: constants are computed at compile time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from irflow import dims
from irflow.analysis import every_graph
from irflow.dims import Dim
from irflow.ir.attributes import has_symbols
from irflow.ir.evaluate import run_node
from irflow.ir.graph import Graph, Node, Value
from irflow.ir.op import fields_of
from irflow.ops.broadcast import Broadcast, Reshape
from irflow.ops.constants import Constant, Iota, SizeOf
from irflow.ops.shape import Transpose
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
        inputs = self._known_inputs(node)
        if inputs is None or not self._is_small(node, context):
            return False
        results = run_node(node, inputs, {})
        context.count("evaluate", node)
        build = RuleBuilder(graph, node)
        graph.replace(node, [build.constant(array) for array in results])
        return True

    def _known_inputs(self, node: Node) -> list[np.ndarray] | None:
        """The operands as arrays if the node can and should be evaluated."""
        if isinstance(node.op, Constant | Iota | Broadcast) or node.regions:
            return None
        if isinstance(node.op, SizeOf):
            return None if isinstance(node.op.size, Dim) else []
        if not any(_constant(value) is not None for value in node.inputs):
            return None
        arrays = []
        for value in node.inputs:
            array = self._array(value)
            if array is None:
                return None
            arrays.append(array)
        return arrays

    def _array(self, value: Value) -> np.ndarray | None:
        known = _constant(value)
        node = value.node
        if known is not None or node is None or not value.type.is_static:
            return known
        size = dims.evaluate(value.type.size, {})
        if isinstance(node.op, Iota) and size <= _SHORT:
            return run_node(node, [], {})[0]
        operand = _constant(node.inputs[0]) if isinstance(node.op, Broadcast) else None
        if operand is None or size > self.limit:
            return None
        return run_node(node, [operand], {})[0]

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


def _only_moves(node: Node) -> bool:
    """Whether a constant that nobody else reads is reshaped or transposed, and so replaced."""
    return type(node.op) in (Reshape, Transpose) and len(node.inputs[0].uses) == 1


def _constant(value: Value) -> np.ndarray | None:
    node = value.node
    if node is None or not isinstance(node.op, Constant):
        return None
    return node.op.value.array
