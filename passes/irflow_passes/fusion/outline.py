"""Replacing groups of nodes by single nodes with a region."""

from __future__ import annotations

from collections.abc import Iterator

from irflow import dims
from irflow.errors import PassError
from irflow.ir.attributes import Attribute, has_symbols
from irflow.ir.graph import Graph, Node, Value
from irflow.ir.op import Op, fields_of
from irflow.ir.print import attribute_symbols
from irflow.ops.elementwise import Elementwise
from irflow.ops.regions import Fusion
from irflow_passes.fusion.group import Group
from irflow_passes.fusion.plan import Planner

Read = tuple[Node, tuple[Value, ...]]


class Unit:
    """What stands in one place of the new order: a kernel to be, or nodes left as they are.

    Attributes:
        reads: the nodes with their operands as they were before any edit, in order.
        kind: that of the fusion, None when the nodes stay.
        outputs: the values that a fusion stores.
    """

    __slots__ = ("inputs", "kind", "outputs", "reads")

    def __init__(self, nodes: list[Node], kind: str | None, outputs: list[Value]) -> None:
        self.reads: list[Read] = [(node, node.inputs) for node in nodes]
        self.kind = kind
        self.outputs = outputs
        own = set(nodes)
        self.inputs: dict[Value, None] = {
            value: None for node in nodes for value in node.inputs if value.node not in own
        }

    def undefined_size(self) -> str | None:
        """A symbolic size that a region would mention without an input that defines it."""
        known = {s for value in self.inputs for s in dims.shape_symbols(value.type.shape)}
        mentioned: dict[object, None] = {}
        for node, _ in self.reads:
            mentioned.update((output.type.shape, None) for output in node.outputs)
            if type(node.op) is not Elementwise:
                mentioned.update((value, None) for value in _symbolic_attributes(node.op))
        symbols = attribute_symbols(tuple(mentioned))
        return next((symbol.name for symbol in symbols if symbol not in known), None)

    def region(self, kind: str) -> Graph:
        """The nodes as a graph of their own."""
        graph = Graph(kind)
        mapping = {value: graph.add_input(value.type, value.hint) for value in self.inputs}
        for node, operands in self.reads:
            inputs = tuple(mapping[value] for value in operands)
            copied = graph.insert(Node(node.op, inputs, node.regions, node.location))
            mapping.update(zip(node.outputs, copied.outputs, strict=True))
        graph.set_outputs([mapping[value] for value in self.outputs])
        return graph


def _symbolic_attributes(op: Op) -> list[Attribute]:
    values = [getattr(op, name) for name in fields_of(type(op))]
    return [value for value in values if has_symbols(value)]


class Outliner:
    """Carries out a plan on its graph."""

    def __init__(self, graph: Graph, planner: Planner) -> None:
        self.graph = graph
        self.planner = planner
        self.position = {node: i for i, node in enumerate(graph)}
        self.unit_of: dict[Node, Unit] = {}
        self.units: list[tuple[int, Unit]] = []
        self.fused: list[Unit] = []
        self.replaced: dict[Value, Value] = {}
        self.moved: set[Node] = set()
        self.is_symbolic = bool(graph.symbols)

    def run(self) -> int:
        """Edit the graph; how many kernels were made."""
        for group in self.planner.groups:
            self._add_group(group)
        if not self.fused:
            return 0
        for node in self.planner.kept:
            self._add([node], None)
        for unit in self._sorted():
            if unit.kind is None:
                self._keep(unit)
            else:
                self._fuse(unit, unit.kind)
        for old, new in self.replaced.items():
            self.graph.replace_uses(old, new, lambda user: user is self.graph)
        self._erase_members()
        return len(self.fused)

    def _add_group(self, group: Group) -> None:
        nodes = sorted(group.members, key=self.position.__getitem__)
        stored = [node for node in nodes if self.planner.stored.get(node) is group]
        unit = Unit(nodes, group.kind, [node.output for node in stored])
        size = unit.undefined_size() if self.is_symbolic and len(nodes) > 1 else None
        if size is not None:
            self.planner.context.explain(nodes[-1], f"no input of the kernel has the size {size}")
        if len(nodes) == 1 or size is not None:
            self._add(nodes, None, stored)
            return
        self.fused.append(unit)
        self._enter(unit, stored)

    def _add(self, nodes: list[Node], kind: str | None, stored: list[Node] | None = None) -> None:
        self._enter(Unit(nodes, kind, []), nodes if stored is None else stored)

    def _enter(self, unit: Unit, stored: list[Node]) -> None:
        for node in stored:
            self.unit_of[node] = unit
        self.units.append((self.position[unit.reads[-1][0]], unit))

    # -------------------------------------------------------------------------------------- editing

    def _sorted(self) -> Iterator[Unit]:
        """All units, each after those that it reads, else in the order of their last nodes."""
        done: set[Unit] = set()
        waiting: set[Unit] = set()
        for _, start in sorted(self.units, key=lambda entry: entry[0]):
            stack = [start]
            while stack:
                unit = stack[-1]
                needed = [] if unit in done else [u for u in self._sources(unit) if u not in done]
                if needed:
                    if unit in waiting:
                        raise PassError("fuse: groups depend on each other in a cycle")
                    waiting.add(unit)
                    stack.extend(needed)
                    continue
                stack.pop()
                if unit not in done:
                    done.add(unit)
                    yield unit

    def _sources(self, unit: Unit) -> Iterator[Unit]:
        for value in unit.inputs:
            if value.node is not None:
                yield self.unit_of[value.node]

    def _keep(self, unit: Unit) -> None:
        for node, operands in unit.reads:
            for position, value in enumerate(operands):
                if value in self.replaced and node.inputs[position] is value:
                    self.graph.set_operand(node, position, self.replaced[value])
            if node not in self.moved:
                self.moved.add(node)
                self.graph.move(node, None)

    def _fuse(self, unit: Unit, kind: str) -> None:
        inputs = tuple(self.replaced.get(value, value) for value in unit.inputs)
        last = unit.reads[-1][0]
        made = self.graph.insert(Node(Fusion(kind), inputs, (unit.region(kind),), last.location))
        self.replaced.update(zip(unit.outputs, made.outputs, strict=True))

    def _erase_members(self) -> None:
        """Take out the nodes that live on in regions only."""
        members = {node for unit in self.fused for node, _ in unit.reads}
        for node in sorted(members, key=self.position.__getitem__, reverse=True):
            if not node.is_read:
                self.graph.erase(node)
