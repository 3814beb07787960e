"""Comparing graphs by structure, and walking over all graphs inside a graph."""

from __future__ import annotations

from collections.abc import Iterator

from irflow.ir.graph import Graph, Value
from irflow.ir.op import Op
from irflow.ir.types import TensorType

NodeStructure = tuple[Op, tuple[int, ...], tuple["Structure", ...]]
Structure = tuple[tuple[TensorType, ...], tuple[NodeStructure, ...], tuple[int, ...]]


def structure_of(graph: Graph) -> Structure:
    """Everything about `graph` but names, hints and locations: equal structures, equal meaning.

    Values are numbered in order of definition. Hashable; time and size are linear in the graph.
    """
    numbers: dict[Value, int] = {value: i for i, value in enumerate(graph.inputs)}
    nodes = []
    for node in graph:
        regions = tuple(structure_of(region) for region in node.regions)
        nodes.append((node.op, tuple(numbers[value] for value in node.inputs), regions))
        for output in node.outputs:
            numbers[output] = len(numbers)
    return graph.input_types, tuple(nodes), tuple(numbers[value] for value in graph.outputs)


def every_graph(graph: Graph) -> Iterator[Graph]:
    """`graph` and all regions inside it, inner ones first.

    The nodes of a graph may be edited while it is at hand.
    """
    for node in graph:
        for region in node.regions:
            yield from every_graph(region)
    yield graph
