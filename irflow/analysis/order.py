"""Positions of nodes in their graph, and whether a group of nodes can become one node."""

from __future__ import annotations

from collections.abc import Iterable

from irflow.ir.graph import Graph, Node


class Order:
    """The nodes of a graph numbered in definition order, as they stood when this was made.

    Paths only lead to higher numbers, so a search for one is confined to the numbers in between.
    """

    def __init__(self, graph: Graph) -> None:
        self.number: dict[Node, int] = {node: i for i, node in enumerate(graph)}

    def __getitem__(self, node: Node) -> int:
        return self.number[node]

    def is_convex(self, group: Iterable[Node]) -> bool:
        """Whether no path leaves `group` and returns to it, so that it can become one node.

        The time is linear in the operands of the nodes between its first and its last one.
        """
        members = set(group)
        if len(members) < 2:
            return True
        lowest = min(self.number[node] for node in members)
        stack = [
            user
            for node in members
            for output in node.outputs
            for user in output.users
            if user not in members
        ]
        highest = max(self.number[node] for node in members)
        seen: set[Node] = set()
        while stack:
            node = stack.pop()
            if node in seen or not lowest < self.number[node] < highest:
                continue
            seen.add(node)
            for output in node.outputs:
                for user in output.users:
                    if user in members:
                        return False
                    stack.append(user)
        return True
