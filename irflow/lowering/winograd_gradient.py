"""Weight gradients of convolutions of 3 by 3 taps by Winograd's products.

for chunk of the positions, part of the channels and columns    parallel
  for block of positions in the chunk
    copy what the block sees of the image               zeros around it, channels of the part only
    for tile: transform what it sees, and the result's gradient
    for point: sums += what tiles see times the gradient, both at this point, over all tiles
  transform the sums
result = chunk 0 + chunk 1 … in this order, and what follows it

A tile is a square of positions, which sees a square with two more rows and positions of the image.
An element that is NaN or infinite spreads to all weights of its channel or column.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import product as combinations

from irflow.ir.graph import Node
from irflow.loops import Buffer, Expr, Load, LoopKind, Space, integer
from irflow.lowering import schedule
from irflow.lowering.cuts import Cut
from irflow.lowering.nest import NestContext
from irflow.lowering.outer import add_outer_product
from irflow.lowering.tile import Spot, accumulated, unrolled, vectors
from irflow.lowering.values import ZERO, Extent, divided, index_of
from irflow.lowering.weight_gradient_blocks import Block, Blocks, Chunk, chunk_loop
from irflow.lowering.weight_gradient_form import Form
from irflow.lowering.winograd_gradient_plan import Plan, plan_of
from irflow.lowering.winograd_square import Square, finish_square, on_both_axes
from irflow.lowering.winograd_transform import TAPS

UNROLLED = 4
"""Tiles in one round of their loop."""


def winograd_gradient_nest(context: NestContext, anchor: Node, form: Form) -> bool:
    """Write the nest of a group with a weight gradient at its end; False where this is no gain."""
    plan = plan_of(form)
    if plan is None:
        return False
    _WinogradGradient(context, anchor, form, plan).write()
    return True


class _WinogradGradient:
    """Writes one weight gradient.

    Args:
        context: where to.
        anchor: the weight gradient.
        form: of it.
        plan: how it is cut.
    """

    def __init__(self, context: NestContext, anchor: Node, form: Form, plan: Plan) -> None:
        self.context = context
        self.builder = context.builder
        self.anchor = anchor
        self.form = form
        self.plan = plan
        self.transform = plan.transform
        self.image, self.gradient = anchor.inputs
        self.blocks = Blocks(context, form, self.image, plan.cut, plan.spans, plan.channels)
        reduction = context.capture(anchor.output, (ZERO,) * 4)
        assert reduction is not None
        self.reduction = reduction
        self.zero = reduction.identity
        extras = schedule.epilogue_size(context.group, [anchor])
        self.is_short = schedule.unrolls_epilogue(extras, TAPS**2)

    # --------------------------------------------------------------------------------------- loops

    def write(self) -> None:
        """All loops."""
        plan, form, context = self.plan, self.form, self.context
        across = form.columns // plan.columns
        sizes = plan.chunks, across * (form.channels // plan.channels)
        with chunk_loop(context, self.anchor, form.dtype, plan.cut, sizes) as chunk:
            self.channel = self._named(chunk.part // across * plan.channels)
            self.column = self._named(chunk.part % across * plan.columns)
            self.seen = self._room(plan.tiles, plan.channels, "seen")
            self.given = self._room(plan.tiles, plan.columns, "given")
            self.sums = self._room(plan.channels, plan.columns, "sums")
            if chunk.extent != 1:
                self._clear()
            with context.one_loop(chunk.extent, name="b") as number:
                block = self.blocks.block(context.index(chunk.start + number))
                self._see(block)
                self._give(block)
                self._multiply(block, chunk.extent == 1)
            self._results(chunk)

    def _named(self, value: Expr) -> Expr:
        return self.builder.let(self.context.index(value), "first")

    def _room(self, rows: int, columns: int, name: str) -> Buffer:
        shape = self.plan.points, rows, columns
        return self.builder.alloc(self.form.dtype, shape, Space.GLOBAL, name)

    def _clear(self) -> None:
        """Set all sums to 0."""
        points, rows, columns = self.sums.shape
        with (
            self.context.loops((points, rows), name="z") as place,
            self.context.one_loop(columns, LoopKind.VECTOR, "l") as lane,
        ):
            self.builder.store(self.sums, (*place, lane), self.zero)

    # ---------------------------------------------------------------------------------- transforms

    def _see(self, block: Block) -> None:
        """Transform what the tiles of a block see."""
        context, plan, step = self.context, self.plan, self.transform.results
        copy = self.blocks.copy(block, self.channel)
        lines = self._lines(block)
        with context.loops((block.images, lines, plan.counts[1]), name="t") as (n, y, x):
            tile = self._tile(n, y, x)
            with context.one_loop(plan.channels, LoopKind.VECTOR, "l") as lane:
                size = range(self.transform.size)
                square = [
                    [self._seen(copy, (n, y * step + i, x * step + j), lane) for j in size]
                    for i in size
                ]
                image = partial(self.transform.image, self.builder)
                self._store(self.seen, tile, lane, on_both_axes(image, square))

    def _seen(self, copy: Buffer, place: tuple[Expr, ...], lane: Expr) -> Expr:
        n, y, x = map(self.context.index, place)
        at = self.context.index(x * self.plan.channels + lane)
        return self.builder.let(Load(copy, (n, y, at)), "x")

    def _give(self, block: Block) -> None:
        """Transform the gradients of the results of the tiles of a block."""
        context, step = self.context, self.transform.results
        across = Cut(self.form.out[1], step, None)
        with context.one_loop(block.images, name="t") as n:
            for y, height in self._down(block):
                for along in across.pieces(context, ZERO, "x"):
                    tile = self._tile(n, y, along.number)
                    place = n, context.index(y * step), along.start
                    self._given(block, tile, place, (height, along.length))

    def _given(
        self, block: Block, tile: Expr, place: tuple[Expr, Expr, Expr], shape: tuple[int, int]
    ) -> None:
        """One tile, of which so many rows and positions are in the result."""
        step, (n, y, x) = range(self.transform.results), place
        with self.context.one_loop(self.plan.columns, LoopKind.VECTOR, "l") as lane:
            square: Square = [[self.zero for _ in step] for _ in step]
            for i, j in combinations(*map(range, shape)):
                at = n, self.context.index(y + i), self.context.index(x + j)
                column = self.context.index(self.column + lane)
                found = self.blocks.gradient(self.gradient, block, at, column)
                square[i][j] = self.builder.let(found, "g")
            gradient = partial(self.transform.gradient, self.builder)
            self._store(self.given, tile, lane, on_both_axes(gradient, square))

    def _down(self, block: Block) -> Iterator[tuple[Expr, int]]:
        """The lines of tiles of a block, and how many of their rows are in the result."""
        whole, rest = divided(block.rows, self.transform.results)
        with self.context.one_loop(whole, name="y") as y:
            yield y, self.transform.results
        if self.form.out[0] % self.transform.results:
            with self.context.one_loop(rest, name="y"):
                yield index_of(whole), 1

    def _lines(self, block: Block) -> Extent:
        step = self.transform.results
        lines = (block.rows + (step - 1)) // step
        return self.context.index(lines) if isinstance(lines, Expr) else lines

    def _tile(self, n: Expr, y: Expr, x: Expr) -> Expr:
        """The number of a tile in its block."""
        lines, positions = self.plan.lines, self.plan.counts[1]
        return self.context.index((n * lines + y) * positions + x)

    def _store(self, buffer: Buffer, tile: Expr, lane: Expr, square: Square) -> None:
        for point, value in enumerate(value for line in square for value in line):
            self.builder.store(buffer, (integer(point), tile, lane), value)

    # ------------------------------------------------------------------------------------ products

    def _multiply(self, block: Block, is_only: bool) -> None:
        """Add the products of all tiles of a block to the sums."""
        context, plan = self.context, self.plan
        tiles = block.images * (self._lines(block) * plan.counts[1])
        if isinstance(tiles, Expr):
            tiles = self._named(tiles)
        with context.one_loop(plan.points, name="p") as point:
            for across in Cut(plan.columns, plan.tile.width, None).pieces(context, ZERO, "j"):
                widths = (plan.tile.lanes,) * (across.length // plan.tile.lanes)
                for down in Cut(plan.channels, plan.tile.rows, None).pieces(context, ZERO, "i"):
                    spot = Spot((point,), down.start, across.start, down.length, widths)
                    self._product(spot, tiles, is_only)

    def _product(self, spot: Spot, tiles: Extent, is_only: bool) -> None:
        """The sums of a register tile at one point."""
        shape = spot.rows, sum(spot.widths)
        cells = self.builder.alloc(self.form.dtype, shape, name="sum")
        for place, target in self._cells(spot):
            before = self.zero if is_only else Load(self.sums, target)
            self.builder.store(cells, place, before)
        for tile in unrolled(self.context, tiles, UNROLLED, "t"):
            self._step(spot, tile, cells)
        for place, target in self._cells(spot):
            self.builder.store(self.sums, target, Load(cells, place))

    def _cells(self, spot: Spot) -> Iterator[tuple[tuple[Expr, Expr], tuple[Expr, ...]]]:
        """Loops over the vectors of a register tile, by their places in it and in the sums."""
        context = self.context
        for offset in vectors(context, spot, self.plan.tile.lanes, False):
            with context.one_loop(spot.rows, LoopKind.UNROLL, "r") as r:
                at = spot.row + r, spot.column + offset
                yield (r, context.index(offset)), (spot.batch[0], *map(context.index, at))

    def _step(self, spot: Spot, tile: Expr, cells: Buffer) -> None:
        """The products of one tile of positions."""
        context, (point,), at = self.context, spot.batch, self.context.index(tile)

        def rows() -> Iterator[tuple[Expr, Expr]]:
            with context.one_loop(spot.rows, LoopKind.UNROLL, "r") as r:
                place = point, at, context.index(spot.row + r)
                yield r, self.builder.let(Load(self.seen, place), "a")

        def row(offset: Expr) -> Expr:
            return Load(self.given, (point, at, context.index(spot.column + offset)))

        def add(r: Expr, offset: Expr, value: Expr) -> None:
            place = r, context.index(offset)
            after = accumulated(self.reduction, Load(cells, place), value)
            self.builder.store(cells, place, after)

        lanes = self.plan.tile.lanes
        add_outer_product(context, spot, lanes, self.form.dtype, False, rows, row, add)

    # ------------------------------------------------------------------------------------- results

    def _results(self, chunk: Chunk) -> None:
        """The sums of a chunk transformed."""
        with self.context.one_loop(self.plan.channels, name="c") as channel:
            first = self.context.index(self.channel + channel)
            finish_square(
                self.context,
                self.form.dtype,
                (TAPS, TAPS, self.plan.columns),
                lambda lane: self._result(channel, lane),
                lambda i, j, lane, total: chunk.store(
                    self.context, self.anchor, (i, j, first, self.column + lane), total
                ),
                self.is_short or chunk.partial is not None,
            )

    def _result(self, channel: Expr, lane: Expr) -> Square:
        """The weights of a channel and a column."""
        size = range(self.transform.size)
        square = [
            [
                self.builder.let(Load(self.sums, (integer(i * len(size) + j), channel, lane)), "m")
                for j in size
            ]
            for i in size
        ]
        return on_both_axes(partial(self.transform.kernel, self.builder), square)
