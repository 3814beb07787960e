"""Appending nodes to a graph."""

from __future__ import annotations

from collections.abc import Sequence

from irflow.errors import IrflowError
from irflow.ir.graph import Graph, Node, Value
from irflow.ir.op import Op
from irflow.location import Location, user_location


class Builder:
    """Emits nodes at one point of a graph.

    Args:
        graph: where the nodes go.
        before: the node in front of which they stand; the end of the graph when None.
        location: the user's line for new nodes; looked up on the stack when None.
    """

    __slots__ = ("before", "graph", "location")

    def __init__(
        self, graph: Graph, before: Node | None = None, location: Location | None = None
    ) -> None:
        self.graph = graph
        self.before = before
        self.location = location

    def emit(
        self, op: Op, inputs: Sequence[Value], regions: Sequence[Graph] = ()
    ) -> tuple[Value, ...]:
        """Add one node; its results. Errors of the op's shape rule carry the user's line."""
        location = self.location or user_location()
        try:
            node = Node(op, tuple(inputs), tuple(regions), location)
        except IrflowError as error:
            raise error.at(location) from None
        return self.graph.insert(node, self.before).outputs

    def inline(self, source: Graph, inputs: Sequence[Value]) -> list[Value]:
        """Copy the nodes of `source` here, reading `inputs`; the values of its outputs."""
        mapping = dict(zip(source.inputs, inputs, strict=True))
        self.graph.copy_nodes(source, mapping, before=self.before)
        return [mapping[value] for value in source.outputs]
