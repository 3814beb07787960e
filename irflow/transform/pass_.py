"""What a pass is: a frozen dataclass whose fields are its options, and the context of a run.

    @dataclass(frozen=True)
    class Dce(Pass):
        '''Remove what no result needs.

        Before: …  After: …  Keeps: …  Needs: …
        '''

        name: ClassVar[str] = "dce"

        def run(self, graph: Graph, context: PassContext) -> bool: ...

The manager, not the pass, checks, times, dumps and compares the claimed change with the real one.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from dataclasses import fields
from typing import ClassVar

from irflow.ir.graph import Graph, Node
from irflow.location import Location
from irflow.records import dataclass

HEADINGS = ("Before", "After", "Keeps", "Needs")


@dataclass(frozen=True, slots=True)
class Note:
    """Something a pass has to say about one operation.

    Attributes:
        op: the operation as text, e.g. `elementwise<add> f32[3]`.
        location: the user's line.
        text: one sentence.
    """

    op: str
    location: Location | None
    text: str

    def __str__(self) -> str:
        place = f" ({self.location})" if self.location else ""
        return f"{self.op}{place}: {self.text}"


@dataclass(frozen=True, slots=True)
class Application:
    """One use of a rule: which rule, on what."""

    rule: str
    op: str
    location: Location | None


def describe(node: Node) -> str:
    """A node as notes and errors call it: its name, row and result types."""
    row = getattr(node.op, "row", None)
    name = f"{node.op.name}<{row}>" if row is not None else node.op.name
    return f"{name} {', '.join(str(output.type) for output in node.outputs)}"


def never(node: Node) -> bool:  # noqa: ARG001
    """What a backend without claims says of every node."""
    return False


class PassContext:
    """What one run of a pass may ask, and where it reports.

    Args:
        level: the optimisation level, 0 to 3.
        claims: whether the backend runs a node itself; such a node keeps its form.
        lacks: whether the backend cannot run a node; `decompose` rewrites those.
        budget: rules stop being applied after so many applications; used to find a wrong one.

    Attributes:
        notes: what was explained, without repetitions, in order.
        statistics: how often each rule was applied.
        last: the latest application.
    """

    def __init__(
        self,
        level: int = 2,
        claims: Callable[[Node], object] = never,
        lacks: Callable[[Node], object] = never,
        budget: int | None = None,
    ) -> None:
        self.level = level
        self.claims = claims
        self.lacks = lacks
        self.budget = budget
        self.applied = 0
        self.last: Application | None = None
        self.statistics: Counter[str] = Counter()
        self._notes: dict[tuple[int, str], tuple[Node, str]] = {}

    @property
    def is_exhausted(self) -> bool:
        """Whether no rule may be applied any more; a pass asks before each application."""
        return self.budget is not None and self.applied >= self.budget

    def count(self, rule: str, node: Node) -> None:
        """Enter that `rule` is being applied to `node`, which still stands as it was."""
        self.applied += 1
        self.statistics[rule] += 1
        if self.budget is not None:
            self.last = Application(rule, describe(node), node.location)

    def explain(self, node: Node, text: str) -> None:
        """Say something about `node`: mostly why nothing was done."""
        self._notes[(id(node), text)] = (node, text)

    @property
    def notes(self) -> list[Note]:
        return [Note(describe(node), node.location, text) for node, text in self._notes.values()]


@dataclass(frozen=True)
class Pass(ABC):
    """The base of all passes: subclasses are frozen dataclasses, their fields are their options.

    Options are bools, ints, floats and strings, all with defaults. The docstring has the headings
    Before, After, Keeps and Needs; `irflow passes` shows it.

    Class attributes:
        name: what pipelines call it.
    """

    name: ClassVar[str]

    @abstractmethod
    def run(self, graph: Graph, context: PassContext) -> bool:
        """Transform `graph` in place, regions included; whether anything changed."""

    def __str__(self) -> str:
        """The pass as a pipeline writes it, options that have their default left out."""
        chosen = [
            f"{field.name}={format_option(getattr(self, field.name))}"
            for field in fields(self)
            if getattr(self, field.name) != field.default
        ]
        return f"{self.name}{{{','.join(chosen)}}}" if chosen else self.name

    @classmethod
    def description(cls) -> dict[str, str]:
        """The docstring as `summary` and one entry a heading that stands in it."""
        sections = {"summary": ""}
        current = "summary"
        for line in inspect.cleandoc(cls.__doc__ or "").splitlines():
            head, colon, rest = line.partition(":")
            if colon and head in HEADINGS:
                current, line = head, rest
            sections[current] = f"{sections.get(current, '')} {line.strip()}".strip()
        return sections


def format_option(value: bool | int | float | str) -> str:
    """An option's value as pipelines write it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
