"""Pipelines as text: `canonicalize,fold{limit=4096},fixpoint(canonicalize,cse){max=3},dce`.

They print and parse. A table maps optimisation levels to pipelines with named slots, `<early>` and
`<late>`, where passes of plugins go.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields

from irflow.errors import TextError, nearest
from irflow.records import dataclass
from irflow.transform.pass_ import Pass

Lookup = Callable[[str], type[Pass]]
"""From a pass's name to its class; raises UnknownNameError with the nearest names."""

_CLEAN = "fixpoint(canonicalize,fold,simplify,cse)"

LEVELS: dict[int, str] = {
    0: "inline",
    1: "inline,<early>,canonicalize,fold,cse,dce,hoist,<late>",
    2: "inline,<early>,canonicalize,fold,cse,simplify,canonicalize,fold,cse,dce,hoist,<late>",
    3: f"inline,<early>,{_CLEAN}{{max=4}},dce,<late>,{_CLEAN}{{max=4}},dce,hoist",
}
"""The default pipeline of each optimisation level; a backend's passes follow."""

_SLOT = re.compile(r"<(\w+)>")
_TOKEN = re.compile(r"\s*(?:([A-Za-z_][\w.-]*)|([(){},]))")
_OPTION = re.compile(r"\s*([A-Za-z_]\w*)\s*=\s*([^,{}()]*?)\s*(?=[,}])")


@dataclass(frozen=True, slots=True)
class Fixpoint:
    """Passes repeated until none changes anything, at most `max` times."""

    body: Pipeline
    max: int = 8

    def __str__(self) -> str:
        return f"fixpoint({self.body})" + (f"{{max={self.max}}}" if self.max != 8 else "")


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Passes in order."""

    steps: tuple[Pass | Fixpoint, ...]

    def __str__(self) -> str:
        return ",".join(map(str, self.steps))

    def passes(self) -> Iterator[Pass]:
        """All passes in order, those in fixpoints once."""
        for step in self.steps:
            if isinstance(step, Fixpoint):
                yield from step.body.passes()
            else:
                yield step


def level_pipeline(level: int, slots: Mapping[str, str] | None = None, backend: str = "") -> str:
    """The pipeline text of an optimisation level.

    Args:
        level: 0 to 3.
        slots: pipeline text for `early` and `late`.
        backend: passes of the backend, appended.
    """
    filling = slots or {}
    text = _SLOT.sub(lambda slot: filling.get(slot[1], ""), LEVELS[level])
    return ",".join(part.strip(",") for part in (*text.split(",,"), backend) if part.strip(","))


def parse_pipeline(text: str, lookup: Lookup) -> Pipeline:
    """Read a pipeline.

    Raises:
        TextError: malformed text, or an option's value of the wrong type; with a caret.
        UnknownNameError: no such pass or option.

    Example:
        >>> str(parse_pipeline("dce, fold{limit=16}", find_pass))
        'dce,fold{limit=16}'
    """
    reader = _Reader(text, lookup)
    steps = reader.steps()
    if reader.position < len(text.rstrip()):
        raise reader.error("a comma or the end was expected")
    return Pipeline(steps)


class _Reader:
    """A recursive-descent reader; `position` is where it stands in the text."""

    def __init__(self, text: str, lookup: Lookup) -> None:
        self.text = text
        self.lookup = lookup
        self.position = 0

    def error(self, problem: str) -> TextError:
        column = len(self.text) - len(self.text[self.position :].lstrip())
        facts = [(self.text,), (" " * column + "^",)]
        return TextError(f"pipeline, column {column + 1}: {problem}", facts=facts)

    def accept(self, sign: str) -> bool:
        match = _TOKEN.match(self.text, self.position)
        if match is None or match[2] != sign:
            return False
        self.position = match.end()
        return True

    def expect(self, sign: str) -> None:
        if not self.accept(sign):
            raise self.error(f"{sign!r} was expected")

    def steps(self) -> tuple[Pass | Fixpoint, ...]:
        if not self.text[self.position :].strip():
            return ()
        found = [self.step()]
        while self.accept(","):
            found.append(self.step())
        return tuple(found)

    def step(self) -> Pass | Fixpoint:
        match = _TOKEN.match(self.text, self.position)
        if match is None or not match[1]:
            raise self.error("the name of a pass was expected")
        if match[1] == "fixpoint":
            self.position = match.end()
            return self.fixpoint()
        made = self.lookup(match[1])
        self.position = match.end()
        return made(**self.options({field.name: field.default for field in fields(made)}, match[1]))

    def fixpoint(self) -> Fixpoint:
        self.expect("(")
        body = Pipeline(self.steps())
        self.expect(")")
        chosen = self.options({"max": 8}, "fixpoint")
        return Fixpoint(body, int(chosen.get("max", 8)))

    def options(
        self, defaults: Mapping[str, object], owner: str
    ) -> dict[str, bool | int | float | str]:
        chosen: dict[str, bool | int | float | str] = {}
        if not self.accept("{"):
            return chosen
        while not self.accept("}"):
            match = _OPTION.match(self.text, self.position)
            if match is None:
                raise self.error("an option was expected, as in {limit=16}")
            if match[1] not in defaults:
                raise nearest(match[1], defaults, f"option of pass {owner!r}:")
            chosen[match[1]] = self.value(match[2], defaults[match[1]], match.start(2))
            self.position = match.end()
            self.accept(",")
        return chosen

    def value(self, text: str, default: object, column: int) -> bool | int | float | str:
        kind = type(default)
        try:
            if kind is bool:
                return {"true": True, "false": False}[text]
            if kind in (int, float):
                number: int | float = kind(text)
                return number
        except (ValueError, KeyError):
            self.position = column
            raise self.error(f"{text!r} is no {kind.__name__}") from None
        return text
