"""Groups that work on the same rows, joined: a softmax or a normalisation becomes one kernel.

A *row* is all that shares the leading indices of some shape `[*rows, length]`. Reductions of the
last axis, what is computed from their results, and what leads to them, need no more than one row
at a time. So they can stand in one loop over the rows, which finds a row in the nearest cache
whenever it goes over it again.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field

from irflow import dims
from irflow.ir.graph import Graph, Node
from irflow.ir.types import Shape
from irflow.ops.broadcast import Broadcast, Reduce, Reshape
from irflow.ops.elementwise import Convert, Elementwise
from irflow_passes.fusion.group import Group
from irflow_passes.fusion.plan import Planner

KIND = "rows"

# Longer rows do not stay in a cache, and threads should share them.
_LONGEST = 1 << 16
# Fewer rows are no work for several threads, if they are long.
_FEW, _LONG = 16, 1 << 12
# More sums of columns would not stay in a cache.
_MOST_COLUMNS = 8192
# Nodes behind a cluster that are looked at in search of a way back.
_PATIENCE = 2000


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
            if self.is_down(node) or any(i.node in columns for i in node.inputs):
                if not self._fits_column(node, dependent, columns):
                    return False
                columns.add(node)
                continue
            if not self._fits(node, {i for i in node.inputs if i.node in dependent}):
                return False
            if type(node.op) is Reduce or any(i.node in dependent for i in node.inputs):
                dependent.add(node)
        return True

    def _fits_column(self, node: Node, dependent: set[Node], columns: set[Node]) -> bool:
        """Whether a node behind sums of columns needs one column only."""
        if self.is_down(node):
            return node.inputs[0].node not in columns
        is_plain = type(node.op) in (Elementwise, Convert)
        is_mixed = any(i.node in dependent for i in node.inputs)
        return is_plain and not is_mixed and node.output.type.shape == self.shape[-1:]

    def _fits(self, node: Node, dependent: set[object]) -> bool:
        op = node.op
        rank = len(self.shape)
        if type(op) is Reduce:
            return op.axes == (rank - 1,) and node.inputs[0].type.shape == self.shape
        if not dependent:
            return True
        if node.output.type.shape not in self.shapes:
            return False
        given = node.inputs[0].type.shape
        if type(op) is Broadcast:
            return given in self.shapes and op.axes == tuple(range(len(given)))
        if type(op) is Reshape:
            return given != self.shape and node.output.type.shape != self.shape
        return type(op) in (Elementwise, Convert)


@dataclass(eq=False, slots=True)
class _Cluster:
    """Groups that are joined, or one group or node alone.

    Attributes:
        groups: the groups; none for a node alone.
        rows: what they have in common, if there are reductions.
        before: the clusters that they read.
        after: the clusters that read them.
    """

    groups: list[Group]
    rows: Rows | None
    before: set[_Cluster] = field(default_factory=set)
    after: set[_Cluster] = field(default_factory=set)

    @property
    def nodes(self) -> dict[Node, None]:
        return {node: None for group in self.groups for node in group.members}


class RowMerger:
    """Joins groups of a planner.

    Args:
        graph: what was planned.
        planner: its groups are changed.
    """

    def __init__(self, graph: Graph, planner: Planner) -> None:
        self.graph, self.planner = graph, planner
        self.position: dict[Node, int] = {}
        self.cluster_of: dict[object, _Cluster] = {}

    def run(self) -> None:
        """Join what can be joined."""
        seeds = [(group, rows) for group in self.planner.groups if (rows := Rows.of(group))]
        if not seeds:
            return
        self.position = {node: i for i, node in enumerate(self.graph)}
        self._collect(dict(seeds))
        for group, _ in reversed(seeds):
            cluster = self.cluster_of[group]
            while self._grow(cluster):
                pass
        merged = {id(c): c for c in self.cluster_of.values() if len(c.groups) > 1}
        for cluster in merged.values():
            self._commit(cluster)

    def _collect(self, seeds: dict[Group, Rows]) -> None:
        """A cluster for each group and each node alone, and who reads whom."""
        for group in self.planner.groups:
            self.cluster_of[group] = _Cluster([group], seeds.get(group))
        for node in self.planner.kept:
            self.cluster_of[node] = _Cluster([], None)
        for group in self.planner.groups:
            for node in group.members:
                self._link(self.cluster_of[group], node, group.members)
        for node in self.planner.kept:
            self._link(self.cluster_of[node], node, ())

    def _link(self, cluster: _Cluster, node: Node, own: Container[Node]) -> None:
        for value in node.inputs:
            source = self._source(value.node) if value.node not in own else None
            if source is not None and source is not cluster:
                cluster.before.add(source)
                source.after.add(cluster)

    def _source(self, node: Node | None) -> _Cluster | None:
        """Where a node is stored."""
        if node is None:
            return None
        group = self.planner.stored.get(node)
        return self.cluster_of.get(node if group is None else group)

    # -------------------------------------------------------------------------------------- growing

    def _grow(self, cluster: _Cluster) -> bool:
        """Join one more; whether there was one."""
        for other in self._neighbours(cluster):
            if self._may_join(cluster, other):
                self._join(cluster, other)
                return True
        return False

    def _neighbours(self, cluster: _Cluster) -> Iterator[_Cluster]:
        for other in sorted((*cluster.before, *cluster.after), key=self._rank):
            if other.groups:
                yield other

    def _rank(self, cluster: _Cluster) -> int:
        return max((self.position[node] for node in cluster.nodes), default=-1)

    def _may_join(self, cluster: _Cluster, other: _Cluster) -> bool:
        rows = cluster.rows
        assert rows is not None
        if other.rows not in (None, rows):
            return False
        if not all(self._is_by_rows(group, rows) for group in other.groups):
            return False
        nodes = cluster.nodes | other.nodes
        most, inputs = self.planner.limits
        read = {v for node in nodes for v in node.inputs if v.node not in nodes}
        if len(nodes) > most or len(read) > inputs:
            return False
        ordered = sorted(nodes, key=self.position.__getitem__)
        return rows.holds(ordered) and not self._is_circular(cluster, other)

    @staticmethod
    def _is_by_rows(group: Group, rows: Rows) -> bool:
        """Whether a group works on rows, or sums up the columns that they make."""
        if group.kind == "contraction":
            return False
        return group.shape in rows.shapes or rows.has_columns(group)

    @staticmethod
    def _is_circular(cluster: _Cluster, other: _Cluster) -> bool:
        """Whether something else lies on a way from one to the other."""
        both = (cluster, other)
        waiting = [c for part in both for c in part.after if c not in both]
        seen = set(waiting)
        while waiting:
            for following in waiting.pop().after:
                if following in both or len(seen) > _PATIENCE:
                    return True
                if following not in seen:
                    seen.add(following)
                    waiting.append(following)
        return False

    def _join(self, cluster: _Cluster, other: _Cluster) -> None:
        for group in other.groups:
            self.cluster_of[group] = cluster
        cluster.groups += other.groups
        for one in other.before:
            one.after.discard(other)
            one.after.add(cluster)
        for one in other.after:
            one.before.discard(other)
            one.before.add(cluster)
        cluster.before = (cluster.before | other.before) - {cluster, other}
        cluster.after = (cluster.after | other.after) - {cluster, other}

    # ----------------------------------------------------------------------------------- the result

    def _commit(self, cluster: _Cluster) -> None:
        """Make one group of a cluster."""
        first, *others = cluster.groups
        planner = self.planner
        for other in others:
            for node, index_class in other.members.items():
                first.members.setdefault(node, index_class)
            planner.groups.remove(other)
        first.kind = KIND
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
