"""What kernels that work row by row do in which pass over a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from irflow.dims import Size
from irflow.ir.graph import Node, Value
from irflow.lowering import schedule
from irflow.lowering.group import Group
from irflow.ops import Elementwise, Reduce
from irflow.records import dataclass


@dataclass(frozen=True, slots=True)
class RowPlan:
    """What happens in which pass.

    Attributes:
        shape: of whole tensors, `[*rows, length]`.
        stages: for each node the pass behind which, or in which, it can be computed.
        reductions: those of each pass along the row.
        columns: those of each pass down the columns.
        outputs: the whole tensors that each pass stores, by position; the last one has no
            reductions.
        kept: what each pass leaves in buffers for later ones.
        behind: the nodes of `columns`, and what is computed from them.
    """

    shape: tuple[Size, ...]
    stages: dict[Node, int]
    reductions: list[list[Node]]
    columns: list[list[Node]]
    outputs: list[list[int]]
    kept: list[list[Value]]
    behind: frozenset[Node]

    @classmethod
    def of(cls, group: Group) -> RowPlan | None:
        """The plan of a group, None if it is of another kind."""
        heavy = group.heavy()
        shapes = {node.inputs[0].type.shape for node in heavy}
        if len(shapes) != 1 or not all(isinstance(node.op, Reduce) for node in heavy):
            return None
        (shape,) = shapes
        along = [node for node in heavy if _axes(node) == (len(shape) - 1,)]
        down = [node for node in heavy if _axes(node) == tuple(range(len(shape) - 1))]
        if len(shape) < 2 or not along or len(along) + len(down) < len(heavy):
            return None
        behind = _behind(group, down)
        allowed = (shape, shape[:-1], (*shape[:-1], 1))
        for value in group.outputs:
            fits = (
                value.type.shape == shape[-1:]
                if value.node in behind
                else (value.type.shape in allowed)
            )
            if not fits:
                return None
        stages = _stages(group)
        passes = range(max(stages[node] for node in along) + 1)
        reductions = [[node for node in along if stages[node] == i + 1] for i in passes]
        columns = [[node for node in down if stages[node] == i + 1] for i in passes]
        outputs: list[list[int]] = [[] for _ in passes]
        for position, value in enumerate(group.outputs):
            if value.type.shape == shape:
                outputs[stages.get(value.node, 0) if value.node else 0].append(position)
        made = cls(shape, stages, reductions, columns, outputs, [], behind)
        return replace(made, kept=made.kept_values(group))

    def roots(self, group: Group, number: int) -> list[Value]:
        """The whole tensors that a pass needs at the end."""
        nodes = (*self.reductions[number], *self.columns[number])
        stored = [group.outputs[i] for i in self.outputs[number]]
        return [node.inputs[0] for node in nodes] + stored

    def kept_values(self, group: Group) -> list[list[Value]]:
        """For each pass, what it computes at some cost and a later one needs again."""
        kept: list[list[Value]] = [[] for _ in self.reductions]
        if not schedule.fits_row(self.shape[-1]):
            return kept
        own = set(group.nodes)
        passes = range(len(self.reductions))
        needed = [whole_tensors(self.roots(group, i), own, self.shape) for i in passes]
        done: set[Node] = set()
        for number, members in enumerate(needed):
            later = {node for following in needed[number + 1 :] for node in following}
            for node in members:
                if node in later and node not in done and _is_costly(node):
                    kept[number].append(node.output)
            done.update(members)
        return kept


def _axes(node: Node) -> tuple[int, ...]:
    return node.op.axes if isinstance(node.op, Reduce) else ()


def _behind(group: Group, down: Sequence[Node]) -> frozenset[Node]:
    """The reductions down the columns, and all that is computed from them."""
    found = set(down)
    for node in group.nodes:
        if any(value.node in found for value in node.inputs):
            found.add(node)
    return frozenset(found)


def _stages(group: Group) -> dict[Node, int]:
    """How many reductions in a row lead to each node, itself included."""
    stages: dict[Node, int] = {}
    for node in group.nodes:
        before = max((stages.get(v.node, 0) for v in node.inputs if v.node), default=0)
        stages[node] = before + isinstance(node.op, Reduce)
    return stages


def whole_tensors(
    roots: Sequence[Value], own: set[Node], shape: tuple[Size, ...]
) -> dict[Node, None]:
    """The nodes with whole tensors that lead to some values without a reduction between."""
    found: dict[Node, None] = {}
    waiting = list(roots)
    while waiting:
        node = waiting.pop().node
        if node is None or node not in own or node in found or isinstance(node.op, Reduce):
            continue
        if node.output.type.shape == shape:
            found[node] = None
            waiting += node.inputs
    return found


def _is_costly(node: Node) -> bool:
    return isinstance(node.op, Elementwise) and node.op.row.flops > schedule.KEPT_FLOPS
