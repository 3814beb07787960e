"""Which nodes go together: one walk from the last node to the first.

When a node is met, all its readers have been placed. So joining the only group that reads it
cannot close a cycle: whatever the node reads comes later in the walk. A node that is also read
elsewhere may become one more result of a group, unless one of the other readers leads back to that
group; for this question every group and lone node keeps the set of those that depend on it, as
bits of an integer.
"""

from __future__ import annotations

from collections.abc import Callable

from irflow.ir.graph import Graph, Node
from irflow.ops.broadcast import Reshape
from irflow.records import dataclass
from irflow.transform import PassContext
from irflow_passes.fusion import traits
from irflow_passes.fusion.group import RESULT, Group

# Sets of dependents take a bit a pair of nodes; beyond this size only simple cases are looked at.
_MOST_TRACKED = 20_000
# Steps a node of the graph that may go into keeping these sets true.
_PATIENCE = 40
# Chains of computed-twice nodes are no longer than this.
_DEPTH = 3


@dataclass(slots=True)
class _Readers:
    """Who reads a node: members of groups, lone nodes by number, the graph itself."""

    groups: dict[Group, list[tuple[Node, int]]]
    alone: list[int]
    is_output: bool


class Planner:
    """Collects groups of one graph.

    Args:
        limits: the most nodes and the most inputs of a group.
        claims: nodes that the backend runs itself, and that stay alone.

    Attributes:
        groups: the groups, in the order of the walk; some have one member.
        home: for each node the groups that compute it.
        kept: nodes computed alone, with their numbers.
        stored: for each other node that is read outside of its groups the group that stores it.
    """

    def __init__(
        self,
        graph: Graph,
        context: PassContext,
        limits: tuple[int, int],
        claims: Callable[[Node], object],
    ) -> None:
        self.context = context
        self.limits = limits
        self.claims = claims
        self.groups: list[Group] = []
        self.home: dict[Node, list[Group]] = {}
        self.kept: dict[Node, int] = {}
        self.stored: dict[Node, Group] = {}
        self._ends = traits.epilogue_ends(graph)
        self._copies: dict[Node, int] = {}
        self._dependents: list[int] = []
        self._is_tracked = len(graph) <= _MOST_TRACKED
        self._patience = _PATIENCE * len(graph)
        for node in reversed(graph):
            self._place(node)

    def _place(self, node: Node) -> None:
        readers = self._readers(node)
        reason = traits.refusal(node)
        if reason is None and self.claims(node):
            reason = "the backend runs it itself"
        # Alone, a reshape is its operand where that lies in memory.
        may_lead = reason is None and not traits.is_scalar_constant(node)
        may_lead = may_lead and type(node.op) is not Reshape
        if reason is None:
            reason = self._join(node, readers)
            if reason is None:
                return
        if reason:
            self.context.explain(node, reason)
        self._place_alone(node, readers, may_lead)

    def _readers(self, node: Node) -> _Readers:
        found = _Readers({}, [], False)
        for output in node.outputs:
            for user, position in output.uses:
                if isinstance(user, Graph):
                    found.is_output = True
                    continue
                for group in self.home.get(user, ()):
                    found.groups.setdefault(group, []).append((user, position))
                if user in self.kept:
                    found.alone.append(self.kept[user])
        return found

    def _place_alone(self, node: Node, readers: _Readers, may_lead: bool) -> None:
        """Start a group of which the node is a result, or leave it as it is."""
        number = len(self._dependents)
        if may_lead:
            group = Group(number, node)
            self.groups.append(group)
            self.home.setdefault(node, []).append(group)
            self.stored[node] = group
        else:
            self.kept[node] = number
        reach = 1 << number if self._is_tracked else 0
        for other in self._numbers(readers) if self._is_tracked else ():
            reach |= self._dependents[other]
        self._dependents.append(reach)

    @staticmethod
    def _numbers(readers: _Readers) -> list[int]:
        return [*readers.alone, *(group.number for group in readers.groups)]

    # ------------------------------------------------------------------------------------- joining

    def _join(self, node: Node, readers: _Readers) -> str | None:
        """Put the node into groups that read it; None if that is all, else why it is not."""
        if not readers.groups:
            return ""
        is_read_elsewhere = readers.is_output or bool(readers.alone)
        if len(readers.groups) == 1 and not is_read_elsewhere:
            group, members = next(iter(readers.groups.items()))
            return self._enter(node, group, members)
        if traits.is_free(node):
            return self._copy_where_possible(node, readers, is_read_elsewhere)
        if not is_read_elsewhere and self._copy_everywhere(node, readers):
            return None
        return self._become_result(node, readers)

    def _offer(self, node: Node, group: Group, readers: list[tuple[Node, int]]) -> int | str:
        """The index class that the node would have in a group, or why it cannot join."""
        found = group.class_of(readers)
        if isinstance(found, str):
            return found
        if found != RESULT and node in self._ends and not node.is_contraction:
            return "it stays with the contraction before it"
        refused = group.refuses(node, found, self.limits)
        return found if refused is None else refused

    def _enter(self, node: Node, group: Group, readers: list[tuple[Node, int]]) -> str | None:
        found = self._offer(node, group, readers)
        if isinstance(found, str):
            return found
        self._add(node, group, found)
        return None

    def _add(self, node: Node, group: Group, index_class: int) -> None:
        group.add(node, index_class)
        self.home.setdefault(node, []).append(group)

    def _copy_everywhere(self, node: Node, readers: _Readers) -> bool:
        """Compute the node in each group that reads it, and nowhere else, if that costs little."""
        if traits.flops(node) > traits.CHEAP or node in self._ends:
            return False
        offers = [
            (group, self._offer(node, group, reads)) for group, reads in readers.groups.items()
        ]
        classes = [found for _, found in offers if isinstance(found, int)]
        if len(classes) < len(offers):
            return False
        is_moved = all(isinstance(found, int) and group.prologue[found] for group, found in offers)
        depth = 1 + max((self._copies.get(user, 0) for user in node.output.users), default=0)
        is_cheap = is_moved or traits.is_shift_of_stored(node)
        if not is_cheap and (depth > _DEPTH or len(offers) > 2):
            return False
        self._copies[node] = depth
        for group, index_class in zip(readers.groups, classes, strict=True):
            self._add(node, group, index_class)
        return True

    def _copy_where_possible(
        self, node: Node, readers: _Readers, is_read_elsewhere: bool
    ) -> str | None:
        refused = ""
        left: dict[Group, list[tuple[Node, int]]] = {}
        for group, members in readers.groups.items():
            reason = self._enter(node, group, members)
            if reason is not None:
                left[group] = members
                refused = reason
        readers.groups = left
        return refused if left or is_read_elsewhere else None

    def _become_result(self, node: Node, readers: _Readers) -> str | None:
        """Join one of the groups and be stored by it, for the sake of the other readers."""
        reason = "it is read by several kernels"
        for group, members in readers.groups.items():
            found = self._offer(node, group, members)
            if isinstance(found, str):
                reason = found
            elif found != RESULT or node.output.type.shape != group.shape:
                reason = "it is read at another index there, and needed elsewhere too"
            elif node.is_contraction and traits.leads_to_rows(node):
                reason = "what follows it goes with sums of its rows"
            elif not self._lead(group, readers):
                reason = "another reader leads back to the group"
            else:
                self._add(node, group, found)
                self.stored[node] = group
                return None
        return reason

    def _lead(self, group: Group, readers: _Readers) -> bool:
        """Let the other readers depend on `group`, unless it depends on one of them."""
        others = [number for number in self._numbers(readers) if number != group.number]
        if not others:
            return True
        if not self._is_tracked or self._patience <= 0:
            return False
        reach = 0
        for other in others:
            reach |= self._dependents[other]
        if reach >> group.number & 1:
            return False
        if reach & ~self._dependents[group.number]:
            self._grow(group.number, reach)
        return True

    def _grow(self, number: int, reach: int) -> None:
        """Whatever leads to a group leads to what depends on it now."""
        self._patience -= len(self._dependents)
        for i, known in enumerate(self._dependents):
            if known >> number & 1:
                self._dependents[i] = known | reach
