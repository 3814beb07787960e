"""Results in the place of arguments that the caller gives away.

    w' = w - rate * g               w = w - rate * g        as `g` is made, tile by tile

A kernel writes an output over an input if it is the last to read it, and reads each element before
it writes it: `inplace` looks at its code. Weights and the slots of an optimiser are so in memory
once, and what is written is in the caches already.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import field, replace

from irflow.dims import Size
from irflow.ir.graph import Graph, Node, Value
from irflow.loops import Block, Kernel, Stmt, Store
from irflow.loops.walk import map_statement
from irflow.lowering.control import ALIASES, is_native_graph
from irflow.lowering.inplace import overwriting_all
from irflow.records import dataclass

LEAST = 2**12
"""Inputs of so many bytes, or fewer, are in the caches in any case, and take little memory."""

Pairs = tuple[tuple[int, int], ...]
"""Positions of inputs, each with that of the output that lies there."""


@dataclass(slots=True)
class Lending:
    """Which inputs of a graph may still be overwritten, and by whom.

    Attributes:
        order: the nodes in the order in which they should run.
        last: the last node that reads each input that is lent.
        ends: the positions of the outputs.
        taken: the outputs that lie where inputs are.
    """

    order: list[Node]
    last: dict[Value, Node] = field(default_factory=dict)
    ends: dict[Value, int] = field(default_factory=dict)
    taken: set[Value] = field(default_factory=set)

    @classmethod
    def of(cls, graph: Graph, lent: Collection[int]) -> Lending:
        """The inputs at these positions, but for those that are returned as they are.

        None where steps run on the host: these may fail, when nothing must have been overwritten.
        """
        nodes = list(graph)
        if not lent or not is_native_graph(graph):
            return cls(nodes)
        large = [v for i in sorted(lent) if _is_larger((v := graph.inputs[i]).type.nbytes, LEAST)]
        found = {value: list(_readers(value)) for value in large}
        readers = {
            value: [node for node in users if node is not None]
            for value, users in found.items()
            if users and None not in users
        }
        order = _delayed(nodes, readers)
        places = {node: place for place, node in enumerate(order)}
        last = {value: max(users, key=places.__getitem__) for value, users in readers.items()}
        ends = {value: i for i, value in reversed(list(enumerate(graph.outputs)))}
        return cls(order, last, ends)

    def pairs(
        self, values: Sequence[Value], results: Sequence[Value], later: Collection[Value]
    ) -> Pairs:
        """Inputs among the operands of a kernel that could make way for its results.

        Args:
            values: what the kernel reads.
            results: what it writes.
            later: what is read by kernels of the same node that come after it.
        """
        ends, read = self.ends, [*map(_named, values), *map(_named, later)]
        wanted = sorted((value for value in results if value in ends), key=ends.__getitem__)
        found = []
        for i, value in sorted(enumerate(values), key=lambda row: row[1].index):
            node = self.last.get(value)
            result = next((w for w in wanted if w.node is node and _fits(value, w)), None)
            if result is not None and read.count(value) == 1:
                wanted.remove(result)
                found.append((i, results.index(result)))
        return tuple(found)

    def fits(self, value: Value, result: Value, node: Node) -> bool:
        """Whether a loop may carry an input where it is, and leave its result there."""
        read = list(map(_named, node.inputs)).count(value)
        return self.last.get(value) is node and _fits(value, result) and read == 1

    def take(self, value: Value, result: Value) -> None:
        """Note that a result lies where an input is."""
        del self.last[value]
        self.taken.add(result)


def _delayed(nodes: Sequence[Node], readers: Mapping[Value, Sequence[Node]]) -> list[Node]:
    """Nodes in an order in which those that could overwrite what others read come after these."""
    places = {node: float(place) for place, node in enumerate(nodes)}
    for value, users in readers.items():
        makers = [node for node in users if any(_fits(value, w) for w in node.outputs)]
        end = max(map(places.__getitem__, users))
        for node in makers if len(makers) == 1 else ():
            later = (user for made in node.outputs for user in made.users)
            if places[node] >= end or any(places[user] <= end for user in later):
                continue
            if _is_larger(value.type.nbytes, _released(node, places)):
                places[node] = end + 0.5
    return sorted(nodes, key=places.__getitem__)


def _released(node: Node, places: Mapping[Node, float]) -> Size:
    """The bytes of what no other node reads later: it is needed for as long as this one waits."""
    made = [value for value in dict.fromkeys(node.inputs) if value.node is not None]
    own = (v for v in made if max(map(places.__getitem__, v.users)) <= places[node])
    return sum((value.type.nbytes for value in own), 0)


def _is_larger(one: Size, other: Size) -> bool:
    """Whether a size is known to be larger than another."""
    return isinstance(one, int) and isinstance(other, int) and one > other


def _fits(value: Value, result: Value) -> bool:
    """Whether a result could lie where an input is, as far as types tell."""
    return result.is_output and result.type == value.type


def _named(value: Value) -> Value:
    """The value whose memory another one is."""
    while value.node is not None and value.node.op.name in ALIASES:
        value = value.node.inputs[0]
    return value


def _readers(value: Value) -> Iterator[Node | None]:
    """The nodes that read a value, also by other names; None where a graph returns it."""
    if value.is_output:
        yield None
    for node in value.users:
        if node.op.name in ALIASES:
            yield from _readers(node.output)
        else:
            yield node


def overwritten(kernel: Kernel, wanted: Pairs) -> tuple[Kernel, Pairs]:
    """A kernel with outputs in the place of inputs, as far as it would do the same.

    Args:
        kernel: any.
        wanted: the pairs to try.

    Returns:
        The kernel, without the inputs of the second result: the pairs of which it is true.
    """
    if not wanted:
        return kernel, ()
    places = {(kernel.inputs[i], kernel.outputs[j]): (i, j) for i, j in wanted}
    found, pairs = overwriting_all(kernel, list(places))
    return _unstreamed(found) if pairs else kernel, tuple(places[pair] for pair in pairs)


def _unstreamed(kernel: Kernel) -> Kernel:
    """Stores go to lines that were read, so that past the caches would be a long way round."""

    def block(inner: Block) -> Block:
        return Block(tuple(statement(stmt) for stmt in inner.statements))

    def statement(stmt: Stmt) -> Stmt:
        if isinstance(stmt, Store):
            return replace(stmt, hint="") if stmt.hint == "stream" else stmt
        return map_statement(stmt, lambda expr: expr, block)

    return replace(kernel, body=block(kernel.body))
