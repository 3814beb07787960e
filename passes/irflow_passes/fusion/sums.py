"""Reductions of the same data over the same axes, joined: the data is gone over once."""

from __future__ import annotations

from itertools import combinations

from irflow.ir.graph import Graph, Value
from irflow.ops.broadcast import Reduce
from irflow_passes.fusion.clusters import Cluster, Clusters
from irflow_passes.fusion.group import Group
from irflow_passes.fusion.plan import Planner

KIND = "reduce"


class SumMerger:
    """Joins groups of a planner that reduce the same.

    Args:
        graph: what was planned.
        planner: its groups are changed.
    """

    def __init__(self, graph: Graph, planner: Planner) -> None:
        self.graph, self.planner = graph, planner

    def run(self) -> None:
        """Join what can be joined."""
        pairs = list(self._pairs())
        if not pairs:
            return
        clusters = Clusters(self.graph, self.planner)
        for first, second in pairs:
            one, other = clusters.cluster_of[first], clusters.cluster_of[second]
            if one is not other and self._may_join(clusters, one, other):
                clusters.join(one, other)
        clusters.commit(KIND)

    def _pairs(self) -> list[tuple[Group, Group]]:
        """Groups that read the same tensor, of the shape that both reduce over the same axes."""
        readers: dict[tuple[Value, object], list[Group]] = {}
        for group in self.planner.groups:
            shape = _reduced_shape(group)
            for value in group.inputs if shape is not None else ():
                if value.type.shape == shape:
                    key = value, (group.reduction, group.shape)
                    readers.setdefault(key, []).append(group)
        found = (pair for groups in readers.values() for pair in combinations(groups, 2))
        return list(dict.fromkeys(found))

    @staticmethod
    def _may_join(clusters: Clusters, one: Cluster, other: Cluster) -> bool:
        if other in one.before or other in one.after or clusters.is_circular(one, other):
            return False
        return clusters.is_within_limits(one, other)


def _reduced_shape(group: Group) -> object:
    """What a group reduces that does nothing else of that size; None for other groups."""
    nodes = [node for node in group.members if type(node.op) is Reduce]
    is_plain = group.kind == KIND and nodes
    return nodes[0].inputs[0].type.shape if is_plain else None
