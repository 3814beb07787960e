"""What register buffers hold, as far as the basic block that is being written shows it.

Their elements have literal indices once loops are written out, and nothing else reaches their
memory. So what was stored is not loaded again, and of several stores to one place only the last is
written, where the block ends. LLVM would find the same, but it would have to read it all first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from irflow_llvm.code import Value

Write = Callable[[int, Value], None]
"""Writes the store of a value to a place, in elements from the start of a buffer."""


class _Cell(NamedTuple):
    value: Value
    is_written: bool


class Cells:
    """What one register buffer holds, by place.

    Args:
        write: stores to this buffer.
    """

    def __init__(self, write: Write) -> None:
        self._write = write
        self._cells: dict[int, _Cell] = {}

    def find(self, place: int, lanes: int) -> Value | None:
        """What stands at a place, if that is known; else memory has it."""
        found = self._cells.get(place)
        if found is not None and found.value.lanes == lanes:
            return found.value
        self._settle(self._overlapping(place, lanes))
        return None

    def loaded(self, place: int, value: Value) -> None:
        """Note what was found in memory, after `find`."""
        if place not in self._cells:
            self._cells[place] = _Cell(value, is_written=True)

    def store(self, place: int, value: Value) -> None:
        """Note what stands at a place from now on."""
        found = self._cells.get(place)
        if found is None or found.value.lanes != value.lanes:
            others = self._overlapping(place, value.lanes)
            self._settle(others)
            for other in others:
                del self._cells[other]
        self._cells[place] = _Cell(value, is_written=False)

    def settle(self) -> None:
        """Write what is not in memory yet."""
        self._settle(list(self._cells))

    def forget(self) -> None:
        """Take nothing for known: another block begins, or memory changes in some other way."""
        self._cells.clear()

    def _settle(self, places: list[int]) -> None:
        for place in places:
            value, is_written = self._cells[place]
            if not is_written:
                self._write(place, value)
                self._cells[place] = _Cell(value, is_written=True)

    def _overlapping(self, place: int, lanes: int) -> list[int]:
        end = place + lanes
        return [p for p, cell in self._cells.items() if p < end and place < p + cell.value.lanes]
