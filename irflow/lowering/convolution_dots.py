"""Tiles of convolutions with few columns: vectors run along the channels that are summed over.

Each element of a tile has an accumulating vector of its own. At the end they are summed up
together, so that the sums lie side by side in vectors again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from irflow.loops import Buffer, Expr, Load, LoopKind, Ramp, Space, integer
from irflow.lowering.packing import summed
from irflow.lowering.tile import Pass, accumulated, unrolled
from irflow.lowering.values import ZERO, Reduction

if TYPE_CHECKING:
    from irflow.lowering.convolution import ConvolutionSpot, Phase


class DotTiles:
    """Tiles of few columns: vectors run along the channels, and are summed up at the end.

    Args:
        phase: what the tiles are part of.
    """

    def __init__(self, phase: Phase) -> None:
        self.phase = phase
        self.context = phase.context
        self.builder = phase.builder
        self.lanes = phase.cuts.tile.lanes

    def write(self, spot: ConvolutionSpot, _: Pass) -> None:
        """The sums of a tile, and what follows them."""
        context, anchor = self.context, self.phase.anchor
        rank, columns = anchor.output.type.rank, len(spot.widths)
        found = context.capture(anchor.output, spot.place(0, 0, rank))
        assert found is not None
        cells = self.builder.alloc(found.dtype, (spot.rows, columns, self.lanes), name="sum")
        with (
            context.loops((spot.rows, columns), LoopKind.UNROLL, "r") as place,
            context.one_loop(self.lanes, LoopKind.VECTOR, "l") as lane,
        ):
            self.builder.store(cells, (*place, lane), found.identity)
        if not self.phase.is_empty:
            self.phase.fetch(spot)
            self._add(spot, cells, found)
        totals = self._totals(spot, cells)
        if columns == 1:
            with context.one_loop(spot.rows, LoopKind.VECTOR, "r") as r:
                self._finish(spot, r, ZERO, Load(totals, (r,)))
            return
        for r, c in context.vector_loops((spot.rows, columns), "r"):
            self._finish(spot, r, c, Load(totals, (context.index(r * columns + c),)))

    def _finish(self, spot: ConvolutionSpot, r: Expr, c: Expr, total: Expr) -> None:
        """The outputs that follow from a sum."""
        context, value = self.context, self.phase.anchor.output
        index = spot.place(r, c, value.type.rank)
        found = context.capture(value, index)
        assert found is not None
        context.define(value, index, self.builder.let(found.finish(self.builder.let(total))))
        context.store_outputs(index)

    def _totals(self, spot: ConvolutionSpot, cells: Buffer) -> Buffer:
        """The vectors of a tile summed up, row by row."""
        pairs = [(r, c) for r in range(spot.rows) for c in range(len(spot.widths))]
        room = -(-len(pairs) // self.lanes) * self.lanes
        totals = self.builder.alloc(cells.dtype, (room,), Space.GLOBAL, "tile")
        ramp = Ramp(ZERO, 1, self.lanes)
        for start in range(0, len(pairs), self.lanes):
            chosen = pairs[start : start + self.lanes]
            loads = [Load(cells, (integer(r), integer(c), ramp)) for r, c in chosen]
            found = summed(self.context, [self.builder.let(load, "row") for load in loads])
            self.builder.store(totals, (Ramp(integer(start), 1, self.lanes),), found)
        return totals

    def _add(self, spot: ConvolutionSpot, cells: Buffer, found: Reduction) -> None:
        context, phase, columns = self.context, self.phase, len(spot.widths)
        vectors_of_depth = phase.form.depth // self.lanes
        with phase.taps(spot) as (place, first, seen, tap):
            for block in unrolled(context, vectors_of_depth, phase.cuts.unrolled, "c"):
                start = block * self.lanes
                held = self.builder.alloc(found.dtype, (columns, self.lanes), name="b")
                with context.one_loop(self.lanes, LoopKind.VECTOR, "l") as lane:
                    for c in range(columns):
                        weight = phase.weights.read_column(place, first, start + lane, c)
                        self.builder.store(held, (integer(c), lane), weight)
                self._add_rows(spot, cells, found, held, (seen + start, tap))

    def _add_rows(
        self,
        spot: ConvolutionSpot,
        cells: Buffer,
        found: Reduction,
        held: Buffer,
        where: tuple[Expr, Expr],
    ) -> None:
        context, (seen, tap) = self.context, where
        for r in range(spot.rows):
            far = seen + r * self.phase.pitch
            with (
                context.one_loop(self.lanes, LoopKind.VECTOR, "l") as lane,
                context.masked(self.phase.is_inside(spot.row + r, tap)),
            ):
                left = self.builder.let(self.phase.read(far + lane), "a")
                for c in range(len(spot.widths)):
                    place = integer(r), integer(c), lane
                    product = left * Load(held, (integer(c), lane))
                    after = accumulated(found, Load(cells, place), product)
                    self.builder.store(cells, place, after)
