"""Rows of boxes: which row each box stands in, and its place within the row.

Every wire leads downwards. Where it passes a row it has a place there too, so it never runs through
a box; all branches of a wire share these places. Rows come from the topological generations of the
graph of boxes; the order within them from repeated sorting by the barycentres of neighbours
(Sugiyama, Tagawa and Toda 1981), keeping the order with the fewest crossings.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Sequence
from dataclasses import field
from itertools import pairwise

from irflow.draw.diagram import ENTRY, EXIT, REFERENCE, ROLES, Box, Diagram, Wire
from irflow.records import dataclass

SWEEPS = 12
FEW_SWEEPS = 4
MANY_PLACES = 4000
LONG_INPUT = 5
"""Inputs whose readers are further apart, in rows, get several boxes."""

LONG_WIRE = 20
"""Wires over more rows are cut: their end is at a box that names their beginning."""


@dataclass(eq=False, slots=True)
class Place:
    """A box in its row, or where a wire passes the row.

    Attributes:
        box: None where a wire passes.
        row: the number of the row.
        up, down: the neighbours in the rows above and below with the offsets of the ports there:
            (own offset, neighbour, its offset).
    """

    box: Box | None
    row: int
    order: int = 0
    x: float = 0.0
    up: list[tuple[float, Place, float]] = field(default_factory=list)
    down: list[tuple[float, Place, float]] = field(default_factory=list)

    @property
    def width(self) -> float:
        return self.box.width if self.box is not None else 2.0


@dataclass(slots=True)
class Rows:
    """All places by row and order, and those of each wire."""

    rows: list[list[Place]]
    of_box: dict[Box, Place]
    of_wire: dict[Wire, list[Place]]


def arrange(diagram: Diagram) -> Rows:
    """Rows and orders for the boxes of `diagram`; long wires are cut."""
    levels = _levels(diagram)
    _cut_wires(diagram, levels)
    rows = _places(diagram, levels)
    _reduce_crossings(rows.rows)
    return rows


# ------------------------------------------------------------------------------------------- rows


def _levels(diagram: Diagram) -> dict[Box, int]:
    import networkx

    graph = networkx.DiGraph()
    graph.add_nodes_from(diagram.boxes)
    for wire in diagram.wires:
        graph.add_edges_from((wire.source, box) for box, _ in wire.targets)
    levels: dict[Box, int] = {}
    ordered: list[Box] = []
    for level, generation in enumerate(networkx.topological_generations(graph)):
        levels.update(dict.fromkeys(generation, level))
        ordered.extend(generation)
    _pull_down(diagram, levels, ordered)
    _pin_ports(levels)
    return levels


def _pull_down(diagram: Diagram, levels: dict[Box, int], ordered: Sequence[Box]) -> None:
    """Move boxes towards their readers where that makes more wires shorter than longer."""
    wires_of: dict[Box, list[Wire]] = {box: [] for box in ordered}
    for wire in diagram.wires:
        wires_of[wire.source].append(wire)
    held = _held(wires_of, ordered)
    for box in reversed(ordered):
        readers = [levels[target] for wire in wires_of[box] for target, _ in wire.targets]
        if readers and held[box] < len(wires_of[box]) and box.kind != ENTRY:
            levels[box] = min(readers) - 1


def _held(wires_of: dict[Box, list[Wire]], ordered: Sequence[Box]) -> dict[Box, int]:
    """For each box, how many of its wires get longer when it moves down.

    Those from inputs do not, as these follow, nor those from what only depends on inputs and is
    read here only.
    """
    held = dict.fromkeys(ordered, 0)
    for box in ordered:
        readers = {target for wire in wires_of[box] for target, _ in wire.targets}
        follows = box.kind in ROLES or (not held[box] and len(readers) == 1 and box.kind != ENTRY)
        if not follows:
            for wire in wires_of[box]:
                for target, _ in wire.targets:
                    held[target] += 1
    return held


def _pin_ports(levels: dict[Box, int]) -> None:
    """Entries of a region stand in the first row, its exits in the last, alone."""
    kinds = {box.kind for box in levels}
    inner = [box for box in levels if box.kind not in (ENTRY, EXIT)]
    if ENTRY in kinds and any(levels[box] == 0 for box in inner):
        for box in inner:
            levels[box] += 1
    last = max((levels[box] for box in inner), default=0) + 1
    for box in levels:
        if box.kind == ENTRY:
            levels[box] = 0
        if box.kind == EXIT:
            levels[box] = last
    lowest = min(levels.values(), default=0)
    for box in levels:
        levels[box] -= lowest


def _cut_wires(diagram: Diagram, levels: dict[Box, int]) -> None:
    """Let readers that are far from a value read a box that stands for it, close to them."""
    for wire in list(diagram.wires):
        if wire.source.kind == ENTRY:
            continue
        is_input = wire.source.kind in ROLES
        near, *far = _groups(wire, levels, LONG_INPUT if is_input else LONG_WIRE)
        if not is_input and levels[near[0][0]] - levels[wire.source] > LONG_WIRE:
            near, far = [], [near, *far]
        wire.targets = near
        for targets in far:
            _repeat(diagram, levels, wire, targets)
    diagram.wires = [wire for wire in diagram.wires if wire.targets]


def _groups(wire: Wire, levels: dict[Box, int], reach: int) -> list[list[tuple[Box, int]]]:
    """The readers of a wire, from top to bottom, such that those in a group are close together."""
    first = levels[wire.source] if wire.source.kind not in ROLES else None
    groups: list[list[tuple[Box, int]]] = []
    for target in sorted(wire.targets, key=lambda target: levels[target[0]]):
        if groups and first is not None and levels[target[0]] - first <= reach:
            groups[-1].append(target)
        else:
            groups.append([target])
            first = levels[target[0]] if first is None or len(groups) > 1 else first
    return groups


def _repeat(
    diagram: Diagram, levels: dict[Box, int], wire: Wire, targets: list[tuple[Box, int]]
) -> None:
    box = wire.source
    is_input = box.kind in ROLES
    kind, lines = (box.kind, box.lines) if is_input else (REFERENCE, ("from above", wire.details))
    again = Box(kind, box.title, lines, box.details, 0, 1, [wire.label], origin=box)
    again.measure()
    levels[again] = min(levels[target] for target, _ in targets) - 1
    diagram.boxes.append(again)
    diagram.wires.append(Wire(again, 0, wire.label, wire.details, wire.weight, targets))


def _places(diagram: Diagram, levels: dict[Box, int]) -> Rows:
    """A place for every box, and for every wire in each row that it passes."""
    rows: list[list[Place]] = [[] for _ in range(max(levels.values(), default=0) + 1)]
    of_box: dict[Box, Place] = {}
    for box in diagram.boxes:
        of_box[box] = _append(rows, Place(box, levels[box]))
    of_wire: dict[Wire, list[Place]] = {}
    for wire in diagram.wires:
        last = max(levels[target] for target, _ in wire.targets)
        passing = [Place(None, row) for row in range(levels[wire.source] + 1, last)]
        of_wire[wire] = [_append(rows, place) for place in passing]
        _link(wire, of_box, of_wire[wire])
    return Rows(rows, of_box, of_wire)


def _append(rows: list[list[Place]], place: Place) -> Place:
    place.order = len(rows[place.row])
    rows[place.row].append(place)
    return place


def _link(wire: Wire, of_box: dict[Box, Place], passing: Sequence[Place]) -> None:
    """Enter the neighbours along a wire."""
    source = of_box[wire.source]
    trunk = [(source, wire.source.bottoms[wire.port]), *((place, 1.0) for place in passing)]
    for (above, offset), (below, inner) in pairwise(trunk):
        join(above, offset, below, inner)
    for box, port in wire.targets:
        below = of_box[box]
        above, offset = trunk[below.row - source.row - 1]
        join(above, offset, below, box.tops[port])


def join(above: Place, offset: float, below: Place, inner: float) -> None:
    """Make two places neighbours, connected at these offsets."""
    above.down.append((offset, below, inner))
    below.up.append((inner, above, offset))


# ------------------------------------------------------------------------------------------ order


def _reduce_crossings(rows: list[list[Place]]) -> None:
    """Sort rows by barycentres, downwards and upwards in turn; keep the best order found."""
    count = sum(map(len, rows))
    best, kept = _crossings(rows), [list(row) for row in rows]
    idle = 0
    for sweep in range(FEW_SWEEPS if count > MANY_PLACES else SWEEPS):
        is_down = sweep % 2 == 0
        for row in rows[1:] if is_down else reversed(rows[:-1]):
            _sort(row, is_down)
        found = _crossings(rows)
        idle = 0 if found < best else idle + 1
        if found < best:
            best, kept = found, [list(row) for row in rows]
        if not best or idle >= 4:
            break
    for row, order in zip(rows, kept, strict=True):
        row[:] = order
        _number(row)


def _sort(row: list[Place], is_down: bool) -> None:
    """Sort by the mean place of the neighbours above or below; places without any keep theirs."""
    wanted: dict[Place, float] = {}
    for place in row:
        links = place.up if is_down else place.down
        wanted[place] = _barycentre(links) if links else place.order + 0.5
    row.sort(key=lambda place: (wanted[place], place.order))
    _number(row)


def _barycentre(links: Iterable[tuple[float, Place, float]]) -> float:
    """The mean order of neighbours, told apart by where on them the wires end."""
    sums = [
        other.order + (offset / other.width if other.width else 0.0) for _, other, offset in links
    ]
    return sum(sums) / len(sums)


def _number(row: list[Place]) -> None:
    for order, place in enumerate(row):
        place.order = order


def _crossings(rows: list[list[Place]]) -> int:
    """How many pairs of wires cross between neighbouring rows."""
    total = 0
    for row in rows:
        ends = [
            (place.order + offset / place.width, below.order + inner / below.width)
            for place in row
            for offset, below, inner in place.down
        ]
        ends.sort()
        seen: list[float] = []
        for _, lower in ends:
            total += len(seen) - bisect_right(seen, lower)
            insort(seen, lower)
    return total
