"""Sums over windows of an image, channel by channel: depthwise convolutions, pooling, adjoints.

    for image, block of rows                            parallel
      for some vectors of channels, row, tile of positions, vector of channels
        accumulators = 0
        for row of the window, where it lies in the image
          for position that the tile sees: combine it with all elements of the tile that see it
        epilogue

Vectors lie along the channels, a tile along a row of the result. Which positions of a row lie
outside of the image is known for each tile, so that the first and last ones are written apart, and
the loop over the others has no conditions in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Protocol

from irflow.dims import Size
from irflow.dtypes import DType
from irflow.ir.graph import Node
from irflow.loops import Broadcast, Buffer, Const, Expr, Load, LoopKind, Ramp, integer
from irflow.lowering.nest import NestContext
from irflow.lowering.sliding_axes import Axis, Pattern
from irflow.lowering.target import Target
from irflow.lowering.values import ZERO, Extent, minimum
from irflow.records import dataclass

TILE = 14
"""Vectors of a tile, with accumulators of their own."""
MOST_STEPS = 256
"""Steps of a tile in one row of the window, which are written out one by one."""
MOST_KINDS = 6
"""Tiles that see different parts of their windows."""
BLOCK_ROWS = 8
"""Rows of a block."""


@dataclass(frozen=True, slots=True)
class Lanes:
    """A vector of channels.

    Attributes:
        start: the first one.
        lanes: of a whole vector.
        count: how many of them are channels.
    """

    start: Expr
    lanes: int
    count: int

    @classmethod
    def whole(cls, start: Expr, lanes: int) -> Lanes:
        """A vector of channels only."""
        return cls(start, lanes, lanes)

    @property
    def is_whole(self) -> bool:
        return self.count == self.lanes


class Windowed(Protocol):
    """What is combined: how the results of a tile go on with each source element.

    Attributes:
        rounds: how often a tile goes over what it sees in a row of the window.
        turn: the number of the round.
    """

    rounds: int
    turn: Expr

    @property
    def identity(self) -> Const:
        """What the accumulators start with."""

    def prepare(self) -> None:
        """Write what stands in front of all loops."""

    def held(self, index: tuple[Expr, ...], channels: Lanes) -> Expr | None:
        """What is read for each element of a tile, by image, row and position."""

    def factors(self, ky: Expr, kx: int, channels: Lanes) -> Sequence[Expr]:
        """What is read for each offset in the window, one a term; nothing where none is needed."""

    def source(self, index: tuple[Expr, ...], channels: Lanes) -> Sequence[tuple[Expr, ...]]:
        """What is read for each source element, by terms that are added one after the other."""

    def combine(
        self, before: Expr, held: Expr | None, factor: Expr | None, source: tuple[Expr, ...]
    ) -> Expr:
        """An accumulator that has seen one more term of a source element."""


@dataclass(frozen=True)
class Shape:
    """The sizes of a sum over windows.

    Attributes:
        target: the machine.
        dtype: of the accumulators.
        batch: how many images.
        rows, columns: the spatial axes.
        channels: of the result.
        terms: of a source element.
        most: vectors of a tile at most.
        wide: of them side by side at most.
    """

    target: Target
    dtype: DType
    batch: Size
    rows: Axis
    columns: Axis
    channels: int
    terms: int = 1
    most: int = TILE
    wide: int = 1

    @property
    def lanes(self) -> int:
        return self.target.lanes(self.dtype)

    @property
    def fits(self) -> bool:
        """Whether the template is a gain, and its code is not too long."""
        return (
            2 * self.channels >= self.lanes
            and len(self.runs) <= MOST_KINDS
            and self.steps <= MOST_STEPS
        )

    @cached_property
    def tile(self) -> int:
        """Positions of a tile: a divisor of a row where there is a large one."""
        axis = self.columns
        registers = self.target.vector_registers // 2 - 2
        fitting = min(self.most, registers) // self.side
        most = min(fitting, MOST_STEPS // (axis.kernel * self.terms * self.side))
        most = max(most // axis.step * axis.step, axis.step)
        lengths = range(axis.step, min(most, axis.count + axis.step - 1) + 1, axis.step)
        if not lengths:
            return axis.step
        return min(lengths, key=lambda n: (-(-axis.count // n) * n - axis.count > 1, -n))

    @cached_property
    def runs(self) -> list[tuple[int, int, Pattern]]:
        return self.columns.runs(self.tile)

    @property
    def steps(self) -> int:
        """Steps of a tile in a row of the window."""
        return (
            max(sum(len(seers) for _, seers in p.steps) for _, _, p in self.runs)
            * self.terms
            * self.side
        )

    @property
    def block(self) -> int:
        """Rows of a block."""
        blocks = -(-self.rows.count // BLOCK_ROWS)
        return -(-self.rows.count // blocks)

    @property
    def side(self) -> int:
        """Vectors of channels side by side in a tile.

        Where there are several, memory is read in order. One alone leaves registers to what is
        read for each offset in the window.
        """
        return min(self.wide, max(self.channels // self.lanes, 1))


@dataclass(frozen=True, slots=True)
class _Tile:
    """A tile in registers.

    Attributes:
        cells: `[position, vector, lane]`, the accumulators.
        held: what is read for each position and vector.
        group: the vectors of channels.
        pattern: what its positions see.
    """

    cells: Buffer
    held: dict[tuple[int, int], Expr | None]
    group: Sequence[Lanes]
    pattern: Pattern


class SlidingWriter:
    """Writes one nest.

    Args:
        context: where to.
        anchor: the node whose results the accumulators are.
        shape: the sizes.
        windowed: what is combined.
    """

    def __init__(
        self, context: NestContext, anchor: Node, shape: Shape, windowed: Windowed
    ) -> None:
        self.context = context
        self.builder = context.builder
        self.anchor = anchor
        self.shape = shape
        self.windowed = windowed
        self.rank = anchor.output.type.rank

    def write(self) -> None:
        """All of the kernel."""
        shape, context = self.shape, self.context
        self.windowed.prepare()
        blocks = -(-shape.rows.count // shape.block)
        count = shape.batch * blocks
        with context.one_loop(count, LoopKind.PARALLEL, "b") as number:
            image = context.index(number // blocks)
            first = context.index((number - image * blocks) * shape.block)
            height: Extent = shape.block
            if shape.rows.count % shape.block:
                rest = integer(shape.rows.count) - first
                height = self.builder.let(minimum(integer(shape.block), rest), "height")
            for group in self._groups():
                for place in self._places(image, first, height):
                    self._run(place, group)

    def _groups(self) -> Iterator[list[Lanes]]:
        """Vectors of channels side by side: some at a time in a loop, then what is left over."""
        shape = self.shape
        lanes, side = shape.lanes, shape.side
        whole, rest = divmod(shape.channels, lanes)
        if whole >= side:
            with self.context.one_loop(whole // side, name="c") as c:
                starts = [c * (side * lanes) + v * lanes for v in range(side)]
                yield [Lanes.whole(self.context.index(start), lanes) for start in starts]
        first = whole - whole % side
        left = [Lanes.whole(integer(v * lanes), lanes) for v in range(first, whole)]
        if rest:
            left.append(Lanes(integer(whole * lanes), lanes, rest))
        if left:
            yield left

    def _places(
        self, image: Expr, first: Expr, height: Extent
    ) -> Iterator[tuple[Expr, Expr, Expr, Pattern]]:
        """Image, row and start of all tiles of a block of rows."""
        with self.context.one_loop(height, name="y") as y:
            row = self.context.index(first + y)
            for start, count, pattern in self.shape.runs:
                with self.context.one_loop(count, name="x") as x:
                    yield image, row, self.context.index(x * self.shape.tile + start), pattern

    def _run(self, place: tuple[Expr, Expr, Expr, Pattern], group: Sequence[Lanes]) -> None:
        """One tile."""
        image, row, start, pattern = place
        shape, context, builder, windowed = self.shape, self.context, self.builder, self.windowed
        lanes = Ramp(ZERO, 1, shape.lanes)
        cells = builder.alloc(shape.dtype, (pattern.length, len(group), shape.lanes), name="sum")
        held: dict[tuple[int, int], Expr | None] = {}
        for r in range(pattern.length):
            at = image, row, context.index(start + r)
            for v, channels in enumerate(group):
                zero = Broadcast(windowed.identity, shape.lanes)
                builder.store(cells, (integer(r), integer(v), lanes), zero)
                held[r, v] = windowed.held(at, channels)
        base = context.index(shape.columns.base(start))
        tile = _Tile(cells, held, group, pattern)
        with context.one_loop(shape.rows.kernel, name="k") as ky:
            seen, inside = shape.rows.seen(row, ky)
            with (
                where(context, inside),
                context.one_loop(windowed.rounds, name="t") as windowed.turn,
            ):
                self._round((image, context.index(seen), base), ky, tile)
        for r in range(pattern.length):
            for v, channels in enumerate(group):
                at = image, row, context.index(start + r)
                self._finish(at, channels, cells, (integer(r), integer(v)))

    def _round(self, place: tuple[Expr, Expr, Expr], ky: Expr, tile: _Tile) -> None:
        """What a tile sees in a row of the window."""
        image, row, base = place
        windowed, lanes = self.windowed, Ramp(ZERO, 1, self.shape.lanes)
        factors = {
            (k, v): windowed.factors(ky, k, channels)
            for k in tile.pattern.offsets
            for v, channels in enumerate(tile.group)
        }
        for j, seers in tile.pattern.steps:
            at = image, row, self.context.index(base + j)
            for v, channels in enumerate(tile.group):
                for t, term in enumerate(windowed.source(at, channels)):
                    for r, k in seers:
                        cell = integer(r), integer(v), lanes
                        factor = factors[k, v][t] if factors[k, v] else None
                        before = Load(tile.cells, cell)
                        after = windowed.combine(before, tile.held[r, v], factor, term)
                        self.builder.store(tile.cells, cell, after)

    def _finish(
        self,
        place: tuple[Expr, Expr, Expr],
        channels: Lanes,
        cells: Buffer,
        cell: tuple[Expr, Expr],
    ) -> None:
        """The outputs of a vector of a tile."""
        context = self.context
        with lanes_of(context, channels) as lane:
            at = *place, context.index(channels.start + lane)
            index = spatial_index(at, self.rank)
            found = context.capture(self.anchor.output, index)
            total = self.builder.let(Load(cells, (*cell, lane)), "total")
            value = total if found is None else found.finish(total)
            context.define(self.anchor.output, index, self.builder.let(value, "total"))
            context.store_outputs(index)


@contextmanager
def where(context: NestContext, condition: Expr | None) -> Iterator[None]:
    """What is inside happens if the condition holds; always, if there is none."""
    if condition is None:
        yield
        return
    with context.where(condition):
        yield


@contextmanager
def lanes_of(context: NestContext, channels: Lanes) -> Iterator[Expr]:
    """A loop over the lanes of a vector, with a mask where some of them are no channels."""
    with context.one_loop(channels.lanes, LoopKind.VECTOR, "l") as lane:
        if channels.is_whole:
            yield lane
            return
        with context.masked(lane < channels.count):
            yield lane


def spatial_index(place: tuple[Expr, ...], rank: int) -> tuple[Expr, ...]:
    """An index `(image, row, position, channel)` of a tensor that may have no rows."""
    return place if rank == 4 else (place[0], *place[2:])
