"""Sums of products with accumulators in registers: matrix products, convolutions, column sums.

    for batch, row block, column block          one register tile of the result
      accumulators = 0
      for k                                     the reduced axes
        for each vector of columns, each row    unrolled
          accumulators[row, columns] += left[row, k] * right[k, columns]
      result[row, columns] = epilogue(accumulators[row, columns])

Where the operands run along the reduced axis instead (`x @ w.T`), vectors lie along k, with one
accumulating vector for each element of the tile, and are summed by halves at the end. Operands
are element functions: their prologues stand in the loop where their index is known. Each element
is summed in the order of k whatever the tile, so that specialised and symbolic code agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from irflow.dims import Size
from irflow.ir.graph import Node
from irflow.ir.op import Lowering
from irflow.loops import Apply, Buffer, Expr, Load, LoopKind, integer
from irflow.loops.intrinsics import multiply_add
from irflow.lowering import schedule
from irflow.lowering.group import Group
from irflow.lowering.nest import Built, NestContext
from irflow.lowering.schedule import Tile
from irflow.lowering.target import Target
from irflow.lowering.values import ZERO, Reduction, divided, index_of


def contraction_nest(group: Group, target: Target) -> Built | None:
    """The tiled nest for a group with reductions at its end; None where tiles do not fit it."""
    anchors = group.anchors()
    if not anchors or not group.outputs[0].type.rank:
        return None
    context = NestContext(group, target)
    tile = _choose_tile(context, anchors)
    if tile is None:
        return None
    _Writer(context, anchors, tile).write()
    return context.finish()


def _choose_tile(context: NestContext, anchors: Sequence[Node]) -> Tile | None:
    shape = context.outputs[0].shape
    rows, columns = shape[-2] if len(shape) > 1 else 1, shape[-1]
    if not isinstance(columns, int):
        return None
    tiles = set()
    for anchor in anchors:
        index = [ZERO] * len(shape)
        found = context.capture(anchor.output, index)
        if found is None or not found.extents or any(isinstance(e, Expr) for e in found.extents):
            return None
        summand = partial(_summand, context, anchor, len(found.extents))
        moves = context.probe_body(3, summand)
        is_product = anchor.op.lowering is Lowering.CONTRACTION
        tiles.add(
            schedule.contraction_tile(context.target, found.dtype, rows, columns, moves, is_product)
        )
    return tiles.pop() if len(tiles) == 1 else None


def _summand(context: NestContext, anchor: Node, reduced: int, variables: Sequence[Expr]) -> Expr:
    """One summand at (row, column, innermost reduced index), all other indices 0."""
    row, column, inner = variables
    rank = anchor.output.type.rank
    index = [*[ZERO] * (rank - 2), row, column][-rank:]
    found = context.capture(anchor.output, index)
    assert found is not None
    return found.body([*[ZERO] * (reduced - 1), inner])


@dataclass(frozen=True, slots=True)
class _Block:
    """One register tile: where it starts and how large it is.

    Attributes:
        batch: indices of the axes before rows and columns.
        row, column: where it starts.
        rows: how many rows.
        widths: elements of each vector of columns; for inner tiles, 1 for each column.
    """

    batch: tuple[Expr, ...]
    row: Expr
    column: Expr
    rows: int
    widths: tuple[int, ...]


class _Writer:
    def __init__(self, context: NestContext, anchors: Sequence[Node], tile: Tile) -> None:
        self.context = context
        self.builder = context.builder
        self.anchors = anchors
        self.tile = tile
        self.shape = context.outputs[0].shape

    def write(self) -> None:
        """All tiles: whole ones in loops, the rest of rows and columns behind them."""
        context, tile = self.context, self.tile
        rows: Size = self.shape[-2] if len(self.shape) > 1 else 1
        with context.loops(self.shape[:-2], LoopKind.PARALLEL, "b") as batch:
            whole, rest = divided(rows, tile.rows)
            if whole != 0:
                with context.one_loop(whole, LoopKind.PARALLEL, "i") as block:
                    self.row_block(batch, block * tile.rows, tile.rows)
            start = index_of(whole) * tile.rows
            if isinstance(rest, int):
                if rest:
                    self.row_block(batch, start, rest)
                return
            with context.one_loop(rest, name="i") as row:
                self.row_block(batch, start + row, 1)

    def row_block(self, batch: tuple[Expr, ...], row: Expr, rows: int) -> None:
        columns = self.shape[-1]
        assert isinstance(columns, int)
        width = 1 if self.tile.is_inner else self.tile.lanes
        step = self.tile.columns * width
        if columns >= step:
            with self.context.one_loop(columns // step, name="j") as block:
                widths = (width,) * self.tile.columns
                self.block(_Block(batch, row, block * step, rows, widths))
        rest = columns % step
        if rest:
            widths = (width,) * (rest // width) + ((rest % width,) if rest % width else ())
            start = integer(columns - rest)
            self.block(_Block(batch, row, start, rows, widths))

    def block(self, block: _Block) -> None:
        if self.tile.is_inner:
            self.inner_block(block)
        else:
            self.column_block(block)

    # ------------------------------------------------------------------------ vectors of columns

    def column_block(self, block: _Block) -> None:
        cells = [self.sum_columns(block, anchor) for anchor in self.anchors]
        for lane, v in self.vectors(block):
            for r in range(block.rows):
                index = self.place(block, r, block.column + v * self.tile.lanes + lane)
                for anchor, cell in zip(self.anchors, cells, strict=True):
                    total = Load(cell, (integer(r), v * self.tile.lanes + lane))
                    self.define(anchor, index, total)
                self.context.store_outputs(index)

    def vectors(self, block: _Block) -> Iterator[tuple[Expr, Expr]]:
        """A vector loop for each vector of columns: its lane, and its number."""
        for v, width in enumerate(block.widths):
            with self.context.one_loop(width, LoopKind.VECTOR, "l") as lane:
                yield lane, integer(v)

    def sum_columns(self, block: _Block, anchor: Node) -> Buffer:
        lanes = self.tile.lanes
        found = self.capture(anchor, self.place(block, 0, ZERO))
        shape = (block.rows, len(block.widths) * lanes)
        cells = self.builder.alloc(found.dtype, shape, name="sum")
        for lane, v in self.vectors(block):
            for r in range(block.rows):
                self.builder.store(cells, (integer(r), v * lanes + lane), found.identity)
        with self.context.loops(found.extents, name="k") as reduced:
            for lane, v in self.vectors(block):
                for r in range(block.rows):
                    index = self.place(block, r, block.column + v * lanes + lane)
                    value = self.capture(anchor, index).body(reduced)
                    self.accumulate(found, cells, (integer(r), v * lanes + lane), value)
        return cells

    # ---------------------------------------------------------------- vectors of reduced elements

    def inner_block(self, block: _Block) -> None:
        totals = [self.sum_inner(block, anchor) for anchor in self.anchors]
        for r in range(block.rows):
            for c in range(len(block.widths)):
                index = self.place(block, r, block.column + c)
                for anchor, total in zip(self.anchors, totals, strict=True):
                    self.define(anchor, index, total[r, c])
                self.context.store_outputs(index)

    def sum_inner(self, block: _Block, anchor: Node) -> dict[tuple[int, int], Expr]:
        context, lanes = self.context, self.tile.lanes
        found = self.capture(anchor, self.place(block, 0, ZERO))
        columns = len(block.widths)
        cells = self.builder.alloc(found.dtype, (block.rows, columns, lanes), name="sum")
        with context.one_loop(lanes, LoopKind.VECTOR, "l") as lane:
            for r, c in _pairs(block.rows, columns):
                self.builder.store(cells, (integer(r), integer(c), lane), found.identity)
        *outer, inner = found.extents
        whole, rest = divided(inner, lanes)
        with context.loops(outer, name="k") as reduced:
            for start, width in context.vectors_of(whole, rest, lanes):
                self.add_lanes(block, anchor, cells, reduced, start, width)
        return {
            (r, c): context.combine_lanes(found, cells, (integer(r), integer(c)), lanes)
            for r, c in _pairs(block.rows, columns)
        }

    def add_lanes(
        self,
        block: _Block,
        anchor: Node,
        cells: Buffer,
        reduced: Sequence[Expr],
        start: Expr,
        width: Size | Expr,
    ) -> None:
        """One vector of summands for every element of the tile."""
        with self.context.one_loop(width, LoopKind.VECTOR, "l") as lane:
            for r, c in _pairs(block.rows, len(block.widths)):
                found = self.capture(anchor, self.place(block, r, block.column + c))
                value = found.body([*reduced, start + lane])
                self.accumulate(found, cells, (integer(r), integer(c), lane), value)

    # ------------------------------------------------------------------------------------ shared

    def place(self, block: _Block, row: int, column: Expr) -> tuple[Expr, ...]:
        """The output index of an element of a tile."""
        return (*block.batch, block.row + row, column)[-len(self.shape) :]

    def capture(self, anchor: Node, index: Sequence[Expr]) -> Reduction:
        found = self.context.capture(anchor.output, index)
        assert found is not None
        return found

    def define(self, anchor: Node, index: Sequence[Expr], total: Expr) -> None:
        """The value of a reduction, for the epilogue."""
        value = self.capture(anchor, index).finish(total)
        self.context.define(anchor.output, index, self.builder.let(value, "total"))

    def accumulate(
        self, reduction: Reduction, cells: Buffer, place: tuple[Expr, ...], value: Expr
    ) -> None:
        old = Load(cells, place)
        match value:
            case Apply(row, (a, b)) if (
                row.name == "multiply" and reduction.row.name == "add" and value.dtype.is_float
            ):
                self.builder.store(cells, place, multiply_add(a, b, old))
            case _:
                self.builder.store(cells, place, reduction.row(old, value))


def _pairs(rows: int, columns: int) -> list[tuple[int, int]]:
    return [(r, c) for r in range(rows) for c in range(columns)]
