"""One tile of a contraction's result: accumulators in registers, and what becomes of them.

      accumulators = 0, or what an earlier pass has left in the result
      for k                                     the reduced axes
        for each vector of columns, each row    unrolled
          accumulators[row, columns] += summand
      result = epilogue(accumulators)

An epilogue of more than a few operations runs in a loop over a copy of the tile in memory, so that
code stays short. Each element is summed in the order of k whatever the tile, so specialised and
symbolic code agree. Rows behind the last one of a symbolic number repeat it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from irflow import dtypes
from irflow.ir.graph import Node
from irflow.loops import Apply, Buffer, Const, Expr, Intrinsic, Load, LoopKind, Space, integer
from irflow.loops.intrinsics import DOTS, multiply_add
from irflow.lowering import schedule
from irflow.lowering.nest import NestContext
from irflow.lowering.schedule import Tile
from irflow.lowering.values import ZERO, Extent, Reduction, divided, index_of, minimum
from irflow.records import dataclass

TRUE = Const(True, dtypes.bool_)
DOT_ROWS = frozenset(dot.row for dot in DOTS.values())


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a tile stands.

    Attributes:
        batch: indices of the axes before rows and columns.
        row, column: where it starts.
        rows: how many rows.
        widths: elements of each vector of columns; only the last one may be less than a whole one.
        last_row: the last row there is, where more rows may stand in the tile.
        first: its first row in its chunk of rows.
        panel: which one it is among the panels of its chunk of columns.
        numbers: the indices of its rows, where they were computed before.
    """

    batch: tuple[Expr, ...]
    row: Expr
    column: Expr
    rows: int
    widths: tuple[int, ...]
    last_row: Expr | None = None
    first: Expr = ZERO
    panel: Expr = ZERO
    numbers: Buffer | None = None

    def row_at(self, r: Expr | int) -> Expr:
        """The index of a row of the tile."""
        if self.numbers is not None:
            return Load(self.numbers, (r if isinstance(r, Expr) else integer(r),))
        row = self.row + r
        return row if self.last_row is None else minimum(row, self.last_row)

    def place(self, r: Expr | int, offset: Expr | int, rank: int) -> tuple[Expr, ...]:
        """The index of an element in a result of some rank."""
        return (*self.batch, self.row_at(r), self.column + offset)[-rank:]


@dataclass(frozen=True, slots=True)
class Pass:
    """A part of the reduced axis.

    Attributes:
        start: its first index.
        extent: how long it is.
        is_first, is_last: whether it is the first or last one, as conditions.
    """

    start: Expr
    extent: Extent
    is_first: Expr = TRUE
    is_last: Expr = TRUE

    @property
    def is_only(self) -> bool:
        return self.is_first is TRUE and self.is_last is TRUE


Add = Callable[[Expr, Expr, Expr], None]
"""Add a summand: its row and column in the tile, and its value."""
SoFar = Callable[[tuple[Expr, ...]], Expr]
"""The sum of an element that earlier passes have left."""


class Summand(Protocol):
    """What is summed up in a tile."""

    @property
    def anchor(self) -> Node:
        """The node whose results the sums are."""

    @property
    def is_masked(self) -> bool:
        """Whether the last vector of columns may be read in part by a mask."""

    def steps(self, spot: Spot, part: Pass, add: Add) -> None:
        """Write the loops over the reduced axes, with all summands of a tile inside."""


class TileWriter:
    """Writes tiles of one kernel.

    Args:
        context: where to.
        summands: one for each result with the shape of the outputs.
        tile: its size.
        has_passes: whether sums are completed in several passes.
        fetched: what is brought nearer while sums are computed, of the outputs' shape.
    """

    def __init__(
        self,
        context: NestContext,
        summands: Sequence[Summand],
        tile: Tile,
        has_passes: bool = False,
        fetched: Sequence[Buffer] = (),
    ) -> None:
        self.context = context
        self.builder = context.builder
        self.summands = summands
        self.tile = tile
        self.rank = len(context.outputs[0].shape)
        self.fetched = fetched
        self.extras = schedule.epilogue_size(context.group, [s.anchor for s in summands])
        self.partial = self._partial_sums() if has_passes else None

    def write(self, spot: Spot, part: Pass | None = None) -> None:
        """Sum up a part of the reduced axis, all of it by default, with the epilogue behind it."""
        part = part or Pass(ZERO, 0)
        for buffer in self.fetched:
            self.prefetch(spot, buffer)
        cells = [self.sum(spot, summand, part) for summand in self.summands]
        is_kept_anyway = not self.extras and self.partial is self.context.outputs[0]
        if part.is_only or is_kept_anyway:
            self.finish(spot, cells)
            return
        with self.builder.if_(part.is_last):
            self.finish(spot, cells)
        with self.builder.else_():
            self.each(spot, lambda index, place: self.keep(cells[0], index, place))

    def _partial_sums(self) -> Buffer:
        """Where sums wait between passes: in the result itself if it can hold them."""
        output = self.context.outputs[0]
        found = self.reduction(self.summands[0], Spot((ZERO,) * self.rank, ZERO, ZERO, 1, (1,)))
        if output.dtype is found.dtype:
            return output
        return self.builder.alloc(found.dtype, output.shape, Space.GLOBAL, "partial")

    def _waiting(self, index: tuple[Expr, ...]) -> Expr:
        """The sum that an earlier pass has left."""
        assert self.partial is not None
        return Load(self.partial, index, self.context.mask)

    def prefetch(self, spot: Spot, buffer: Buffer) -> None:
        """Fetch the lines of a tile."""
        line = max(schedule.LINE_BYTES // buffer.dtype.itemsize, 1)
        with self.context.one_loop(spot.rows, name="r") as r:
            for offset in range(0, sum(spot.widths), line):
                place = tuple(map(self.context.index, spot.place(r, offset, self.rank)))
                self.builder.let(Load(buffer, place, hint="prefetch"), "fetched")

    # --------------------------------------------------------------------------------------- sums

    def reduction(self, summand: Summand, spot: Spot) -> Reduction:
        found = self.context.capture(summand.anchor.output, spot.place(0, 0, self.rank))
        assert found is not None
        return found

    def sum(self, spot: Spot, summand: Summand, part: Pass, so_far: SoFar | None = None) -> Buffer:
        """The accumulators of a tile, behind the loops that fill them.

        What earlier passes have summed up is in the result, unless `so_far` knows better.
        """
        found = self.reduction(summand, spot)
        shape = (spot.rows, len(spot.widths) * self.tile.lanes)
        cells = self.builder.alloc(found.dtype, shape, name="sum")

        def clear(_: tuple[Expr, ...], place: tuple[Expr, ...]) -> None:
            self.builder.store(cells, place, found.identity)

        def resume(index: tuple[Expr, ...], place: tuple[Expr, ...]) -> None:
            self.builder.store(cells, place, (so_far or self._waiting)(index))

        def add(r: Expr, offset: Expr, value: Expr) -> None:
            place = (r, self.context.index(offset))
            self.builder.store(cells, place, accumulated(found, Load(cells, place), value))

        if part.is_first is TRUE:
            self.each(spot, clear)
        else:
            with self.builder.if_(part.is_first):
                self.each(spot, clear)
            with self.builder.else_():
                self.each(spot, resume)
        summand.steps(spot, part, add)
        return cells

    def each(self, spot: Spot, write: Callable[[tuple[Expr, ...], tuple[Expr, ...]], None]) -> None:
        """Write code for every vector of a tile: by its index in the result and in the tile."""
        is_masked = all(summand.is_masked for summand in self.summands)
        for offset in vectors(self.context, spot, self.tile.lanes, is_masked):
            with self.context.one_loop(spot.rows, LoopKind.UNROLL, "r") as r:
                index = tuple(map(self.context.index, spot.place(r, offset, self.rank)))
                write(index, (r, self.context.index(offset)))

    def keep(self, cells: Buffer, index: tuple[Expr, ...], place: tuple[Expr, ...]) -> None:
        """Leave an unfinished sum for the next pass."""
        assert self.partial is not None
        self.builder.store(self.partial, index, Load(cells, place), self.context.mask)

    # ----------------------------------------------------------------------------------- epilogue

    def finish(self, spot: Spot, cells: Sequence[Buffer]) -> None:
        """Every output, from complete sums."""
        is_whole = spot.widths[-1] == self.tile.lanes
        count = spot.rows * len(spot.widths)
        if not self.extras or (is_whole and schedule.unrolls_epilogue(self.extras, count)):
            self.each(spot, lambda index, place: self.output(index, cells, place))
            return
        copies = [self.spilled(spot, buffer) for buffer in cells]
        shape = spot.rows, sum(spot.widths)
        for r, lane in self.context.vector_loops(shape, "r"):
            self.output(spot.place(r, lane, self.rank), copies, (r, lane))

    def output(
        self, index: tuple[Expr, ...], cells: Sequence[Buffer], place: tuple[Expr, ...]
    ) -> None:
        """Define the sums of an element, and store the outputs that follow."""
        for summand, buffer in zip(self.summands, cells, strict=True):
            value = summand.anchor.output
            found = self.context.capture(value, index)
            assert found is not None
            total = self.builder.let(Load(buffer, place), "total")
            self.context.define(value, index, self.builder.let(found.finish(total), "total"))
        self.context.store_outputs(index)

    def spilled(self, spot: Spot, cells: Buffer) -> Buffer:
        """A copy of the accumulators in memory, where a loop may index it."""
        copy = self.builder.alloc(cells.dtype, cells.shape, Space.GLOBAL, "tile")
        whole = replace(spot, widths=(self.tile.lanes,) * len(spot.widths))
        for offset in vectors(self.context, whole, self.tile.lanes, False):
            with self.context.one_loop(spot.rows, LoopKind.UNROLL, "r") as r:
                place = (r, self.context.index(offset))
                self.builder.store(copy, place, Load(cells, place))
        return copy


def accumulated(reduction: Reduction, sofar: Expr, value: Expr) -> Expr:
    """One summand more; a product is multiplied and added as one operation."""
    match value:
        case Apply(row, (a, b)) if (
            row.name == "multiply" and reduction.row.name == "add" and value.dtype.is_float
        ):
            return multiply_add(a, b, sofar)
        case Intrinsic(row, (_, a, b)) if reduction.row.name == "add" and row in DOT_ROWS:
            return replace(value, args=(sofar, a, b))
        case _:
            return Apply(reduction.row, (sofar, value))


def vectors(context: NestContext, spot: Spot, lanes: int, is_masked: bool) -> Iterator[Expr]:
    """A vector loop for each vector of columns: the column in the tile of its lane.

    What is left over is a whole vector under a mask, or else a shorter one.
    """
    whole = sum(width == lanes for width in spot.widths)
    if whole:
        for v, lane in context.vector_loops((whole, lanes), "v", LoopKind.UNROLL):
            yield v * lanes + lane
    if whole < len(spot.widths):
        rest = spot.widths[-1]
        for _, lane in context.vector_loops((1, lanes if is_masked else rest), "v"):
            with context.masked(lane < rest if is_masked else TRUE):
                yield lane + whole * lanes


def unrolled(
    context: NestContext,
    extent: Extent,
    by: int,
    name: str = "k",
    start: Callable[[Expr], None] = lambda _: None,
) -> Iterator[Expr]:
    """Indices of a loop in rounds of several steps, then one by one.

    Each round begins with what `start` writes, given its number.
    """
    whole, rest = divided(extent, by)
    if whole != 0:
        with context.one_loop(whole, name=name) as block:
            start(block)
            with context.one_loop(by, LoopKind.UNROLL, "u") as step:
                yield block * by + step
    if rest != 0:
        with context.one_loop(rest, name=name) as step:
            yield index_of(whole) * by + step


@dataclass(frozen=True, slots=True)
class AnySum:
    """Summands of any reduction: plain sums along columns, convolutions.

    Attributes:
        context: where code goes.
        anchor: the node with the reduction.
        lanes: of a vector.
    """

    context: NestContext
    anchor: Node
    lanes: int
    is_masked: bool = False

    def steps(self, spot: Spot, part: Pass, add: Add) -> None:
        rank = self.anchor.output.type.rank
        extents = self.reduction(spot.place(0, 0, rank), part).extents
        with self.context.loops(extents, name="k") as reduced:
            for v, width in enumerate(spot.widths):
                # Written out, so that what does not depend on the column is shared.
                with self.context.one_loop(width, LoopKind.VECTOR, "l") as lane:
                    for r in range(spot.rows):
                        offset = lane + v * self.lanes
                        found = self.reduction(spot.place(r, offset, rank), part)
                        add(integer(r), offset, found.body(reduced))

    def reduction(self, index: Sequence[Expr], part: Pass) -> Reduction:
        """The summands of one element; all of them, whatever part is asked for."""
        found = self.context.capture(self.anchor.output, index)
        assert found is not None
        return found
