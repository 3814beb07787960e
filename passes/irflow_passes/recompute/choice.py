"""What to keep across a place in a graph: a minimum cut.

Every value computed before the place is an edge whose capacity is its size in bytes, from its *in*
to its *out*. Whoever computes a value again needs the operands, so an edge of no limit leads from
the *out* of each operand to its *in*; one comes from the source to what may not be computed again,
and one goes to the sink from what is read behind the place. The edges of a minimum cut are the
values to keep, of all such sets the one that computes least again.
"""

from __future__ import annotations

from collections.abc import Callable

from irflow.ir.graph import Node, Value
from irflow.records import dataclass
from irflow_passes.recompute.memory import Memory


@dataclass(frozen=True, slots=True)
class Choice:
    """What happens with the values computed before a place that are needed behind it.

    Attributes:
        position: of the place.
        kept: they stay in memory.
        again: they are computed again, in the order of the graph.
    """

    position: int
    kept: set[Value]
    again: list[Value]


def choose(memory: Memory, position: int, may_repeat: Callable[[Node], bool]) -> Choice:
    """What to keep so that the fewest bytes are alive at a place.

    Args:
        memory: of the graph.
        position: as many nodes stand before the place.
        may_repeat: which nodes may be computed again.
    """
    import networkx
    from networkx.algorithms.flow import boykov_kolmogorov

    needed = _needed(memory, position)
    # What the next node reads is alive at the place whatever happens.
    present = set(memory.order[position].inputs) if position < len(memory.order) else set()

    def is_fixed(value: Value) -> bool:
        return value in present or not may_repeat(_node(value))

    network = networkx.DiGraph()
    network.add_nodes_from(("source", "sink"))
    for value in needed:
        network.add_edge((value, "out"), "sink")
    for value in _reached(memory, needed, is_fixed):
        network.add_edge((value, "in"), (value, "out"), capacity=memory.nbytes(value))
        if is_fixed(value):
            network.add_edge("source", (value, "in"))
            continue
        for operand in _node(value).inputs:
            if not memory.is_free(operand):
                network.add_edge((operand, "out"), (value, "in"))
    _, (_, behind) = networkx.minimum_cut(network, "source", "sink", flow_func=boykov_kolmogorov)
    values = [item[0] for item in network if isinstance(item, tuple) and item[1] == "out"]
    kept = {v for v in values if (v, "out") in behind and (v, "in") not in behind}
    again = [v for v in values if (v, "in") in behind]
    again.sort(key=lambda value: (memory.number[_node(value)], value.index))
    return Choice(position, kept, again)


def _node(value: Value) -> Node:
    assert value.node is not None
    return value.node


def _needed(memory: Memory, position: int) -> list[Value]:
    """The values computed before a place that are read behind it."""
    found = [
        value
        for node in memory.order[position:]
        for value in node.inputs
        if not memory.is_free(value) and memory.number[_node(value)] < position
    ]
    return list(dict.fromkeys(found))


def _reached(memory: Memory, needed: list[Value], is_fixed: Callable[[Value], bool]) -> list[Value]:
    """These values, and all that computing them again might need."""
    found = dict.fromkeys(needed)
    stack = list(needed)
    while stack:
        value = stack.pop()
        if is_fixed(value):
            continue
        for operand in _node(value).inputs:
            if operand not in found and not memory.is_free(operand):
                found[operand] = None
                stack.append(operand)
    return list(found)
