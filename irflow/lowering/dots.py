"""Tiles of sums whose vectors lie along the reduced axis: products with few columns.

Each element of a tile has an accumulating vector of its own, which is summed by halves at the end.
"""

from __future__ import annotations

from collections.abc import Sequence

from irflow.dims import Size
from irflow.ir.graph import Node
from irflow.loops import Buffer, Expr, Load, LoopKind, Select, integer
from irflow.lowering.nest import NestContext
from irflow.lowering.schedule import Tile
from irflow.lowering.tile import Pass, Spot, accumulated
from irflow.lowering.values import ZERO, Reduction, divided


class DotWriter:
    """Writes tiles of one kernel.

    Args:
        context: where to.
        anchors: the nodes whose results are summed.
        tile: its size.
    """

    def __init__(self, context: NestContext, anchors: Sequence[Node], tile: Tile) -> None:
        self.context = context
        self.builder = context.builder
        self.anchors = anchors
        self.lanes = tile.lanes
        self.rank = len(context.outputs[0].shape)

    def write(self, spot: Spot) -> None:
        """Sum all up, and the epilogue."""
        totals = [self.totals(spot, anchor) for anchor in self.anchors]
        for r, c in _pairs(spot):
            index = spot.place(r, c, self.rank)
            for anchor, total in zip(self.anchors, totals, strict=True):
                value = self.capture(anchor, index).finish(total[r, c])
                self.context.define(anchor.output, index, self.builder.let(value, "total"))
            self.context.store_outputs(index)

    def totals(
        self, spot: Spot, anchor: Node, part: Pass | None = None
    ) -> dict[tuple[int, int], Expr]:
        """The sums of a tile by row and column, over a part of the last reduced axis or all."""
        context, lanes = self.context, self.lanes
        found = self.capture(anchor, spot.place(0, 0, self.rank))
        shape = (spot.rows, len(spot.widths), lanes)
        cells = self.builder.alloc(found.dtype, shape, name="sum")
        with context.one_loop(lanes, LoopKind.VECTOR, "l") as lane:
            for r, c in _pairs(spot):
                self.builder.store(cells, (integer(r), integer(c), lane), found.identity)
        *outer, inner = found.extents
        first, inner = (ZERO, inner) if part is None else (part.start, part.extent)
        whole, rest = divided(inner, lanes)
        with context.loops(outer, name="k") as reduced:
            for start, width in context.vectors_of(whole, rest, lanes):
                self.add(spot, anchor, cells, reduced, first + start, width)
        return {
            (r, c): context.combine_lanes(found, cells, (integer(r), integer(c)), lanes)
            for r, c in _pairs(spot)
        }

    def add(
        self,
        spot: Spot,
        anchor: Node,
        cells: Buffer,
        reduced: Sequence[Expr],
        start: Expr,
        width: Size | Expr,
    ) -> None:
        """One vector of summands for every element of the tile."""
        for lane, chosen in self.context.lanes_of(width, self.lanes):
            for r, c in _pairs(spot):
                found = self.capture(anchor, spot.place(r, c, self.rank))
                place = (integer(r), integer(c), lane)
                value = found.body([*reduced, start + lane])
                before = Load(cells, place)
                after = accumulated(found, before, value)
                after = after if chosen is None else Select(chosen, after, before)
                self.builder.store(cells, place, after)

    def capture(self, anchor: Node, index: Sequence[Expr]) -> Reduction:
        found = self.context.capture(anchor.output, index)
        assert found is not None
        return found


def _pairs(spot: Spot) -> list[tuple[int, int]]:
    return [(r, c) for r in range(spot.rows) for c in range(len(spot.widths))]
