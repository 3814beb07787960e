"""From a graph to boxes and wires, folded as far as asked."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field

from irflow.dims import Size
from irflow.draw.diagram import ENTRY, EXIT, Box, Diagram, Wire
from irflow.draw.fold import CLOSED, MOVES, Cluster, clusters_of, merged_lines
from irflow.draw.text import shorten
from irflow.ir.graph import Graph, Node, Value
from irflow.ir.op import Lowering
from irflow.ir.print import format_attribute, format_op, op_fields
from irflow.ir.types import TensorType
from irflow.records import dataclass
from irflow.scalars import Scalar

MOST_CHARACTERS = 34
MOST_ATTRIBUTES = 46
MOST_LINES = 6
MOST_DETAILS = 24


@dataclass(frozen=True, slots=True)
class Folding:
    """How far to fold, see `fold`, and how many boxes there may be."""

    level: int
    most: int


def outline(graph: Graph, folding: Folding, title: str = "", is_region: bool = False) -> Diagram:
    """The diagram of `graph`, whose boxes are measured but have no places yet."""
    return _Outline(graph, folding, title, is_region).run()


@dataclass(slots=True)
class _Outline:
    graph: Graph
    folding: Folding
    title: str
    is_region: bool
    boxes: list[Box] = field(default_factory=list)
    wires: dict[Value, Wire] = field(default_factory=dict)
    texts: Mapping[Value, str] = field(default_factory=dict)

    def run(self) -> Diagram:
        clusters, self.texts = clusters_of(self.graph, self.folding.level, self.folding.most)
        for value in self.graph.inputs:
            self.start(self.added(self.input_box(value)), [value])
        for cluster in clusters:
            self.cluster(cluster)
        for position, value in enumerate(self.graph.outputs):
            self.end(self.added(self.output_box(position, value)), [value])
        for box in self.boxes:
            if not box.is_group:
                box.measure()
        wires = [wire for wire in self.wires.values() if wire.targets]
        return Diagram(self.title, self.boxes, wires)

    def added(self, box: Box) -> Box:
        self.boxes.append(box)
        return box

    # ------------------------------------------------------------------------------------- wires

    def start(self, box: Box, values: Sequence[Value]) -> None:
        """Let the wires of `values` begin at a box."""
        box.outputs = len(values)
        for port, value in enumerate(values):
            label = size_text(value.type)
            self.wires[value] = Wire(box, port, label, str(value.type), thickness(value.type))
        box.labels = [size_text(value.type) for value in values]

    def end(self, box: Box, values: Iterable[Value]) -> None:
        """Let the wires of `values` end at a box."""
        for value in values:
            if value in self.wires:
                self.wires[value].targets.append((box, box.inputs))
                box.inputs += 1

    def cluster(self, cluster: Cluster) -> None:
        """The box of a cluster, between what it reads and what others read of it."""
        node = cluster[0]
        if len(cluster) == 1 and node.regions and self.folding.level < CLOSED:
            box = self.added(self.group_box(node))
            self.end(box, node.inputs)
            self.start(box, node.outputs)
            return
        members = set(cluster)
        read = [v for node in cluster for v in node.inputs if v.node not in members]
        made = [o for node in cluster for o in node.outputs if self.leaves(o, members)]
        box = self.added(self.cluster_box(cluster, made))
        self.end(box, dict.fromkeys(read))
        self.start(box, made)

    @staticmethod
    def leaves(value: Value, members: set[Node]) -> bool:
        return value.is_output or any(user not in members for user in value.users)

    # ------------------------------------------------------------------------------------- boxes

    def input_box(self, value: Value) -> Box:
        role = self.graph.signature.inputs[value.index]
        name = role.name or value.hint or f"input {value.index}"
        if self.is_region:
            return Box(ENTRY, "", details=f"{value.hint or 'operand'}: {value.type}")
        lines = (f"{role.kind} {value.type}",)
        details = f"%{value.hint or value.index}: {value.type}, {role.kind} {role.name}".rstrip()
        return Box(role.kind, shorten(name, MOST_CHARACTERS), lines, details)

    def output_box(self, position: int, value: Value) -> Box:
        role = self.graph.signature.outputs[position]
        if self.is_region:
            details = f"result {position}: {value.type}"
            return Box(EXIT, "", details=details, labels=[size_text(value.type)])
        name = role.name or f"{role.kind} {position}"
        lines = (f"{role.kind} {value.type}",)
        details = f"output {position}: {value.type}, {role.kind} {role.name}".rstrip()
        return Box(role.kind, shorten(name, MOST_CHARACTERS), lines, details)

    def cluster_box(self, cluster: Cluster, made: Sequence[Value]) -> Box:
        others = [node for node in cluster if node.op.name not in MOVES]
        if len(cluster) == 1 or len(others) == 1:
            return self.node_box(others[0] if others else cluster[-1], cluster, made)
        places = list(dict.fromkeys(str(n.location) for n in cluster if n.location is not None))
        texts = merged_lines(cluster, lambda n: shorten(node_title(n, self.texts), MOST_CHARACTERS))
        if len(texts) > MOST_LINES:
            texts = [*texts[: MOST_LINES - 1], f"… {len(texts) - MOST_LINES + 1} other kinds"]
        where = places[0] if places else "several operations"
        more = f" … {len(places)} lines" if len(places) > 1 else ""
        lines = (f"{len(cluster)} operations:", *texts, *result_lines(made))
        title = shorten(where, MOST_CHARACTERS) + more
        return Box("folded", title, lines, cluster_details(cluster))

    def node_box(self, node: Node, cluster: Cluster, made: Sequence[Value]) -> Box:
        """The box of one node, maybe with moves of elements around it."""
        moves = merged_lines([n for n in cluster if n is not node], lambda n: n.op.name)
        attributes = attribute_text(node)
        beside = [shorten(f"with {', '.join(moves)}", MOST_ATTRIBUTES)] if moves else []
        inside = region_lines(node)
        types = result_lines(made or node.outputs)
        lines = [*([attributes] if attributes else []), *beside, *inside, *types]
        title = shorten(node_title(node, self.texts), MOST_CHARACTERS)
        is_contraction = node.op.lowering is Lowering.CONTRACTION
        kind = "folded" if node.regions else "contraction" if is_contraction else "op"
        details = node_details(node) if len(cluster) == 1 else cluster_details(cluster)
        return Box(kind, title, tuple(lines), details)

    def group_box(self, node: Node) -> Box:
        """A box around the regions of a node."""
        names = region_names(node)
        insides = tuple(
            outline(region, self.folding, name, is_region=True)
            for region, name in zip(node.regions, names, strict=True)
        )
        return Box("group", group_title(node), (), node_details(node), insides=insides)


# ------------------------------------------------------------------------------------------ texts


def node_title(node: Node, texts: Mapping[Value, str]) -> str:
    """What a box calls a node: the op, its scalar function, and operands that are literals.

    Example:
        `divide(·, 0.8)` for a division by a constant.
    """
    words = [v.name for v in _attributes(node).values() if isinstance(v, Scalar)]
    words += [v for v in _attributes(node).values() if isinstance(v, str)]
    name = " ".join(words if node.op.name == "elementwise" else [node.op.name, *words])
    if not any(value in texts for value in node.inputs):
        return name
    return f"{name}({', '.join(texts.get(value, '·') for value in node.inputs)})"


def attribute_text(node: Node) -> str:
    """The attributes that neither the title nor the type of the result shows."""
    output = node.outputs[0].type if node.outputs else None
    parts = []
    for name, value in _attributes(node).items():
        is_shown = isinstance(value, Scalar | str) or (
            output is not None and value in (output.shape, output.dtype)
        )
        if not is_shown:
            text = format_attribute(value)
            parts.append(text if name == "value" else f"{name}={text}")
    return shorten(", ".join(parts), MOST_ATTRIBUTES)


def _attributes(node: Node) -> dict[str, object]:
    return {name: getattr(node.op, name) for name in op_fields(node.op)}


def result_lines(values: Sequence[Value]) -> list[str]:
    """The types of values, each once with how often it occurs."""
    counts: dict[str, int] = {}
    for value in values:
        counts[str(value.type)] = counts.get(str(value.type), 0) + 1
    texts = [f"{times} × {text}" if times > 1 else text for text, times in counts.items()]
    if len(texts) > MOST_LINES:
        texts = [*texts[: MOST_LINES - 1], f"… {len(texts) - MOST_LINES + 1} other types"]
    return [shorten(text, MOST_CHARACTERS) for text in texts]


def group_title(node: Node) -> str:
    """What a group is called: `fusion reduce · model.py:14`."""
    place = f" · {node.location}" if node.location is not None else ""
    return shorten(node_title(node, {}) + place, MOST_CHARACTERS + 12)


def region_names(node: Node) -> list[str]:
    """What each region of a node is called; nothing when there is only one."""
    if len(node.regions) == 1:
        return [""]
    return [
        shorten(f"{number}: {region.name}", MOST_CHARACTERS)
        if region.name != "graph"
        else f"region {number}"
        for number, region in enumerate(node.regions)
    ]


def region_lines(node: Node) -> list[str]:
    """The operations in closed regions, equal ones once with how often they occur."""
    inner = [one for region in node.regions for one in region if one.op.name != "constant"]
    texts = merged_lines(inner, lambda one: shorten(node_title(one, {}), MOST_CHARACTERS))
    if len(texts) > MOST_LINES:
        texts = [*texts[: MOST_LINES - 1], f"… {len(texts) - MOST_LINES + 1} other kinds"]
    place = [str(node.location)] if node.regions and node.location is not None else []
    return [*place, *texts]


def node_details(node: Node) -> str:
    """The equation of a node and the user's line, for tooltips."""
    types = ", ".join(str(output.type) for output in node.outputs)
    lines = [f"{shorten(format_op(node.op), 120)} : {types}"]
    lines += [f"operand {i}: {value.type}" for i, value in enumerate(node.inputs)]
    if node.location is not None:
        lines.append(node.location.describe())
    return "\n".join(lines)


def cluster_details(cluster: Cluster) -> str:
    """The equations of a cluster and the user's lines, for tooltips."""
    lines = [f"{shorten(format_op(n.op), 80)} : {n.outputs[0].type}" for n in cluster if n.outputs]
    if len(lines) > MOST_DETAILS:
        lines = [*lines[: MOST_DETAILS - 1], f"… {len(lines) - MOST_DETAILS + 1} more"]
    places = dict.fromkeys(n.location.describe() for n in cluster if n.location is not None)
    return "\n".join([*lines, *list(places)[:8]])


def size_text(type: TensorType) -> str:
    """Sizes as wires show them: `32×784`, or `scalar`."""
    return shorten("×".join(map(_size, type.shape)) or "scalar", 24)


def _size(size: Size) -> str:
    text = str(size)
    return f"({text})" if " " in text else text


def thickness(type: TensorType) -> float:
    """The width of a wire in pixels: it grows with the number of elements, slowly."""
    if not isinstance(type.size, int):
        return 1.8
    return round(1.1 + 0.2 * min(math.log10(max(type.size, 1)), 7.0), 1)
