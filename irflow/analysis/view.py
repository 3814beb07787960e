"""A graph as a networkx graph, for what is asked rarely: minimum cuts, dominators, layouts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from irflow.ir.graph import Graph

if TYPE_CHECKING:
    import networkx


def networkx_view(graph: Graph) -> networkx.MultiDiGraph:
    """A directed graph whose vertices are the nodes and inputs of `graph`, and one `"return"`.

    Inputs are vertices of their own (the `Value`). An edge stands for one read and carries
    `value` and `position`. The result is a copy: editing it leaves `graph` alone.
    """
    import networkx

    view = networkx.MultiDiGraph()
    view.add_nodes_from(graph.inputs)
    for node in graph:
        view.add_node(node)
        for position, value in enumerate(node.inputs):
            view.add_edge(value.node or value, node, value=value, position=position)
    view.add_node("return")
    for position, value in enumerate(graph.outputs):
        view.add_edge(value.node or value, "return", value=value, position=position)
    return view
