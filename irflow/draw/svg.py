"""Drawings as SVG: deterministic text without scripts or anything from outside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field
from importlib import resources
from xml.sax.saxutils import escape, quoteattr

from irflow.draw.diagram import (
    ENTRY,
    EXIT,
    LABEL_GAP,
    LINE,
    MARGIN,
    REFERENCE,
    ROLES,
    Box,
    Diagram,
    Wire,
)
from irflow.draw.text import MONO, SANS, SMALL_SIZE, small_width, title_width
from irflow.records import dataclass

BORDER = 24.0
HEADING = 30.0
LEGEND_LINE = 30.0
MEANINGS = {
    "op": "operation",
    "contraction": "matrix product, convolution",
    "folded": "several operations",
    "group": "an operation with regions",
    "reference": "a value from further up",
    "again": "an input, once more",
}
"""What the legend calls kinds of boxes that are no roles."""


def render(diagram: Diagram) -> str:
    """The text of an SVG file of a diagram whose boxes have places."""
    legend = list(_legend(diagram))
    least = max(title_width(diagram.title) * 17 / 13, _legend_width(legend), 200.0)
    width = max(diagram.width, least) + 2 * BORDER
    top = BORDER + HEADING + LEGEND_LINE
    height = top + diagram.height + BORDER
    drawing = _Drawing()
    drawing.diagram(diagram, (width - diagram.width) / 2, top)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="graph" width="{_number(width)}" '
        f'height="{_number(height)}" viewBox="0 0 {_number(width)} {_number(height)}" '
        f'preserveAspectRatio="xMidYMin meet" role="img" aria-label={quoteattr(diagram.title)}>',
        f"<style>\n{style()}</style>",
        f'<rect class="paper" width="{_number(width)}" height="{_number(height)}" fill="#ffffff"/>',
        _text("heading", width / 2, BORDER + 14, diagram.title, "middle"),
        *_draw_legend(legend, (width - _legend_width(legend)) / 2),
        *drawing.lines,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def style() -> str:
    """The style sheet of drawings."""
    return _resource("style.css").replace("SANS", SANS).replace("MONO", MONO)


def _resource(name: str) -> str:
    return resources.files("irflow.draw").joinpath(name).read_text("utf-8")


@dataclass(slots=True)
class _Drawing:
    """Collects elements; boxes and wires are numbered, so that a page can find neighbours."""

    lines: list[str] = field(default_factory=list)
    numbers: dict[Box, int] = field(default_factory=dict)

    def diagram(self, diagram: Diagram, x: float, y: float, depth: int = 0) -> None:
        """A diagram with its corner at a point: wires behind boxes."""
        self.lines.append(f'<g transform="translate({_number(x)} {_number(y)})">')
        self.content(diagram, depth)
        self.lines.append("</g>")

    def content(self, diagram: Diagram, depth: int) -> None:
        for box in diagram.boxes:
            self.numbers[box] = len(self.numbers)
        for wire in diagram.wires:
            self.wire(wire)
        for box in diagram.boxes:
            self.box(box, depth)
        for wire in diagram.wires:
            self.label(wire)

    def wire(self, wire: Wire) -> None:
        readers = " ".join(str(self.numbers[box]) for box, _ in wire.targets)
        ends = [(box.x + box.tops[port], box.y) for box, port in wire.targets]
        self.lines.append(
            f'<g class="net" data-from="{self.numbers[wire.source]}" data-to="{readers}">'
            f"<title>{escape(wire.details)}</title>"
            f'<path class="wire" stroke-width="{wire.weight}" d="{"".join(_path(wire))}"/>'
            f'<path class="arrow" d="{"".join(_arrow(*end) for end in ends)}"/></g>'
        )

    def label(self, wire: Wire) -> None:
        x = wire.source.x + wire.source.bottoms[wire.port] + LABEL_GAP
        y = wire.source.y + wire.source.height + SMALL_SIZE + 1
        self.lines.append(_text("label", x, y, wire.label))

    def box(self, box: Box, depth: int) -> None:
        classes = " ".join(_classes(box, depth))
        origin = f' data-origin="{self.numbers[box.origin]}"' if box.origin is not None else ""
        self.lines.append(f'<g class="node {classes}" data-id="{self.numbers[box]}"{origin}>')
        self.lines.append(f"<title>{escape(box.details)}</title>")
        if box.kind in (ENTRY, EXIT):
            x = box.x + LABEL_GAP
            y = box.y if box.kind == ENTRY else box.y + box.height
            self.lines.append(f'<circle class="port" cx="{_number(x)}" cy="{_number(y)}" r="3"/>')
        elif box.is_group:
            self.group(box, depth)
        else:
            self.plain(box)
        self.lines.append("</g>")

    def plain(self, box: Box) -> None:
        radius = box.height / 2 if box.kind in (*ROLES, REFERENCE) else 5.0
        self.lines.append(_rectangle(box, min(radius, 16.0)))
        center = box.x + box.width / 2
        self.lines.append(_text("title", center, box.y + box.baseline, box.title, "middle"))
        for number, line in enumerate(box.lines):
            y = box.y + box.second_line + number * LINE
            self.lines.append(_text("small", center, y, line, "middle"))

    def group(self, box: Box, depth: int) -> None:
        self.lines.append(_rectangle(box, 8.0))
        self.lines.append(_text("title", box.x + MARGIN, box.y + 17, box.title))
        for inside in box.insides:
            if inside.title:
                x, y = box.x + inside.x, box.y + box.header - 6
                self.lines.append(_text("small", x, y, inside.title))
        self.lines.append(f'<g transform="translate({_number(box.x)} {_number(box.y)})">')
        for inside in box.insides:
            self.content(inside, depth + 1)
        self.lines.append("</g>")


def _classes(box: Box, depth: int) -> Iterator[str]:
    yield box.kind
    if box.origin is not None and box.kind in ROLES:
        yield "again"
    if box.is_group and depth % 2:
        yield "deep"


def _path(wire: Wire) -> Iterator[str]:
    """Straight lines through rows, curves with vertical ends through the strips between them."""
    for x, y, end in wire.straights:
        if end > y:
            yield f"M{_number(x)} {_number(y)}V{_number(end)}"
    for x, y, x2, y2 in wire.segments:
        yield f"M{_number(x)} {_number(y)}"
        if abs(x - x2) < 0.5:
            yield f"L{_number(x2)} {_number(y2)}"
        else:
            bend = (y2 - y) * 0.55
            yield (
                f"C{_number(x)} {_number(y + bend)} {_number(x2)} {_number(y2 - bend)} "
                f"{_number(x2)} {_number(y2)}"
            )


def _arrow(x: float, y: float) -> str:
    left, right, back = _number(x - 3.5), _number(x + 3.5), _number(y - 7)
    return f"M{left} {back}L{_number(x)} {_number(y)}L{right} {back}z"


def _rectangle(box: Box, radius: float) -> str:
    return (
        f'<rect class="box" x="{_number(box.x)}" y="{_number(box.y)}" '
        f'width="{_number(box.width)}" height="{_number(box.height)}" rx="{_number(radius)}"/>'
    )


def _text(kind: str, x: float, y: float, text: str, anchor: str = "") -> str:
    place = f' text-anchor="{anchor}"' if anchor else ""
    return f'<text class="{kind}" x="{_number(x)}" y="{_number(y)}"{place}>{escape(text)}</text>'


def _number(value: float) -> str:
    """A coordinate with one decimal, none where it is whole."""
    return f"{value:.1f}".removesuffix(".0")


# ----------------------------------------------------------------------------------------- legend


def _legend(diagram: Diagram) -> Iterator[tuple[str, str]]:
    """The kinds of boxes that occur, with what they mean."""
    found = {kind for box in _every_box(diagram) for kind in _classes(box, 0)}
    for role in ROLES:
        if role in found:
            yield role, role
    for kind, meaning in MEANINGS.items():
        if kind in found:
            yield kind, meaning


def _every_box(diagram: Diagram) -> Iterator[Box]:
    for box in diagram.boxes:
        yield box
        for inside in box.insides:
            yield from _every_box(inside)


def _legend_width(legend: Iterable[tuple[str, str]]) -> float:
    return sum(small_width(meaning) + 44 for _, meaning in legend)


def _draw_legend(legend: Iterable[tuple[str, str]], x: float) -> Iterator[str]:
    y = BORDER + HEADING - 4
    for kind, meaning in legend:
        radius = 6 if kind in (*ROLES, REFERENCE, "again") else 2
        yield (
            f'<g class="{kind}"><rect class="box" x="{_number(x)}" y="{_number(y)}" width="22" '
            f'height="12" rx="{radius}"/>{_text("small", x + 28, y + 10, meaning)}</g>'
        )
        x += small_width(meaning) + 44
