"""One arena for all temporaries: buffers that are never alive together share memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ALIGNMENT = 64
"""Bytes: a cache line, and the widest vector."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A piece of memory and when it is needed.

    Attributes:
        first: the step that writes it first.
        last: the last step that reads or writes it.
        nbytes: its size.
    """

    first: int
    last: int
    nbytes: int

    def overlaps(self, other: Interval) -> bool:
        """Whether there is a step that needs both."""
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each temporary lies in the arena.

    Attributes:
        offsets: bytes from the start, by buffer number.
        nbytes: the size of the arena.
    """

    offsets: Mapping[int, int]
    nbytes: int


def plan(intervals: Mapping[int, Interval]) -> Layout:
    """Offsets such that what is needed at one step never shares memory.

    The largest pieces are placed first, each at the lowest free offset. The arena is never larger
    than all pieces one after the other.

    Args:
        intervals: pieces by buffer number.
    """
    order = sorted(intervals, key=lambda number: (-intervals[number].nbytes, number))
    offsets: dict[int, int] = {}
    for number in order:
        piece = intervals[number]
        taken = sorted(
            (offsets[other], offsets[other] + aligned(intervals[other].nbytes))
            for other in offsets
            if intervals[other].overlaps(piece)
        )
        offsets[number] = _lowest_gap(taken, aligned(piece.nbytes))
    ends = [offsets[number] + aligned(intervals[number].nbytes) for number in order]
    return Layout(dict(sorted(offsets.items())), max(ends, default=0))


def _lowest_gap(taken: Sequence[tuple[int, int]], nbytes: int) -> int:
    offset = 0
    for start, end in taken:
        if offset + nbytes <= start:
            return offset
        offset = max(offset, end)
    return offset


def aligned(nbytes: int) -> int:
    """`nbytes` rounded up to whole alignments."""
    return -(-nbytes // ALIGNMENT) * ALIGNMENT
