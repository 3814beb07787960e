"""An axis cut into chunks, and those into pieces as large as a tile."""

from __future__ import annotations

from collections.abc import Iterator

from irflow import dims
from irflow.dims import Size
from irflow.loops import Expr, integer
from irflow.lowering.nest import NestContext
from irflow.lowering.values import ZERO, Extent, equal, index_of, minimum
from irflow.records import dataclass


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an axis.

    Attributes:
        start: its first index.
        length: of the piece.
        number: which one it is in its chunk.
        last: the last index there is, where the piece may reach beyond it.
    """

    start: Expr = ZERO
    length: int = 1
    number: Expr = ZERO
    last: Expr | None = None


@dataclass(frozen=True, slots=True)
class Cut:
    """How an axis is cut.

    Attributes:
        size: of the axis.
        length: of a piece.
        most: how many pieces a chunk has; None if all are one chunk.
    """

    size: Size
    length: int
    most: int | None

    @property
    def chunks(self) -> Size:
        """How many chunks there are."""
        total = dims.ceil_div(self.size, self.length)
        return 1 if self.most is None else dims.ceil_div(total, self.most)

    def pieces(self, context: NestContext, chunk: Expr, name: str) -> Iterator[Piece]:
        """The pieces of a chunk, in a loop, then what is left over."""
        whole, rest = self.size // self.length, self.size % self.length
        if whole != 0:
            first = ZERO if self.most is None or self.chunks == 1 else chunk * self.most
            with context.one_loop(self._count(context, whole, first), name=name) as i:
                yield Piece(context.index((first + i) * self.length), self.length, i)
        if rest == 0:
            return
        start, number = index_of(whole) * self.length, index_of(self._last(whole))
        with context.where(equal(chunk, index_of(self.chunks - 1))):
            if isinstance(rest, int):
                yield Piece(context.index(start), rest, number)
                return
            last = context.index(index_of(self.size) - 1)
            with context.one_loop(dims.ceil_div(self.size, self.length) - whole, name=name):
                yield Piece(context.index(start), self.length, number, last)

    def _last(self, whole: Size) -> Size:
        """The number in its chunk of what is left over."""
        return whole if self.most is None else whole % self.most

    def span(self, context: NestContext, chunk: Expr) -> tuple[Expr, Extent]:
        """Where a chunk starts and how long it is."""
        if self.most is None or self.chunks == 1:
            return ZERO, self.size
        whole = self.most * self.length
        start = context.index(chunk * whole)
        if self.size == self.chunks * whole:
            return start, whole
        return start, context.builder.let(minimum(integer(whole), index_of(self.size) - start))

    def _count(self, context: NestContext, whole: Size, first: Expr) -> Extent:
        """How many whole pieces a chunk has that starts with piece `first`."""
        if self.most is None or self.chunks == 1:
            return whole
        if self.chunks * self.most == whole:
            return self.most
        return context.let(minimum(integer(self.most), index_of(whole) - first))
