"""A record of what was compiled and why, for those who ask for one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from irflow.compiler.pipeline import Lowered
from irflow.ir.graph import Graph
from irflow.records import dataclass


@dataclass(frozen=True, slots=True)
class Compilation:
    """One compilation that a program caused.

    Attributes:
        reason: one line: whose, and what was new about the call that made it necessary.
        traced: the graph before the passes.
        lowered: the graph after them, with the report on them.
        seconds: how long tracing, the passes and the backend took.
    """

    reason: str
    traced: Graph
    lowered: Lowered
    seconds: float


_records: ContextVar[tuple[list[Compilation], ...]] = ContextVar("_records", default=())


@contextmanager
def recorded() -> Iterator[list[Compilation]]:
    """A list that takes in every compilation within a `with` block, in order."""
    record: list[Compilation] = []
    token = _records.set((*_records.get(), record))
    try:
        yield record
    finally:
        _records.reset(token)


def is_recording() -> bool:
    """Whether someone has asked for a record."""
    return bool(_records.get())


def note(compilation: Compilation) -> None:
    """Enter a compilation into the records that are open."""
    for record in _records.get():
        record.append(compilation)
