"""Computing values again: copies of nodes in front of those that read them."""

from __future__ import annotations

from irflow.ir.graph import Graph, Node, Value
from irflow.ops.barrier import OptimizationBarrier
from irflow_passes.recompute.choice import Choice
from irflow_passes.recompute.memory import Memory


class Editor:
    """Lets the nodes behind a place read copies.

    A copy stands in front of the first node that reads it. It reads kept values through an
    `optimization_barrier`, without which it would be merged with the first computation; this
    waits for another operand of that node, so that no copy is moved back over the place.
    """

    def __init__(self, graph: Graph, memory: Memory, choice: Choice) -> None:
        self.graph = graph
        self.memory = memory
        self.position = choice.position
        self.again = set(choice.again)
        self.copies: dict[Value, Value] = {}
        self.barriers: dict[Value, Value] = {}

    def run(self) -> None:
        """Edit the graph; what is computed for nobody any more is taken out."""
        for node in self.memory.order[self.position :]:
            for position, value in enumerate(node.inputs):
                if value in self.again:
                    self._make(value, node)
                    self.graph.set_operand(node, position, self.copies[value])
        for node in reversed(self.memory.order[: self.position]):
            if not node.is_read:
                self.graph.erase(node)

    def _make(self, wanted: Value, reader: Node) -> None:
        """Copy the node of a value, and before it those that it needs, in front of a reader."""
        stack = [wanted]
        while stack:
            node = stack[-1].node
            assert node is not None
            missing = [v for v in node.inputs if v in self.again and v not in self.copies]
            if missing and stack[-1] not in self.copies:
                stack.extend(missing)
                continue
            if stack.pop() in self.copies:
                continue
            operands = tuple(self.copies.get(v) or self._apart(v, reader) for v in node.inputs)
            # Nothing that is computed again has regions.
            copy = self.graph.insert(Node(node.op, operands, (), node.location), reader)
            for old, new in zip(node.outputs, copy.outputs, strict=True):
                new.hint = old.hint
                self.copies[old] = new

    def _apart(self, value: Value, reader: Node) -> Value:
        """A kept value or input behind a barrier; what has no operands is the same everywhere."""
        if value.node is not None and not value.node.inputs:
            return value
        if value not in self.barriers:
            inputs = (value, *self._awaited(reader)[:1])
            barrier = Node(OptimizationBarrier(), inputs, (), reader.location)
            self.barriers[value] = self.graph.insert(barrier, reader).output
        return self.barriers[value]

    def _awaited(self, reader: Node) -> list[Value]:
        """What a reader takes that is computed behind the place."""
        numbers = self.memory.number
        return [
            value
            for value in reader.inputs
            if value.node is not None and numbers.get(value.node, 0) >= self.position
        ]
