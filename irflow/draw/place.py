"""Coordinates: rows of boxes become places on a page.

Within a row the order stands; the x that is nearest to what all neighbours want, in the sense of
least squares, is found by pooling adjacent violators (Ayer et al. 1955). Wires between two rows run
through a strip where no box is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from irflow.draw.diagram import ENTRY, EXIT, LABEL_HEIGHT, MARGIN, Box, Diagram, Wire
from irflow.draw.layers import Place, Rows, arrange
from irflow.draw.text import small_width, title_width

ROUNDS = 10
FEW_ROUNDS = 4
MANY_PLACES = 4000
BOX_GAP = 22.0
WIRE_GAP = 12.0
STRAIGHT = 8.0
STRIP = 26.0
MOST_STRIP = 90.0
PADDING = 14.0


def place(diagram: Diagram) -> None:
    """Give every box and wire of `diagram` its place; those in regions first."""
    for box in diagram.boxes:
        if box.is_group:
            _place_insides(box)
    rows = arrange(diagram)
    _assign_columns(rows)
    _assign_lines(diagram, rows)


def _place_insides(box: Box) -> None:
    """Lay out the regions side by side and make the box as large as they need."""
    for inside in box.insides:
        place(inside)
    x, top = PADDING, box.header
    height = max(inside.height for inside in box.insides)
    for inside in box.insides:
        _stretch(inside, height)
        inside.x = x
        for inner in inside.boxes:
            inner.x += x
            inner.y += top
        _shift_wires(inside.wires, x, top)
        x += max(inside.width, small_width(inside.title)) + PADDING
    box.width = max(x, title_width(box.title) + 2 * MARGIN)
    box.height = top + height
    box.spread()
    _align_ports(box)


def _stretch(inside: Diagram, height: float) -> None:
    """Move the exits of a region down to the border."""
    down = height - inside.height
    exits = {box for box in inside.boxes if box.kind == EXIT}
    for wire in inside.wires:
        for box, port in wire.targets:
            if box in exits and down:
                wire.straights.append((box.x + box.tops[port], box.y, box.y + down))
    for box in exits:
        box.y += down


def _shift_wires(wires: Sequence[Wire], x: float, y: float) -> None:
    for wire in wires:
        wire.segments = [(a + x, b + y, c + x, d + y) for a, b, c, d in wire.segments]
        wire.straights = [(a + x, b + y, c + y) for a, b, c in wire.straights]


def _align_ports(box: Box) -> None:
    """Let the wires outside of a group with one region end where those inside begin."""
    if len(box.insides) != 1:
        return
    (inside,) = box.insides
    tops = [b.x + b.bottoms[0] for b in inside.boxes if b.kind == "entry"]
    bottoms = [b.x + b.tops[0] for b in inside.boxes if b.kind == EXIT]
    if len(tops) == box.inputs:
        box.tops = tops
    if len(bottoms) == box.outputs:
        box.bottoms = bottoms


# ---------------------------------------------------------------------------------------- columns


def _assign_columns(rows: Rows) -> None:
    for row in rows.rows:
        x = 0.0
        for position, one in enumerate(row):
            x += _gap(row[position - 1], one) if position else 0.0
            one.x = x
            x += one.width
    count = sum(map(len, rows.rows))
    for number in range(FEW_ROUNDS if count > MANY_PLACES else ROUNDS):
        for row in rows.rows[1:]:
            _settle(row, lambda one: one.up)
        for row in reversed(rows.rows[:-1]):
            _settle(row, lambda one: one.down)
        if number % 2:
            for row in rows.rows:
                _settle(row, lambda one: [*one.up, *one.down])
    for _ in range(2):
        for wire, passing in rows.of_wire.items():
            _straighten(passing, rows, wire)
    left = min((one.x for row in rows.rows for one in row), default=0.0)
    for row in rows.rows:
        for one in row:
            one.x -= left


def _gap(left: Place, right: Place) -> float:
    """How far two neighbours in a row are kept apart."""
    return BOX_GAP if left.box is not None and right.box is not None else WIRE_GAP


Links = Callable[[Place], Sequence[tuple[float, Place, float]]]


def _settle(row: Sequence[Place], links: Links) -> None:
    """Move the places of a row as near to their neighbours as their order allows."""
    offsets, offset = [], 0.0
    for position, one in enumerate(row):
        offset += row[position - 1].width + _gap(row[position - 1], one) if position else 0.0
        offsets.append(offset)
    blocks: list[tuple[float, float, int]] = []
    for one, offset in zip(row, offsets, strict=True):
        x, weight = _wanted(one, links(one))
        block = (x - offset, weight, 1)
        while blocks and blocks[-1][0] > block[0]:
            block = _pooled(blocks.pop(), block)
        blocks.append(block)
    starts = [x for x, _, count in blocks for _ in range(count)]
    for one, start, offset in zip(row, starts, offsets, strict=True):
        one.x = start + offset


def _pooled(a: tuple[float, float, int], b: tuple[float, float, int]) -> tuple[float, float, int]:
    weight = a[1] + b[1]
    return (a[0] * a[1] + b[0] * b[1]) / weight, weight, a[2] + b[2]


def _wanted(one: Place, links: Sequence[tuple[float, Place, float]]) -> tuple[float, float]:
    """Where a place would like to be, and how much it insists."""
    if not links:
        return one.x, 0.01
    total = weights = 0.0
    for own, other, offset in links:
        weight = STRAIGHT if one.box is None and other.box is None else 1.0
        total += weight * (other.x + offset - own)
        weights += weight
    return total / weights, weights


def _straighten(passing: Sequence[Place], rows: Rows, wire: Wire) -> None:
    """Put runs of places of a wire on one line, as long as there is room beside their rows."""
    start = 0
    while start < len(passing):
        low, high, end = -1e18, 1e18, start
        while end < len(passing):
            lower, upper = _room(passing[end], rows.rows[passing[end].row])
            if max(low, lower) > min(high, upper):
                break
            low, high, end = max(low, lower), min(high, upper), end + 1
        if end == start:
            start += 1
            continue
        mean = sum(one.x for one in passing[start:end]) / (end - start)
        wanted = _port_x(rows, wire) if start == 0 else mean
        x = min(max(wanted if low <= wanted <= high else mean, low), high)
        for one in passing[start:end]:
            one.x = x
        start = end


def _port_x(rows: Rows, wire: Wire) -> float:
    return rows.of_box[wire.source].x + wire.source.bottoms[wire.port] - 1.0


def _room(one: Place, row: Sequence[Place]) -> tuple[float, float]:
    """Between which x a place may move without touching its neighbours."""
    low, high = -1e17, 1e17
    if one.order:
        left = row[one.order - 1]
        low = left.x + left.width + _gap(left, one)
    if one.order + 1 < len(row):
        right = row[one.order + 1]
        high = right.x - one.width - _gap(one, right)
    return (low, high) if low <= high else (one.x, one.x)


# ------------------------------------------------------------------------------------------ lines


def _assign_lines(diagram: Diagram, rows: Rows) -> None:
    """Heights of rows and of the strips between them, then boxes and wires."""
    tops, bottoms, y = [], [], 0.0
    for row in rows.rows:
        height = max((one.box.height for one in row if one.box is not None), default=0.0)
        has_labels = any(one.box is not None and one.box.outputs for one in row)
        tops.append(y)
        bottoms.append(y + height + (LABEL_HEIGHT if has_labels else 0.0))
        y = bottoms[-1] + _strip(row)
    for number, row in enumerate(rows.rows):
        lowest = max((one.box.height for one in row if one.box is not None), default=0.0)
        for one in row:
            if one.box is not None:  # what reads nothing stands close to its readers
                is_high = one.box.inputs or one.box.kind == ENTRY
                down = 0.0 if is_high else lowest - one.box.height
                one.box.x, one.box.y = one.x, tops[number] + down
    for wire in diagram.wires:
        _route(wire, rows, tops, bottoms)
    diagram.width = max((one.x + one.width for row in rows.rows for one in row), default=0.0)
    diagram.height = max((box.y + box.height for box in diagram.boxes), default=0.0)


def _strip(row: Sequence[Place]) -> float:
    """The height of the strip below a row: more where wires go far sideways."""
    reaches = [abs(other.x + there - one.x - own) for one in row for own, other, there in one.down]
    return min(STRIP + 0.12 * max(reaches, default=0.0), MOST_STRIP) if reaches else STRIP


def _route(wire: Wire, rows: Rows, tops: Sequence[float], bottoms: Sequence[float]) -> None:
    """Curves through the strips, straight lines through the rows."""
    source = rows.of_box[wire.source]
    x = source.x + wire.source.bottoms[wire.port]
    trunk = [x, *(one.x + 1.0 for one in rows.of_wire[wire])]
    wire.straights.append((x, wire.source.y + wire.source.height, bottoms[source.row]))
    for step, (above, below) in enumerate(pairwise(trunk), start=source.row):
        wire.segments.append((above, bottoms[step], below, tops[step + 1]))
        wire.straights.append((below, tops[step + 1], bottoms[step + 1]))
    for box, port in wire.targets:
        row = rows.of_box[box].row
        end = box.x + box.tops[port]
        wire.segments.append((trunk[row - source.row - 1], bottoms[row - 1], end, tops[row]))
