"""What need not be computed in each step of a `scan` moves out of it; part of `hoist`.

    for each step: total = total + x.T @ y      ->      total + (all x).T @ (all y)
    for each step: … a @ transpose(w) …         ->      the transpose once, before the loop

Sums of products and of reductions that are only carried along become one product or reduction over
the stacked operands of all steps. The sums come out in another order; the rest stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from irflow.dims import Size
from irflow.ir.builder import Builder
from irflow.ir.graph import Graph, Node, Value
from irflow.ops import Concatenate, Elementwise, Matmul, Pad, Reduce, Reshape, Scan, Transpose
from irflow.ops.broadcast import Broadcast
from irflow.ops.constants import NoInputs
from irflow.ops.shape import Slice
from irflow.records import dataclass
from irflow.scalars import find
from irflow.transform import PassContext, RuleBuilder
from irflow_passes.last_steps import take_last_steps
from irflow_passes.rules.match import uniform

Emit = Callable[[Builder, dict[Value, Value]], Value]
"""Emits what replaces a sum, from the stacks of values of the body."""

MOST_TIMES = 2
"""What a step adds to stacks for the sake of a sum is no more than so many times the sum."""

MOST_BYTES = 64 << 20
"""Nor are these stacks larger."""

_LINEAR = (Reshape, Transpose, Slice)
_FREE = (NoInputs, Broadcast)


def unloop(graph: Graph, node: Node, context: PassContext) -> bool:
    """Move what need not be there out of a scan; whether anything was."""
    if not isinstance(node.op, Scan):
        return False
    changed = False
    shorter = take_last_steps(graph, node, context)
    if shorter is not None:
        node, changed = shorter, True
    before = _Invariants(graph, node).moved()
    if before is not None:
        context.count("before_loop", before)
        node, changed = before, True
    after = _Sums(graph, node).moved()
    if after is not None:
        context.count("after_loop", after)
    return changed or after is not None


# -------------------------------------------------------------------------------------- invariants


class _Invariants:
    """The nodes of a scan's body that compute the same in each step."""

    def __init__(self, graph: Graph, node: Node) -> None:
        assert isinstance(node.op, Scan)
        self.graph, self.node, self.op = graph, node, node.op
        (self.body,) = node.regions

    def moved(self) -> Node | None:
        """The node that took the place of the scan; None if nothing moves."""
        nodes = self._nodes()
        worth = [n for n in nodes if not isinstance(n.op, _FREE)]
        found = {v for n in worth for v in n.outputs}
        wanted = [v for v in found_in_order(worth, found) if self._is_read(v, nodes)]
        if not wanted:
            return None
        builder = RuleBuilder(self.graph, self.node)
        outside = dict(zip(self.body.inputs, self.node.inputs[: self.op.constants], strict=False))
        for node in nodes:
            if all(value in outside for value in node.inputs):
                copies = [region.copy() for region in node.regions]
                results = builder.emit(node.op, [outside[v] for v in node.inputs], copies)
                outside.update(zip(node.outputs, results, strict=True))
        return self._rebuilt(wanted, [outside[value] for value in wanted])

    def _nodes(self) -> list[Node]:
        known = set(self.body.inputs[: self.op.constants])
        nodes = []
        for node in self.body:
            if all(value in known for value in node.inputs) and _shrinks(node):
                nodes.append(node)
                known.update(node.outputs)
        return nodes

    def _is_read(self, value: Value, nodes: Sequence[Node]) -> bool:
        """Whether something that stays reads a value."""
        return value.is_output or any(user not in nodes for user in value.users)

    def _rebuilt(self, wanted: Sequence[Value], given: Sequence[Value]) -> Node:
        """The scan with further constants in the place of what is computed before it."""
        body, first = Graph(self.body.name), self.op.constants
        old = self.body.inputs
        types = [*old[:first], *wanted, *old[first:]]
        mapping = {value: body.add_input(value.type, value.hint) for value in types}
        for node in self.body:
            if all(output in mapping for output in node.outputs):
                continue
            inputs = tuple(mapping[value] for value in node.inputs)
            copies = tuple(region.copy() for region in node.regions)
            copied = body.insert(Node(node.op, inputs, copies, node.location))
            for was, new in zip(node.outputs, copied.outputs, strict=True):
                mapping.setdefault(was, new)
        body.set_outputs([mapping[value] for value in self.body.outputs])
        sweep(body)
        op = replace(self.op, constants=first + len(wanted))
        operands = (*self.node.inputs[:first], *given, *self.node.inputs[first:])
        made = self.graph.insert(Node(op, operands, (body,), self.node.location), self.node)
        self.graph.replace(self.node, made.outputs)
        return made


def found_in_order(nodes: Sequence[Node], found: set[Value]) -> list[Value]:
    """Results of nodes, in the order of these."""
    return [value for node in nodes for value in node.outputs if value in found]


def _shrinks(node: Node) -> bool:
    """Whether results take no more memory than the operands, or none."""
    if isinstance(node.op, _FREE):
        return True
    if node.regions or len(node.outputs) != 1 or not node.inputs:
        return False
    size = node.output.type.nbytes
    return any(
        given.type.nbytes == size or _is_less(size, given.type.nbytes) for given in node.inputs
    )


def _is_less(a: Size, b: Size) -> bool:
    return isinstance(a, int) and isinstance(b, int) and a < b


def sweep(graph: Graph) -> None:
    """Take out what nobody reads."""
    for node in reversed(graph):
        if not any(output.uses for output in node.outputs):
            graph.erase(node)


# -------------------------------------------------------------------------------------------- sums


@dataclass(frozen=True, slots=True)
class _Sum:
    """A sum over all steps.

    Attributes:
        stacked: values of the body of which all steps are needed.
        emit: what it is made by.
    """

    stacked: tuple[Value, ...]
    emit: Emit


class _Sums:
    """The carries of a scan that are nothing but sums over its steps."""

    def __init__(self, graph: Graph, node: Node) -> None:
        assert isinstance(node.op, Scan)
        self.graph, self.node, self.op = graph, node, node.op
        (self.body,) = node.regions
        self.slices = self.body.inputs[self.op.constants + self.op.carries :]

    def moved(self) -> Node | None:
        """The node that took the place of the scan; None if it has no such carry."""
        found: dict[int, _Sum] = {}
        free = {*self.slices, *self.body.outputs[self.op.carries :]}
        # Stacks that products ask for cost reductions nothing.
        for kinds in ((Matmul,), (Matmul, Reduce)):
            for i in range(self.op.carries):
                summand = self._summand(i)
                if i in found or summand is None:
                    continue
                sum_ = self._sum(summand, free, kinds)
                if sum_ is not None:
                    found[i] = sum_
                    free.update(sum_.stacked)
        return self._rebuilt(found) if found else None

    def _summand(self, i: int) -> Value | None:
        """What is added to a carry in each step, if the carry is for nothing else."""
        carry, result = self.body.inputs[self.op.constants + i], self.body.outputs[i]
        node = result.node
        if node is None or len(carry.uses) != 1 or len(result.uses) != 1:
            return None
        if not isinstance(node.op, Elementwise) or node.op.row is not find("add"):
            return None
        if carry not in node.inputs:
            return None
        a, b = node.inputs
        return b if a is carry else a

    def _sum(self, value: Value, free: set[Value], kinds: tuple[type, ...]) -> _Sum | None:
        """The sum of a value over all steps; None where it is as well made step by step."""
        node = value.node
        if node is None:
            return None
        match node.op:
            case Elementwise(row) if row is find("add"):
                return self._joined(node, free, kinds)
            case Concatenate():
                return self._joined(node, free, kinds)
            case Pad() if uniform(node.inputs[1]) == 0:
                return self._moved(node, free, kinds)
            case _ if isinstance(node.op, _LINEAR):
                return self._moved(node, free, kinds)
            case Matmul() if Matmul in kinds and node.output.type.rank == 2:
                return self._product(node, free)
            case Reduce(row) if Reduce in kinds and row is find("add"):
                return self._reduction(node, free)
        return None

    def _joined(self, node: Node, free: set[Value], kinds: tuple[type, ...]) -> _Sum | None:
        """A sum of several values, or these side by side."""
        parts = [self._sum(value, free, kinds) for value in node.inputs]
        known = [part for part in parts if part is not None]
        if len(known) < len(parts):
            return None
        stacked = tuple(value for part in known for value in part.stacked)

        def emit(builder: Builder, stacks: dict[Value, Value]) -> Value:
            return builder.emit(node.op, [part.emit(builder, stacks) for part in known])[0]

        return _Sum(stacked, emit)

    def _moved(self, node: Node, free: set[Value], kinds: tuple[type, ...]) -> _Sum | None:
        """A function for which it does not matter whether it comes before or after the sum."""
        inner = self._sum(node.inputs[0], free, kinds)
        if inner is None:
            return None

        def emit(builder: Builder, stacks: dict[Value, Value]) -> Value:
            others = [_again(builder, value) for value in node.inputs[1:]]
            return builder.emit(node.op, [inner.emit(builder, stacks), *others])[0]

        return _Sum(inner.stacked, emit)

    def _product(self, node: Node, free: set[Value]) -> _Sum | None:
        """`sum of a @ b`: the rows and columns of all steps side by side, as one product."""
        (left, is_turned), right = _turned(node.inputs[0]), node.inputs[1]
        fixed = self.body.inputs[: self.op.constants]
        if left in fixed or right in fixed:
            return None
        if not self._is_small([v for v in dict.fromkeys((left, right)) if v not in free], node):
            return None
        rows, columns = node.output.type.shape
        inner = self.op.length * node.inputs[0].type.shape[1]

        def emit(builder: Builder, stacks: dict[Value, Value]) -> Value:
            a, b = stacks[left], stacks[right]
            if not is_turned:
                (a,) = builder.emit(Transpose((0, 2, 1)), [a])
            (a,) = builder.emit(Reshape((inner, rows)), [a])
            (a,) = builder.emit(Transpose((1, 0)), [a])
            (b,) = builder.emit(Reshape((inner, columns)), [b])
            return builder.emit(Matmul(), [a, b])[0]

        return _Sum((left, right), emit)

    def _is_small(self, new: Sequence[Value], product: Node) -> bool:
        """Whether values may be stacked that are not otherwise."""
        step = sum((value.type.nbytes for value in new), 0)
        total, most = step * self.op.length, MOST_TIMES * product.output.type.nbytes
        if step == 0:
            return True
        are_known = isinstance(total, int) and isinstance(step, int) and isinstance(most, int)
        return are_known and step <= most and total <= MOST_BYTES

    def _reduction(self, node: Node, free: set[Value]) -> _Sum | None:
        """`sum of sum(a)`, where the stack of `a` is there."""
        assert isinstance(node.op, Reduce)
        (value,) = node.inputs
        if value not in free:
            return None
        op = replace(node.op, axes=(0, *(axis + 1 for axis in node.op.axes)))

        def emit(builder: Builder, stacks: dict[Value, Value]) -> Value:
            return builder.emit(op, [stacks[value]])[0]

        return _Sum((value,), emit)

    # --------------------------------------------------------------------------------- the new scan

    def _rebuilt(self, found: dict[int, _Sum]) -> Node:
        """The scan without the sums, and these behind it."""
        op, first, count = self.op, self.op.constants, self.op.carries
        kept = [i for i in range(count) if i not in found]
        body = self.body.copy()
        same = dict(zip(self.body.values, body.values, strict=True))
        stacked = dict.fromkeys(v for sum_ in found.values() for v in sum_.stacked)
        known = list(self.body.outputs[count:])
        new = [v for v in stacked if v not in self.slices and v not in known]
        outputs = [*(self.body.outputs[i] for i in kept), *known, *new]
        body.set_outputs([same[value] for value in outputs])
        sweep(body)
        for i in sorted(found, reverse=True):
            body.remove_input(body.inputs[first + i])
        operands = [v for i, v in enumerate(self.node.inputs) if i - first not in found]
        made = Node(replace(op, carries=len(kept)), tuple(operands), (body,), self.node.location)
        self.graph.insert(made, self.node)
        stacks = dict(zip([*known, *new], made.outputs[len(kept) :], strict=True))
        stacks |= zip(self.slices, self.node.inputs[first + count :], strict=True)
        builder = RuleBuilder(self.graph, self.node)
        results = dict(zip(kept, made.outputs, strict=False))
        for i, sum_ in found.items():
            start, total = self.node.inputs[first + i], sum_.emit(builder, stacks)
            is_zero = uniform(start) == 0
            add = Elementwise(find("add"))
            results[i] = total if is_zero else builder.emit(add, [start, total])[0]
        stacks_out = made.outputs[len(kept) : len(kept) + len(known)]
        self.graph.replace(self.node, [*(results[i] for i in range(count)), *stacks_out])
        if not made.outputs:
            self.graph.erase(made)
        return made


def _turned(value: Value) -> tuple[Value, bool]:
    """What a value is the transpose of, and whether it is one."""
    node = value.node
    if node is not None and isinstance(node.op, Transpose) and node.op.perm == (1, 0):
        return node.inputs[0], True
    return value, False


def _again(builder: Builder, value: Value) -> Value:
    """A uniform value made outside, too."""
    node = value.node
    assert node is not None
    return builder.emit(node.op, [_again(builder, v) for v in node.inputs])[0]
