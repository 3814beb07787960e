"""What is drawn: boxes and the wires between them, before and after they have places."""

from __future__ import annotations

from dataclasses import field

from irflow.draw.text import SMALL_SIZE, TITLE_SIZE, small_width, title_width
from irflow.records import dataclass

ROLES = (
    "argument",
    "parameter",
    "state",
    "key",
    "result",
    "update",
    "gradient",
    "loss",
    "residual",
)
"""Kinds of boxes for what enters and leaves a graph."""

ENTRY, EXIT = "entry", "exit"
"""Kinds of boxes for what enters and leaves a region."""

REFERENCE = "reference"
"""The kind of a box that stands for a value from further up."""

MARGIN = 10.0
LINE = 15.0
TITLE_LINE = 18.0
HEADER = 26.0
PORT_GAP = 12.0
LABEL_GAP = 5.0
LABEL_HEIGHT = 18.0


@dataclass(eq=False, slots=True)
class Box:
    """One box.

    Attributes:
        kind: one of `ROLES`, `"op"`, `"contraction"`, `"folded"`, `"group"`, `"reference"`,
            `"entry"` or `"exit"`.
        title: the first line.
        lines: what stands below the title.
        details: what the viewer shows when one points at the box.
        inputs, outputs: how many wires end and begin at it, each at a place of its own.
        labels: the texts of the wires that begin at it.
        insides: the diagrams of its regions.
        origin: the box that it stands for once more, elsewhere.
        x, y, width, height: where it is, with respect to its diagram.
        tops, bottoms: the places of its wires on its border, from its left.
    """

    kind: str
    title: str
    lines: tuple[str, ...] = ()
    details: str = ""
    inputs: int = 0
    outputs: int = 0
    labels: list[str] = field(default_factory=list)
    insides: tuple[Diagram, ...] = ()
    origin: Box | None = None
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0
    height: float = 0.0
    tops: list[float] = field(default_factory=list)
    bottoms: list[float] = field(default_factory=list)

    def measure(self) -> None:
        """Set the size and the places of wires of a box without regions."""
        if self.kind in (ENTRY, EXIT):
            self._measure_port()
            return
        texts = [title_width(self.title), *map(small_width, self.lines)]
        self.width = max(*texts, 40.0) + 2 * MARGIN
        self.height = TITLE_LINE + LINE * len(self.lines) + MARGIN
        self.spread()

    def spread(self) -> None:
        """Distribute the wires over the border; widen the box where they and labels need it."""
        needed = [PORT_GAP] * self.inputs
        self.width = max(self.width, sum(needed) + PORT_GAP)
        spans = [small_width(label) + 2 * LABEL_GAP + 4 for label in self.labels]
        if len(spans) == 1:
            self.width = max(self.width, 2 * spans[0])
        self.width = max(self.width, sum(spans))
        self.tops = [self.width * (i + 1) / (self.inputs + 1) for i in range(self.inputs)]
        self.bottoms = self._bottoms(spans)

    def _bottoms(self, spans: list[float]) -> list[float]:
        if len(spans) == 1:
            return [self.width / 2]
        slack = (self.width - sum(spans)) / (len(spans) + 1) if spans else 0.0
        places, x = [], slack
        for span in spans:
            places.append(x + LABEL_GAP)
            x += span + slack
        return places

    def _measure_port(self) -> None:
        """A point on the border of a region; the label of its wire stands on the right."""
        self.width = (
            LABEL_GAP + max((small_width(label) for label in self.labels), default=0.0) + 12
        )
        self.height = 6.0
        self.tops = [LABEL_GAP] * self.inputs
        self.bottoms = [LABEL_GAP] * self.outputs

    @property
    def is_group(self) -> bool:
        return bool(self.insides)

    @property
    def header(self) -> float:
        """The height of what stands above the regions: the title, and names if they are several."""
        return HEADER + (LINE if len(self.insides) > 1 else 0.0)

    @property
    def baseline(self) -> float:
        """The first line of text below the top of the box."""
        return MARGIN / 2 + TITLE_SIZE

    @property
    def second_line(self) -> float:
        """The second line of text below the top of the box."""
        return MARGIN / 2 + TITLE_LINE + SMALL_SIZE


@dataclass(eq=False, slots=True)
class Wire:
    """A value on its way from one box to those that read it.

    Attributes:
        source, port: where it begins, and which of the places there.
        label: its sizes.
        details: its type.
        weight: how thick it is drawn, in pixels.
        targets: where it ends, and at which places there.
        segments: the ends of its curves from row to row, `(x, y, x, y)`; set by `place`.
        straights: its lines through rows, `(x, y, y)`; set by `place`.
    """

    source: Box
    port: int
    label: str
    details: str
    weight: float
    targets: list[tuple[Box, int]] = field(default_factory=list)
    segments: list[tuple[float, float, float, float]] = field(default_factory=list)
    straights: list[tuple[float, float, float]] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Diagram:
    """Boxes, and the wires between them.

    Attributes:
        title: what it shows.
        x: where it begins in the box of its group; set by `place`, as the others.
        width, height: its size.
    """

    title: str
    boxes: list[Box] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)
    x: float = 0.0
    width: float = 0.0
    height: float = 0.0

    def count(self) -> int:
        """The boxes, those inside of groups too; what enters and leaves is not counted."""
        own = [box for box in self.boxes if box.kind not in (*ROLES, ENTRY, EXIT, REFERENCE)]
        return len(own) + sum(inside.count() for box in own for inside in box.insides)
