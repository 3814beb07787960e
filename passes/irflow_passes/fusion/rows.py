"""Groups that work on the same rows, joined: a softmax or a normalisation becomes one kernel.

A *row* is all that shares the leading indices of some shape `[*rows, length]`. Reductions of the
last axis, what is computed from their results, and what leads to them, need no more than one row
at a time. So they can stand in one loop over the rows, which finds a row in the nearest cache
whenever it goes over it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import attrgetter

from irflow import dims
from irflow.ir.graph import Graph, Node
from irflow.ir.types import Shape
from irflow.ops.broadcast import Broadcast, Reduce, Reshape
from irflow.ops.elementwise import Convert, Elementwise
from irflow.records import dataclass
from irflow_passes.fusion.clusters import Cluster, Clusters
from irflow_passes.fusion.group import Group
from irflow_passes.fusion.plan import Planner

KIND = "rows"

# Longer rows do not stay in a cache, and threads should share them.
_LONGEST = 1 << 16
# Fewer rows are no work for several threads, if they are long.
_FEW, _LONG = 16, 1 << 12
# More sums of columns would not stay in a cache.
_MOST_COLUMNS = 8192


@dataclass(frozen=True, slots=True)
class Rows:
    """What the groups of a kernel have in common.

    Attributes:
        shape: of the whole tensor, `[*rows, length]`.
    """

    shape: Shape

    @classmethod
    def of(cls, group: Group) -> Rows | None:
        """The rows that a group reduces, if it does no more than that along them."""
        nodes = [node for node in group.members if type(node.op) is Reduce]
        if group.kind != "reduce" or not nodes:
            return None
        shape = nodes[0].inputs[0].type.shape
        rows = cls(shape)
        is_along = all(rows.is_along(node) for node in nodes)
        return rows if len(shape) > 1 and is_along and rows.is_worth_it() else None

    def is_along(self, node: Node) -> bool:
        """Whether a node reduces the rows themselves."""
        op = node.op
        return type(op) is Reduce and op.axes == (len(self.shape) - 1,)

    def is_down(self, node: Node) -> bool:
        """Whether a node reduces the columns of the same tensor."""
        op = node.op
        is_reduce = type(op) is Reduce and op.axes == tuple(range(len(self.shape) - 1))
        return is_reduce and node.inputs[0].type.shape == self.shape

    def has_columns(self, group: Group) -> bool:
        """Whether a group reduces columns, few enough for their sums to wait in a cache."""
        length = self.shape[-1]
        if not isinstance(length, int) or length > _MOST_COLUMNS:
            return False
        nodes = [node for node in group.members if type(node.op) is Reduce]
        return bool(nodes) and all(map(self.is_down, nodes))

    def is_worth_it(self) -> bool:
        """Whether rows are of a size for one thread."""
        length, count = self.shape[-1], dims.product(self.shape[:-1])
        if isinstance(length, int) and not 1 < length <= _LONGEST:
            return False
        is_few = isinstance(count, int) and count < _FEW
        return not (is_few and (not isinstance(length, int) or length > _LONG))

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """Those of whole tensors, and of one number a row."""
        lead = self.shape[:-1]
        return self.shape, lead, (*lead, 1)

    def holds(self, nodes: Iterable[Node]) -> bool:
        """Whether nodes, in order, need no other row than that of their result.

        What does not depend on a reduction here is computed from memory, at whatever index.
        """
        dependent: set[Node] = set()
        columns: set[Node] = set()
        for node in nodes:
            sources = {value.node for value in node.inputs}
            is_dependent = not dependent.isdisjoint(sources)
            if self.is_down(node) or not columns.isdisjoint(sources):
                if not self._fits_column(node, is_dependent, columns):
                    return False
                columns.add(node)
                continue
            if not self._fits(node, is_dependent):
                return False
            if is_dependent or type(node.op) is Reduce:
                dependent.add(node)
        return True

    def _fits_column(self, node: Node, is_dependent: bool, columns: set[Node]) -> bool:
        """Whether a node behind sums of columns needs one column only."""
        if self.is_down(node):
            return node.inputs[0].node not in columns
        is_plain = type(node.op) in (Elementwise, Convert)
        return is_plain and not is_dependent and node.output.type.shape == self.shape[-1:]

    def _fits(self, node: Node, is_dependent: bool) -> bool:
        op = node.op
        rank = len(self.shape)
        if type(op) is Reduce:
            return op.axes == (rank - 1,) and node.inputs[0].type.shape == self.shape
        if not is_dependent:
            return True
        if node.output.type.shape not in self.shapes:
            return False
        given = node.inputs[0].type.shape
        if type(op) is Broadcast:
            return given in self.shapes and op.axes == tuple(range(len(given)))
        if type(op) is Reshape:
            return given != self.shape and node.output.type.shape != self.shape
        return type(op) in (Elementwise, Convert)


class RowMerger:
    """Joins groups of a planner.

    Args:
        graph: what was planned.
        planner: its groups are changed.
    """

    def __init__(self, graph: Graph, planner: Planner) -> None:
        self.graph, self.planner = graph, planner
        self.rows_of: dict[Cluster, Rows] = {}
        self.refused: set[tuple[Cluster, Cluster]] = set()

    def run(self) -> None:
        """Join what can be joined."""
        seeds = {group: rows for group in self.planner.groups if (rows := Rows.of(group))}
        if not seeds:
            return
        clusters = Clusters(self.graph, self.planner)
        self.rows_of = {clusters.cluster_of[group]: rows for group, rows in seeds.items()}
        for group in reversed(seeds):
            while self._grow(clusters, clusters.cluster_of[group]):
                pass
        clusters.commit(KIND)

    def _grow(self, clusters: Clusters, cluster: Cluster) -> bool:
        """Join one more; whether there was one."""
        rows = self.rows_of[cluster]
        for other in self._neighbours(cluster):
            if self._may_join(clusters, rows, cluster, other):
                clusters.join(cluster, other)
                return True
        return False

    def _neighbours(self, cluster: Cluster) -> Iterator[Cluster]:
        """Whom it reads and who reads it, and sums of columns of what it reads too."""
        rows = self.rows_of[cluster]
        beside = [c for source in cluster.before for c in source.after if _has_sums(c, rows)]
        near = dict.fromkeys((*cluster.before, *cluster.after, *beside))
        for other in sorted(near, key=attrgetter("rank")):
            if other.groups and other is not cluster:
                yield other

    def _may_join(self, clusters: Clusters, rows: Rows, cluster: Cluster, other: Cluster) -> bool:
        if self.rows_of.get(other) not in (None, rows):
            return False
        if not all(self._is_by_rows(group, rows) for group in other.groups):
            return False
        if (cluster, other) in self.refused or not clusters.is_within_limits(cluster, other):
            return False
        if clusters.is_circular(cluster, other):
            return False
        if rows.holds(sorted(cluster.nodes | other.nodes, key=clusters.position.__getitem__)):
            return True
        # More nodes never make up for one that needs another row.
        self.refused.add((cluster, other))
        return False

    @staticmethod
    def _is_by_rows(group: Group, rows: Rows) -> bool:
        """Whether a group works on rows, or sums up the columns that they make."""
        if group.kind == "contraction":
            return False
        return group.shape in rows.shapes or rows.has_columns(group)


def _has_sums(cluster: Cluster, rows: Rows) -> bool:
    return bool(cluster.groups) and all(map(rows.has_columns, cluster.groups))
