"""One arena for all temporaries: buffers that are never alive together share memory."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate
from operator import itemgetter

from irflow.records import dataclass

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

    Pieces are placed one after the other in the smallest gap that holds them. Of several orders the
    one with the smallest arena is taken, the first one if it needs no more than `least_bytes`. The
    arena is never larger than all pieces one after the other.

    Args:
        intervals: pieces by buffer number.
    """
    load = _Load(intervals.values())
    best: Layout | None = None
    for rank in _ORDERS:
        order = sorted(intervals, key=lambda number: (*rank(intervals[number], load), number))
        layout = _placed(order, intervals)
        if best is None or layout.nbytes < best.nbytes:
            best = layout
        if best.nbytes <= load.most:
            break
    assert best is not None
    return best


def least_bytes(intervals: Iterable[Interval]) -> int:
    """What no arena can be smaller than: the most bytes that are needed at one step."""
    return _Load(intervals).most


class _Load:
    """How many bytes are needed at each step.

    Attributes:
        most: of all steps.
    """

    def __init__(self, intervals: Iterable[Interval]) -> None:
        pieces = list(intervals)
        changes = [0] * (max((piece.last for piece in pieces), default=0) + 2)
        for piece in pieces:
            changes[piece.first] += aligned(piece.nbytes)
            changes[piece.last + 1] -= aligned(piece.nbytes)
        self._needed = list(accumulate(changes))
        self.most = max(self._needed)

    def within(self, piece: Interval) -> int:
        """The most that is needed at a step that needs this piece."""
        return max(self._needed[piece.first : piece.last + 1])


_ORDERS: tuple[Callable[[Interval, _Load], tuple[int, ...]], ...] = (
    lambda piece, _: (-piece.nbytes,),
    lambda piece, load: (-load.within(piece), -piece.nbytes),
    lambda piece, _: (-piece.nbytes * (piece.last - piece.first + 1),),
    lambda piece, _: (piece.first - piece.last, -piece.nbytes),
    lambda piece, load: (-load.within(piece), piece.first - piece.last, -piece.nbytes),
    lambda piece, _: (piece.first, -piece.nbytes),
)
"""What comes first: large pieces, those of crowded steps, those needed for long."""


def _placed(order: Iterable[int], intervals: Mapping[int, Interval]) -> Layout:
    offsets: dict[int, int] = {}
    taken: list[tuple[int, int, Interval]] = []  # begin, end, whose
    for number in order:
        piece = intervals[number]
        size = aligned(piece.nbytes)
        offset = _smallest_gap(((t[0], t[1]) for t in taken if t[2].overlaps(piece)), size)
        offsets[number] = offset
        insort(taken, (offset, offset + size, piece), key=itemgetter(0))
    return Layout(dict(sorted(offsets.items())), max((end for _, end, _ in taken), default=0))


def _smallest_gap(taken: Iterable[tuple[int, int]], size: int) -> int:
    """Where a piece fits between others, which begin in ascending order, or else behind them."""
    end, best, room = 0, -1, 0
    for start, stop in taken:
        if start - end >= size and (best < 0 or start - end < room):
            best, room = end, start - end
        end = max(end, stop)
    return end if best < 0 else best


def aligned(nbytes: int) -> int:
    """`nbytes` rounded up to whole alignments."""
    return -(-nbytes // ALIGNMENT) * ALIGNMENT
