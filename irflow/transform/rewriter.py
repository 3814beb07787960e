"""Rewriting by rules: a worklist applies small functions until none matches.

A rule looks at one node and returns what replaces its results, `NoMatch("reason")` where a reader
would wonder why nothing happened, or None. It emits nodes through the builder it gets and edits
nothing itself:

    @rewrites(Transpose)
    def merge_transposes(node: Node, build: RuleBuilder) -> Value | None:
        match node.inputs[0].node:
            case Node(op=Transpose(perm=inner)) as producer:
                return build(Transpose(compose(inner, node.op.perm)), producer.inputs[0])
        return None
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from irflow.errors import PassError
from irflow.ir.builder import Builder
from irflow.ir.graph import Graph, Node, Value
from irflow.ir.op import Op
from irflow.ir.types import TensorType
from irflow.ops.broadcast import Broadcast
from irflow.ops.constants import Constant
from irflow.ops.elementwise import Elementwise
from irflow.ops.operand import Handle
from irflow.records import dataclass
from irflow.scalars import Scalar, find
from irflow.transform.pass_ import PassContext


@dataclass(frozen=True, slots=True)
class NoMatch:
    """The rule does not apply, and why; the reason becomes a note of the pass."""

    reason: str


RuleResult = Value | Sequence[Value] | NoMatch | None
RuleFunction = Callable[[Node, "RuleBuilder"], RuleResult]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rewrite, and the nodes that may start it.

    Attributes:
        name: shown in statistics, notes and errors.
        function: see the module's text.
        keys: op classes, or scalar rows for elementwise nodes of that row only.
    """

    name: str
    function: RuleFunction
    keys: tuple[type[Op] | Scalar, ...]

    def __call__(self, node: Node, build: RuleBuilder) -> RuleResult:
        return self.function(node, build)


def rewrites(*keys: type[Op] | str) -> Callable[[RuleFunction], Rule]:
    """Make a function a rule for nodes of these op classes, or elementwise ones of these rows."""

    def make(function: RuleFunction) -> Rule:
        resolved = tuple(find(key) if isinstance(key, str) else key for key in keys)
        return Rule(function.__name__, function, resolved)

    return make


class RuleBuilder(Builder):
    """Emits the nodes of a replacement in front of the node that is replaced, with its location."""

    __slots__ = ("emitted",)

    def __init__(self, graph: Graph, node: Node) -> None:
        super().__init__(graph, node, node.location)
        self.emitted: list[Node] = []

    def emit(
        self, op: Op, inputs: Sequence[Value], regions: Sequence[Graph] = ()
    ) -> tuple[Value, ...]:
        node = Node(op, tuple(inputs), tuple(regions), self.location)
        self.graph.insert(node, self.before)
        self.emitted.append(node)
        return node.outputs

    def __call__(self, op: Op, *inputs: Value) -> Value:
        """The only result of a new node."""
        return self.emit(op, inputs)[0]

    def row(self, name: str, *inputs: Value) -> Value:
        """A new elementwise node."""
        return self.emit(Elementwise(find(name)), inputs)[0]

    def constant(self, array: Any) -> Value:
        """A new constant."""
        return self.emit(Constant.of(array), ())[0]

    def full(self, value: Any, type: TensorType) -> Value:
        """A tensor of one value: a scalar constant, broadcast unless `type` is a scalar."""
        scalar = self.constant(np.asarray(value, type.dtype.numpy))
        return self(Broadcast(type.shape, ()), scalar) if type.shape else scalar

    def handle(self, value: Value) -> Handle:
        """`value` as an operand of arithmetic and of the constructors in `irflow.ops`."""
        return Handle(self, value)


class Rewriter:
    """Applies rules to all nodes of a graph and of its regions until none matches.

    Nodes are visited in order. After a replacement the new nodes, the readers of the replaced
    results and the producers of the operands are visited again. Nodes that nobody reads any more
    are taken out.

    Args:
        rules: tried in this order on each node.
        context: gets statistics and notes.
    """

    def __init__(self, rules: Iterable[Rule], context: PassContext) -> None:
        self.context = context
        self._rules = tuple(rules)
        self._table: dict[type[Op] | Scalar, tuple[Rule, ...]] = {}
        self._pending: deque[Node] = deque()
        self._queued: set[Node] = set()
        self._latest: deque[str] = deque(maxlen=64)

    def run(self, graph: Graph) -> bool:
        """Rewrite; whether anything changed.

        Raises:
            PassError: the rules undo each other; they are named.
        """
        changed = False
        for node in graph:
            for region in node.regions:
                changed |= self.run(region)
        limit = 1000 + 64 * len(graph)
        for node in graph:
            self._queue(node)
        while self._pending:
            node = self._pending.popleft()
            self._queued.discard(node)
            if node.graph is not graph or self.context.is_exhausted or not self._visit(graph, node):
                continue
            changed = True
            limit -= 1
            if limit < 0:
                raise self._endless(node)
        return changed

    def _queue(self, node: Node | None) -> None:
        if node is not None and node not in self._queued:
            self._queued.add(node)
            self._pending.append(node)

    def _rules_for(self, op: Op) -> tuple[Rule, ...]:
        key: type[Op] | Scalar = op.row if type(op) is Elementwise else type(op)
        found = self._table.get(key)
        if found is None:
            wanted = {key, type(op)}
            found = tuple(rule for rule in self._rules if wanted.intersection(rule.keys))
            self._table[key] = found
        return found

    def _visit(self, graph: Graph, node: Node) -> bool:
        rules = self._rules_for(node.op)
        if not rules or not node.is_read:
            return False
        build = RuleBuilder(graph, node)
        for rule in rules:
            result = rule.function(node, build)
            if result is None or isinstance(result, NoMatch):
                self._discard(build.emitted)
                if result is not None:
                    self.context.explain(node, f"{rule.name}: {result.reason}")
                continue
            self._latest.append(rule.name)
            self.context.count(rule.name, node)
            self._replace(graph, node, (result,) if isinstance(result, Value) else tuple(result))
            for made in build.emitted:
                self._queue(made)
            return True
        return False

    def _replace(self, graph: Graph, node: Node, values: tuple[Value, ...]) -> None:
        operands = node.inputs
        for output in node.outputs:
            for user, _ in output.uses:
                if isinstance(user, Node):
                    self._queue(user)
        graph.replace(node, values)
        for operand in operands:
            self._queue(operand.node)
            self._prune(graph, operand.node)

    def _prune(self, graph: Graph, node: Node | None) -> None:
        """Take out `node` and its producers as far as nobody reads them."""
        stack = [node]
        while stack:
            unused = stack.pop()
            if unused is None or unused.graph is not graph or unused.is_read:
                continue
            operands = unused.inputs
            graph.erase(unused)
            for operand in operands:
                self._queue(operand.node)
                stack.append(operand.node)

    def _discard(self, emitted: list[Node]) -> None:
        while emitted:
            node = emitted.pop()
            assert node.graph is not None
            node.graph.erase(node)

    def _endless(self, node: Node) -> PassError:
        rules = Counter(self._latest).most_common()
        return PassError(
            "rules undo each other without end",
            facts=[
                (rule, f"{times} of the last {len(self._latest)} applications")
                for rule, times in rules
            ],
            location=node.location,
        )
