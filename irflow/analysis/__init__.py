"""What passes ask about graphs: structure, order, and a view for networkx's algorithms."""

from irflow.analysis.order import Order
from irflow.analysis.structure import Structure, every_graph, structure_of
from irflow.analysis.view import networkx_view

__all__ = ["Order", "Structure", "every_graph", "networkx_view", "structure_of"]
