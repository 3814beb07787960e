"""The pass `hoist`: what need not be in a loop stands outside, and results come early."""

from __future__ import annotations

from typing import ClassVar

from irflow.analysis import every_graph
from irflow.ir.graph import Graph, Node, Value
from irflow.records import dataclass
from irflow.transform import Pass, PassContext
from irflow_passes.loops import unloop
from irflow_passes.recompute.memory import CHEAP, SOURCES, VIEWS, Memory, root

Place = tuple[int, int]
"""Where a node stands: the number of one that has not moved, and where behind it."""


@dataclass(frozen=True)
class Hoist(Pass):
    """Move out of scans what need not be in them, and functions up to where operands are ready.

    A step of a scan computes again what is the same in all steps, and adds to sums that nobody
    reads before the end, such as the gradients of weights. The former is computed once before, the
    latter once behind, as one product or reduction over the stacked operands of all steps.

    A training step that was written as "all gradients, then all updates" holds every gradient
    until the end, and fused into the updates, also what they are made of.

    Before: gradients of all parameters, then for each parameter `w - 0.1 * gradient`; in a scan,
        `total + transpose(x) @ y`.
    After: each gradient is followed by its update, behind which it is needed no more. Nodes move
        only if what need not be kept any longer takes more bytes than what is there earlier, and
        none at all if more is alive at the most then. Behind the scan, one product of all `x` and
        all `y`; not if their stacks, which are not there otherwise, are much larger than the sum.
    Keeps: the results bit by bit, but for sums over steps, which come out in another order; the
        order of everything else.
    Needs: `dce` before; `fuse` afterwards.
    """

    name: ClassVar[str] = "hoist"

    def run(self, graph: Graph, context: PassContext) -> bool:
        changed = False
        for part in every_graph(graph):
            for node in part:
                changed |= not context.is_exhausted and unloop(part, node, context)
        for part in every_graph(graph):
            changed |= _is_worth_it(part) and _Hoisting(part, context).run()
        return changed


def _is_worth_it(graph: Graph) -> bool:
    """Whether no more is alive at the most when everything has moved, in between included."""
    trial = graph.copy()
    is_changed = _Hoisting(trial, PassContext()).run()
    return is_changed and Memory(trial).peak().nbytes <= Memory(graph).peak().nbytes


class _Hoisting:
    """One graph whose nodes are being moved."""

    def __init__(self, graph: Graph, context: PassContext) -> None:
        self.graph = graph
        self.context = context
        self.memory = Memory(graph)
        self.place: dict[Node, Place] = {node: (i, 0) for node, i in self.memory.number.items()}
        self.last: list[Node | None] = list(self.memory.order)
        self.moves = 0

    def run(self) -> bool:
        before = list(self.graph)
        ends = [v.node for v in self.graph.outputs if v.node is not None]
        for end in sorted(dict.fromkeys(ends), key=lambda node: self.place[node]):
            if not isinstance(end.op, CHEAP) or self.context.is_exhausted:
                continue
            cone, anchor = self._cone(end)
            if not cone or self._gain(cone, anchor) <= 0:
                continue
            # What stands behind the same node already may have readers there, in front of the end.
            moving = [node for node in cone if self.place[node][0] != anchor[0]]
            if not self._stands(moving, anchor):
                self.context.count("hoist", end)
            self._move(moving, anchor)
        # What two ends share moves with the first and then with the second: it may be back.
        return list(self.graph) != before

    def _cone(self, end: Node) -> tuple[list[Node], Place]:
        """What leads to a node and may move with it, and the place of the last operand of that.

        Without an operand that does not move, there is nothing to wait for, and nothing to gain.
        """
        found = {end: None}
        stack, anchor = [end], (-1, 0)
        while stack:
            for value in stack.pop().inputs:
                node = value.node
                if node is None or node in found:
                    continue
                if isinstance(node.op, (*CHEAP, *SOURCES)):
                    found[node] = None
                    stack.append(node)
                else:
                    anchor = max(anchor, self.place[node])
        if anchor == (-1, 0):
            return [], anchor
        cone = sorted((n for n in found if self.place[n] > anchor), key=self.place.__getitem__)
        return cone, anchor

    def _gain(self, cone: list[Node], anchor: Place) -> int:
        """The bytes that need not be kept any longer, less those that are there earlier."""
        members = set(cone)
        outside = (v for node in cone for v in node.inputs if v.node not in members)
        gain = 0
        for value in dict.fromkeys(map(root, outside)):
            if not self.memory.is_free(value) and self._ends(value, members, anchor):
                gain += self.memory.nbytes(value)
        for value in (output for node in cone for output in node.outputs):
            if root(value) is value and not members.issuperset(value.users):
                gain -= 0 if self.memory.is_free(value) else self.memory.nbytes(value)
        return gain

    def _ends(self, value: Value, members: set[Node], anchor: Place) -> bool:
        """Whether nobody reads a value behind the place any more, once the members have moved."""
        stack = [value]
        while stack:
            for user in stack.pop().users:
                if user in members:
                    continue
                if self.place[user] > anchor:
                    return False
                if isinstance(user.op, VIEWS):
                    stack.extend(user.outputs)
        return True

    def _stands(self, moving: list[Node], anchor: Place) -> bool:
        """Whether nothing is to be moved."""
        node = self.last[anchor[0]]
        for member in moving:
            node = None if node is None else node.next
            if node is not member:
                return False
        return True

    def _move(self, moving: list[Node], anchor: Place) -> None:
        number = anchor[0]
        for node in moving:
            # Nothing may be put behind a node that is no longer there.
            old = self.place[node][0]
            if self.last[old] is node:
                self.last[old] = node.previous
            last = self.last[number]
            assert last is not None
            if last.next is not node:
                self.graph.move(node, last.next)
            self.moves += 1
            self.place[node] = (number, self.moves)
            self.last[number] = node
