"""What the steps of a pipeline have in common, and the names of samples for error messages."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any

from irflow.data import elements
from irflow.errors import DataError, Fact, IrflowError
from irflow.frontend.boundary import shorten
from irflow.location import Location, raised_at
from irflow.records import dataclass

Element = Any
"""A sample or a batch: arrays, numbers or text, in tuples, dicts, named tuples or dataclasses."""

ENDLESS = float("inf")
READ_ONLY = "samples are views of the data; change a copy: x = x.copy()"
SHOWN = 4  # how many samples of a batch a message names


@dataclass(frozen=True, slots=True)
class FilePlace:
    """A sample that comes from a file: its number in the source, the file, the line if text."""

    number: int
    file: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Several:
    """The samples that a batch or a tuple is made of."""

    origins: Sequence[Origin]


Origin = int | FilePlace | Several
"""Where an element comes from: the number of a sample in its source, counted from 0, and more."""

Pair = tuple[Origin, Element]


class Stage(ABC):
    """A source of elements, or a step that changes those of another stage."""

    @abstractmethod
    def pairs(self) -> Iterator[Pair]:
        """All elements from the first on, with their origins; a new iterator at each call."""

    @abstractmethod
    def length(self) -> float | None:
        """The number of elements: None if it is not known beforehand, inf if there is no end."""

    @abstractmethod
    def sample(self) -> Element:
        """An element like those that `pairs` gives, without counting as a pass over the data."""

    def spec(self) -> Element:
        """The types of the leaves of an element."""
        return elements.spec_of(self.sample())


@dataclass(frozen=True, eq=False)
class Step(Stage):
    """A stage that gives the elements of `source`, some of them, or in another order."""

    source: Stage

    def length(self) -> float | None:
        return self.source.length()

    def sample(self) -> Element:
        return self.source.sample()

    def spec(self) -> Element:
        return self.source.spec()


@dataclass(frozen=True, eq=False)
class UserFunction:
    """A function of the user's, called on elements; its errors name the sample.

    Attributes:
        step: the method that it was given to, for messages.
        function: takes an element; one that is a tuple as several arguments.
        location: the line where it was given.
    """

    step: str
    function: Callable[..., Any]
    location: Location | None

    def __call__(self, origin: Origin, element: Element) -> Any:
        try:
            return self.apply(element)
        except Exception as error:
            raise self.failure(origin, error, element) from error

    def apply(self, element: Element) -> Any:
        """The result for an element, without the name of the sample in errors."""
        return self.function(*element) if type(element) is tuple else self.function(element)

    def failure(self, origin: Origin, error: Exception, element: Element) -> DataError:
        """The error that says on which sample the function failed, and how."""
        location = _line_of(self.function, error.__traceback__) or self.location
        shorten(error)
        name = getattr(self.function, "__name__", type(self.function).__name__)
        return DataError(
            f"{self.step}: {name} failed with {first_line(error)}",
            facts=[*describe(origin), ("it was given", elements.describe(element))],
            location=location,
            hint=READ_ONLY if "read-only" in str(error) else None,
        )


def _line_of(function: Callable[..., Any], traceback: TracebackType | None) -> Location | None:
    """The innermost line of a traceback in the file of a function, not in what that calls."""
    code = getattr(function, "__code__", None)
    if code is None:
        return raised_at(traceback)
    found = None
    while traceback is not None:
        frame = traceback.tb_frame.f_code
        if frame.co_filename == code.co_filename:
            found = Location(frame.co_filename, traceback.tb_lineno, frame.co_name)
        traceback = traceback.tb_next
    return found


def first_line(error: Exception) -> str:
    """The kind and the first line of an error."""
    text = error.summary if isinstance(error, IrflowError) else str(error)
    first = text.strip().partition("\n")[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def describe(origin: Origin) -> list[Fact]:
    """The facts of a message that say which sample is meant."""
    if isinstance(origin, FilePlace):
        line = "" if origin.line is None else f", line {origin.line}"
        return [("sample", str(origin.number)), ("file", origin.file + line)]
    if not isinstance(origin, Several):
        return [("sample", str(origin))]
    single = set(origin.origins[:SHOWN]) if len(origin.origins) <= SHOWN else set()
    if len(single) == 1:
        return describe(origin.origins[0])
    return [("samples", _listed(origin.origins))]


def _listed(origins: Sequence[Origin]) -> str:
    first = ", ".join(_short(origin) for origin in origins[:SHOWN])
    rest = len(origins) - SHOWN
    return first if rest <= 0 else f"{first} and {rest} more"


def _short(origin: Origin) -> str:
    if isinstance(origin, FilePlace):
        return f"{origin.number} ({origin.file})"
    return f"[{_listed(origin.origins)}]" if isinstance(origin, Several) else str(origin)
