"""Copies of operands in the order in which tiles read them.

A chunk of the right operand becomes panels, one behind the other, each as wide as a tile and with
its rows one below the other. A chunk of the left operand keeps its order, without gaps. So tiles
read memory in order whatever the operand's strides, and what stands in front of the product is
computed once. A right operand that runs along the reduced axis is transposed on the way, a
square of vectors at a time, in registers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from irflow.dims import Size
from irflow.dtypes import DType
from irflow.loops import Buffer, Expr, Load, LoopKind, Ramp, Shuffle, Space, integer
from irflow.lowering.nest import NestContext
from irflow.lowering.tile import Pass, Spot
from irflow.lowering.values import ZERO, Extent, divided, index_of, minimum
from irflow.records import dataclass

At = Callable[[Expr, Expr], Expr]
"""An element of an operand, by row and column of that operand."""
Along = Callable[[Expr, Expr, Extent], Expr]
"""A vector along the reduced axis, by its start, its column, and how many lanes are wanted."""


@dataclass(frozen=True, slots=True)
class LeftPack:
    """Rows of a chunk.

    Attributes:
        context: where code goes.
        at: the operand.
        buffer: `[row, k]`, or `[k, row]` if `runs_outer`.
        runs_outer: whether the operand's columns lie along memory.
    """

    context: NestContext
    at: At
    buffer: Buffer
    runs_outer: bool

    @classmethod
    def make(
        cls, context: NestContext, at: At, dtype: DType, sizes: tuple[int, Size], turned: bool
    ) -> LeftPack:
        """A buffer for `sizes` rows and reduced elements."""
        rows, inner = sizes
        # A row more than a power of two apart from the next, so that they share no cache lines.
        gap = context.target.lanes(dtype)
        shape = (inner, rows + gap) if turned else (rows, inner + gap)
        return cls(context, at, context.builder.alloc(dtype, shape, Space.GLOBAL, "left"), turned)

    def fill(self, start: Expr, rows: Extent, part: Pass) -> None:
        """Copy the rows of a chunk, in the order in which they lie in memory."""
        extents = (part.extent, rows) if self.runs_outer else (rows, part.extent)
        for index in self.context.vector_loops(extents, "o"):
            r, k = index[::-1] if self.runs_outer else index
            value = self.at(start + r, part.start + k)
            self.context.builder.store(self.buffer, self._place(r, k), value)

    def read(self, spot: Spot, r: Expr, _: Pass, k: Expr) -> Expr:
        """An element, by its row in the tile and its number in the pass."""
        return Load(self.buffer, self._place(spot.first + r, k))

    def _place(self, r: Expr, k: Expr) -> tuple[Expr, ...]:
        row, step = self.context.index(r), self.context.index(k)
        return (step, row) if self.runs_outer else (row, step)


@dataclass(frozen=True, slots=True)
class SpreadRows:
    """All rows of a left operand, for all chunks; where they lie, they share lines of a cache.

    Attributes:
        context: where code goes.
        at: the operand.
        buffer: `[row, k]`, with a gap behind each row.
    """

    context: NestContext
    at: At
    buffer: Buffer

    @classmethod
    def make(
        cls, context: NestContext, at: At, dtype: DType, sizes: tuple[int, Size]
    ) -> SpreadRows:
        """A buffer for `sizes` rows and reduced elements."""
        rows, inner = sizes
        shape = rows, inner + context.target.lanes(dtype)
        return cls(context, at, context.builder.alloc(dtype, shape, Space.GLOBAL, "left"))

    def fill(self, inner: Size) -> None:
        """Copy all rows; threads share them."""
        context = self.context
        with (
            context.one_loop(self.buffer.shape[0], LoopKind.PARALLEL, "o") as row,
            context.one_loop(inner, LoopKind.VECTOR, "l") as k,
        ):
            self.context.builder.store(self.buffer, (row, context.index(k)), self.at(row, k))

    def read(self, spot: Spot, r: Expr, part: Pass, k: Expr) -> Expr:
        """An element, by its row in the tile and its number in the pass."""
        return Load(self.buffer, (spot.row_at(r), self.context.index(part.start + k)))


@dataclass(frozen=True, slots=True)
class RightPack:
    """Panels of columns.

    Attributes:
        context: where code goes.
        at: the operand.
        buffer: `[panel, k, column]`.
        lanes: of a vector.
        is_turned: whether the operand lies along the reduced axis, and is transposed.
        along: reads such an operand in vectors, where `at` would take a lane at a time.
    """

    context: NestContext
    at: At
    buffer: Buffer
    lanes: int
    is_turned: bool
    along: Along | None = None

    @classmethod
    def make(
        cls,
        context: NestContext,
        at: At,
        dtype: DType,
        shape: tuple[int, Size, int],
        turned: bool,
        along: Along | None = None,
    ) -> RightPack:
        """A buffer for `shape` panels, reduced elements, and columns of a tile."""
        buffer = context.builder.alloc(dtype, shape, Space.GLOBAL, "right")
        return cls(context, at, buffer, context.target.lanes(dtype), turned, along)

    def fill(self, spots: Callable[[], Iterator[Spot]], part: Pass) -> None:
        """Copy the columns of tiles side by side, rows as wide as these are together."""
        if self.is_turned:
            for spot in spots():
                self.turn(spot, part)
            return
        with self.context.one_loop(part.extent, name="k") as k:
            for spot in spots():
                with self.context.one_loop(sum(spot.widths), LoopKind.VECTOR, "l") as lane:
                    value = self.at(part.start + k, spot.column + lane)
                    self.context.builder.store(self.buffer, self._place(spot, k, lane), value)

    def read(self, spot: Spot, _: Pass, k: Expr, offset: Expr) -> Expr:
        """An element, by its number in the pass and its column in the tile."""
        return Load(self.buffer, self._place(spot, k, offset), self.context.mask)

    def _place(self, spot: Spot, k: Expr, offset: Expr) -> tuple[Expr, ...]:
        return spot.panel, self.context.index(k), self.context.index(offset)

    # --------------------------------------------------------------------------------- transposing

    def turn(self, spot: Spot, part: Pass) -> None:
        """Copy the columns of one tile of an operand that lies along the reduced axis."""
        whole, rest = divided(part.extent, self.lanes)
        if whole != 0:
            with self.context.one_loop(whole, name="k") as block:
                self._turn_row(spot, part.start, block * self.lanes, self.lanes)
        if rest != 0:
            self._turn_row(spot, part.start, index_of(whole) * self.lanes, rest)

    def _turn_row(self, spot: Spot, start: Expr, first: Expr, count: Extent) -> None:
        """Squares side by side, of whose rows `count` are wanted."""
        columns = sum(spot.widths)
        with self.context.one_loop(-(-columns // self.lanes), name="c") as block:
            square = self._square(spot, start + first, block * self.lanes, count)
            ramp = Ramp(self.context.index(block * self.lanes), 1, self.lanes)
            for i, vector in enumerate(transposed(self.context, square)):
                place = (spot.panel, self.context.index(first + i), ramp)
                mask = None if count == self.lanes else integer(i) < index_of(count)
                self.context.builder.store(self.buffer, place, vector, mask)

    def _square(self, spot: Spot, inner: Expr, offset: Expr, count: Extent) -> list[Expr]:
        """Vectors along the reduced axis, one a column; the last column repeats behind the end."""
        context, builder = self.context, self.context.builder
        columns = sum(spot.widths)
        if self.along is not None:
            last = integer(columns - 1)
            places = [minimum(offset + c, last) for c in range(self.lanes)]
            return [self.along(inner, spot.column + place, count) for place in places]
        cells = builder.alloc(self.buffer.dtype, (self.lanes, self.lanes), name="square")
        for c, lane in context.vector_loops((self.lanes, self.lanes), "c", LoopKind.UNROLL):
            column = offset + c
            if columns % self.lanes:
                column = minimum(column, integer(columns - 1))
            with context.masked(lane < index_of(count)):
                value = self.at(inner + lane, spot.column + column)
            builder.store(cells, (c, lane), value)
        ramp = Ramp(ZERO, 1, self.lanes)
        return [builder.let(Load(cells, (integer(c), ramp)), "row") for c in range(self.lanes)]


def transposed(context: NestContext, square: Sequence[Expr]) -> list[Expr]:
    """As many vectors as they have lanes, with rows and columns exchanged.

    In each round, vectors a distance apart exchange every other run of lanes of that length.
    """
    rows, distance = list(square), len(square) // 2
    while distance:
        for i in range(len(rows)):
            if not i & distance:
                pair = rows[i], rows[i + distance]
                low, high = _exchange(len(rows), distance)
                rows[i] = context.builder.let(Shuffle(pair, low), "turned")
                rows[i + distance] = context.builder.let(Shuffle(pair, high), "turned")
        distance //= 2
    return rows


def summed(context: NestContext, rows: Sequence[Expr]) -> Expr:
    """One vector of the sums of up to as many vectors as they have lanes.

    As if they were transposed and added up. Each is summed by halves, as `combine_lanes` does it.
    """
    found, distance = list(rows), rows[0].lanes // 2
    while distance:
        low, high = _exchange(rows[0].lanes, distance)
        merged = []
        for i in range(min(distance, len(found))):
            pair = found[i], found[min(i + distance, len(found) - 1)]
            parts = [context.builder.let(Shuffle(pair, part), "turned") for part in (low, high)]
            merged.append(context.builder.let(parts[0] + parts[1], "sum"))
        found, distance = merged, distance // 2
    return found[0]


def _exchange(lanes: int, distance: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Which lanes of a pair of vectors make up each of the two new ones."""
    places = range(lanes)
    low = tuple(lanes + j - distance if j & distance else j for j in places)
    high = tuple(lanes + j if j & distance else j + distance for j in places)
    return low, high
