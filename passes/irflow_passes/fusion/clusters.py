"""Groups of a plan that are joined afterwards, for reasons that neighbours alone do not show."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import field

from irflow.ir.graph import Graph, Node
from irflow.records import dataclass
from irflow_passes.fusion.group import Group
from irflow_passes.fusion.plan import Planner

# Nodes behind a cluster that are looked at in search of a way back.
_PATIENCE = 2000


@dataclass(eq=False, slots=True)
class Cluster:
    """Groups that are joined, or one group or node alone.

    Attributes:
        groups: the groups; none for a node alone.
        nodes: the members of the groups.
        rank: the position of the last of them in the graph; -1 without any.
        before: the clusters that they read.
        after: the clusters that read them.
    """

    groups: list[Group]
    nodes: set[Node]
    rank: int
    before: set[Cluster] = field(default_factory=set)
    after: set[Cluster] = field(default_factory=set)


class Clusters:
    """All that a planner made, and who reads whom.

    Args:
        graph: what was planned.
        planner: its groups are changed.

    Attributes:
        position: of each node in the graph.
        cluster_of: the cluster of each group, and of each node alone.
    """

    def __init__(self, graph: Graph, planner: Planner) -> None:
        self.planner = planner
        self.position = {node: i for i, node in enumerate(graph)}
        self.cluster_of: dict[object, Cluster] = {}
        for group in planner.groups:
            last = max(map(self.position.__getitem__, group.members))
            self.cluster_of[group] = Cluster([group], set(group.members), last)
        for node in planner.kept:
            self.cluster_of[node] = Cluster([], set(), -1)
        for group in planner.groups:
            for node in group.members:
                self._link(self.cluster_of[group], node, group.members)
        for node in planner.kept:
            self._link(self.cluster_of[node], node, ())

    def _link(self, cluster: Cluster, node: Node, own: Container[Node]) -> None:
        for value in node.inputs:
            source = self._source(value.node) if value.node not in own else None
            if source is not None and source is not cluster:
                cluster.before.add(source)
                source.after.add(cluster)

    def _source(self, node: Node | None) -> Cluster | None:
        """Where a node is stored."""
        if node is None:
            return None
        group = self.planner.stored.get(node)
        return self.cluster_of.get(node if group is None else group)

    def is_within_limits(self, one: Cluster, other: Cluster) -> bool:
        """Whether both together are no larger than twice what a group may be.

        Much of it is what becomes of sums, which is not in the loops over the data.
        """
        nodes = one.nodes | other.nodes
        most, inputs = (2 * limit for limit in self.planner.limits)
        read = {v for node in nodes for v in node.inputs if v.node not in nodes}
        return len(nodes) <= most and len(read) <= inputs

    @staticmethod
    def is_circular(one: Cluster, other: Cluster) -> bool:
        """Whether something else lies on a way from one to the other."""
        both = {one, other}
        before = (one.before | other.before) - both
        level = (one.after | other.after) - both
        seen = set(level)
        while level:
            if len(seen) > _PATIENCE or not level.isdisjoint(before):
                return True
            level = set().union(*(cluster.after for cluster in level)) - seen
            seen |= level
        return False

    def join(self, cluster: Cluster, other: Cluster) -> None:
        """Put what `other` has into `cluster`."""
        for group in other.groups:
            self.cluster_of[group] = cluster
        cluster.groups += other.groups
        cluster.nodes |= other.nodes
        cluster.rank = max(cluster.rank, other.rank)
        for one in other.before:
            one.after.discard(other)
            one.after.add(cluster)
        for one in other.after:
            one.before.discard(other)
            one.before.add(cluster)
        cluster.before = (cluster.before | other.before) - {cluster, other}
        cluster.after = (cluster.after | other.after) - {cluster, other}

    def commit(self, kind: str) -> None:
        """Make one group, of this kind, of each cluster of several."""
        merged = {id(c): c for c in self.cluster_of.values() if len(c.groups) > 1}
        for cluster in merged.values():
            self._commit(cluster, kind)

    def _commit(self, cluster: Cluster, kind: str) -> None:
        first, *others = cluster.groups
        planner = self.planner
        for other in others:
            for node, index_class in other.members.items():
                first.members.setdefault(node, index_class)
            planner.groups.remove(other)
        first.kind = kind
        gone = set(others)
        for node in first.members:
            homes = [group for group in planner.home.get(node, ()) if group not in gone]
            planner.home[node] = homes if first in homes else [*homes, first]
        for node in first.members:
            if planner.stored.get(node) in (first, *gone):
                planner.stored[node] = first
                if not self._is_read_outside(node, first):
                    del planner.stored[node]

    def _is_read_outside(self, node: Node, group: Group) -> bool:
        for user, _ in node.output.uses:
            if isinstance(user, Graph) or user in self.planner.kept:
                return True
            if any(home is not group for home in self.planner.home.get(user, ())):
                return True
        return False
