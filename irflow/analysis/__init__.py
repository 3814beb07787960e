"""What passes ask about graphs: structure, order, reachability; networkx's algorithms through one view."""

from irflow.analysis.order import Order
from irflow.analysis.structure import Structure, every_graph, structure_of
from irflow.analysis.view import networkx_view

__all__ = ["Order", "Structure", "every_graph", "networkx_view", "structure_of"]
