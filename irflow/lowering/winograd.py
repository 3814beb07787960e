"""Convolutions of 3 by 3 taps by Winograd's products: fewer multiplications for a few more sums.

transform the weights                                 parallel, unless they are constants
for chunk of columns, image, slab of lines of tiles   parallel
  copy what the slab sees, between zeros              `convolution_image`
  for tile: transform what it sees, of all channels
  for panel of columns
    for point: multiply what tiles see with weights, both at this point
    for tile: transform the products; what follows the convolution

A tile is a square of results, which sees a square with two more lines and positions. Constant
weights are transformed and packed when code is made. An element that is NaN or infinite spreads to
all results of the tiles that see it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from irflow.dims import Size
from irflow.ir.graph import Node
from irflow.loops import Buffer, Expr, Load, LoopKind, Space, integer
from irflow.lowering.chunks import digits, named
from irflow.lowering.convolution_axes import Form
from irflow.lowering.convolution_image import Slab, flat_image
from irflow.lowering.cuts import Cut, Piece
from irflow.lowering.nest import NestContext
from irflow.lowering.outer import add_outer_product
from irflow.lowering.ready import Known, known
from irflow.lowering.schedule import epilogue_size, steps_in_round, unrolls_epilogue
from irflow.lowering.tile import Pass, Spot, accumulated, unrolled, vectors
from irflow.lowering.values import ZERO, Reduction
from irflow.lowering.winograd_plan import Plan, plan_of
from irflow.lowering.winograd_square import Square, finish_square, on_both_axes
from irflow.lowering.winograd_weights import weights_at_points
from irflow.records import dataclass


def winograd_nest(context: NestContext, anchor: Node, form: Form) -> bool:
    """Write the nest of a group with a convolution at its end; False where another is better."""
    content = known(context, form.weights)
    plan = plan_of(context.target, anchor.output.type.dtype, form, content is not None)
    if plan is None:
        return False
    _Winograd(context, anchor, form, content, plan).write()
    return True


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A part of the result.

    Attributes:
        columns: which chunk of columns.
        example: which image.
        slab: which of its slabs.
        seen: `[point, tile, channel]`, what its tiles see.
        products: `[point, tile, column]`, of one panel of columns at a time.
    """

    columns: Expr
    example: Expr
    slab: Expr
    seen: Buffer
    products: Buffer


class _Winograd:
    """Writes one convolution.

    Args:
        context: where to.
        anchor: the convolution.
        form: of it.
        content: its weights, where they are constants.
        plan: how it is cut.
    """

    def __init__(
        self, context: NestContext, anchor: Node, form: Form, content: Known | None, plan: Plan
    ) -> None:
        self.context = context
        self.builder = context.builder
        self.anchor = anchor
        self.form = form
        self.plan = plan
        self.transform = plan.transform
        self.dtype = anchor.output.type.dtype
        self.flat = flat_image(context, form, 2)
        self.reduction = self._captured((ZERO,) * 4)
        self.weights = weights_at_points(context, form, content, plan, self.dtype)
        self.columns = Cut(form.columns, plan.tile.width, plan.panels)
        count = plan.transform.results**2
        self.is_short = unrolls_epilogue(epilogue_size(context.group, [anchor]), count)

    # --------------------------------------------------------------------------------------- loops

    def write(self) -> None:
        """All loops."""
        with self._chunks() as chunk:
            self._see(chunk)
            for across in self.columns.pieces(self.context, chunk.columns, "j"):
                self._multiply(chunk, across)
                self._results(chunk, across)

    @contextmanager
    def _chunks(self) -> Iterator[_Chunk]:
        """One loop over all chunks; those of an image are neighbours."""
        context, plan = self.context, self.plan
        batch: Size = self.anchor.output.type.shape[0]
        sizes = plan.slabs, self.columns.chunks, batch
        total = batch * plan.slabs * self.columns.chunks
        with context.one_loop(total, LoopKind.PARALLEL, "m") as number:
            slab, columns, example = digits(context, number, sizes)
            # A vector more, so that the lines of neighbouring tiles share no places in a cache.
            depth = self.form.depth + plan.tile.lanes
            seen, products = (
                self.builder.alloc(
                    self.dtype, (plan.points, plan.chunk, length), Space.GLOBAL, name
                )
                for length, name in ((depth, "seen"), (plan.tile.width, "products"))
            )
            yield _Chunk(columns, example, slab, seen, products)

    # ------------------------------------------------------------------------------ what tiles see

    def _see(self, chunk: _Chunk) -> None:
        """Transform what all tiles of a chunk see."""
        context, plan, step = self.context, self.plan, self.transform.results
        slab = self._copy(chunk)
        for line in Cut(plan.counts[0], 1, plan.stack).pieces(context, chunk.slab, "y"):
            with context.one_loop(plan.counts[1], name="x") as position:
                start = slab.start((line.number * step, position * step))
                start = self.builder.let(context.index(start), "start")
                tile = context.index(line.number * plan.counts[1] + position)
                with context.one_loop(self.form.depth, LoopKind.VECTOR, "l") as lane:
                    seen = self._seen(slab, start + lane)
                    for point, value in enumerate(seen):
                        self.builder.store(chunk.seen, (integer(point), tile, lane), value)

    def _copy(self, chunk: _Chunk) -> Slab:
        """What a chunk sees, between its zeros."""
        (axes,) = self.form.phases
        lines, positions = (
            n * self.transform.results for n in (self.plan.stack, self.plan.counts[1])
        )
        slab = Slab.make(self.context, self.form, self.flat, axes, (lines, positions), 0)
        slab.fill(chunk.example, (named(self.context, chunk.slab * lines, axes[0].count), ZERO))
        return slab

    def _seen(self, slab: Slab, start: Expr) -> list[Expr]:
        """What a tile sees of a channel, at all points."""
        size = range(self.transform.size)
        places = [[start + slab.tap((integer(i), integer(j))) for j in size] for i in size]
        square = [[self.builder.let(slab.read(place), "x") for place in line] for line in places]
        found = on_both_axes(partial(self.transform.image, self.builder), square)
        return [value for line in found for value in line]

    # ------------------------------------------------------------------------------------ products

    def _multiply(self, chunk: _Chunk, across: Piece) -> None:
        """The products of all points, for the columns of a panel."""
        context, plan = self.context, self.plan
        lines = Cut(plan.counts[0], plan.lines, plan.stack // plan.lines)
        positions = Cut(plan.counts[1], plan.tile.rows // plan.lines, None)
        with context.one_loop(plan.points, name="p") as point:
            for down in lines.pieces(context, chunk.slab, "y"):
                for along in positions.pieces(context, ZERO, "x"):
                    first = down.number * (plan.lines * plan.counts[1]) + along.start
                    spot = Spot(
                        (point,),
                        context.index(first),
                        across.start,
                        down.length * along.length,
                        (plan.tile.lanes,) * (across.length // plan.tile.lanes),
                    )
                    self._product(chunk, spot)

    def _product(self, chunk: _Chunk, spot: Spot) -> None:
        """The product of a register tile at one point."""
        cells = self.builder.alloc(self.dtype, (spot.rows, sum(spot.widths)), name="sum")
        for place in self._cells(spot):
            self.builder.store(cells, place, self.reduction.identity)
        for k in unrolled(self.context, self.form.depth, steps_in_round(self.plan.tile)):
            self._step(chunk, spot, k, cells)
        for r, column in self._cells(spot):
            target = spot.batch[0], self.context.index(spot.row + r), column
            self.builder.store(chunk.products, target, Load(cells, (r, column)))

    def _cells(self, spot: Spot) -> Iterator[tuple[Expr, Expr]]:
        """Loops over the vectors of a register tile."""
        for offset in vectors(self.context, spot, self.plan.tile.lanes, False):
            with self.context.one_loop(spot.rows, LoopKind.UNROLL, "r") as r:
                yield r, self.context.index(offset)

    def _step(self, chunk: _Chunk, spot: Spot, k: Expr, cells: Buffer) -> None:
        context, lanes = self.context, self.plan.tile.lanes

        def rows() -> Iterator[tuple[Expr, Expr]]:
            with context.one_loop(spot.rows, LoopKind.UNROLL, "r") as r:
                place = spot.batch[0], context.index(spot.row + r), context.index(k)
                yield r, self.builder.let(Load(chunk.seen, place), "a")

        def row(offset: Expr) -> Expr:
            return self.weights.read(spot, Pass(ZERO, self.form.depth), k, offset)

        def add(r: Expr, offset: Expr, value: Expr) -> None:
            place = r, context.index(offset)
            after = accumulated(self.reduction, Load(cells, place), value)
            self.builder.store(cells, place, after)

        add_outer_product(context, spot, lanes, self.dtype, False, rows, row, add)

    # ------------------------------------------------------------------------------------- results

    def _results(self, chunk: _Chunk, across: Piece) -> None:
        """All results of a chunk in a panel."""
        context, plan, step = self.context, self.plan, self.transform.results
        first, last = (axis.count for axis in self.form.phases[0])
        for down in Cut(first, step, plan.stack).pieces(context, chunk.slab, "y"):
            for along in Cut(last, step, None).pieces(context, ZERO, "x"):
                tile = context.index(down.number * plan.counts[1] + along.number)
                self._tile(chunk, tile, (down, along, across))

    def _tile(self, chunk: _Chunk, tile: Expr, pieces: tuple[Piece, Piece, Piece]) -> None:
        """The results of a tile; where much follows them, in a loop over a copy."""
        context, (down, along, across) = self.context, pieces
        line, position, column = down.start, along.start, across.start

        def finish(i: Expr, j: Expr, lane: Expr, total: Expr) -> None:
            self._finish((chunk.example, line + i, position + j, column + lane), total)

        shape = down.length, along.length, across.length
        finish_square(
            context,
            self.dtype,
            shape,
            lambda lane: self._result(chunk, tile, lane),
            finish,
            self.is_short,
        )

    def _result(self, chunk: _Chunk, tile: Expr, lane: Expr) -> Square:
        """The results of a tile in a column, by line and position."""
        size = range(self.transform.size)
        numbers = [[integer(i * len(size) + j) for j in size] for i in size]
        square = [
            [self.builder.let(Load(chunk.products, (n, tile, lane)), "m") for n in line]
            for line in numbers
        ]
        return on_both_axes(partial(self.transform.result, self.builder), square)

    def _finish(self, place: tuple[Expr, ...], total: Expr) -> None:
        """The outputs that follow from a sum."""
        context, value = self.context, self.anchor.output
        index = tuple(map(context.index, place))
        finished = self._captured(index).finish(total)
        context.define(value, index, self.builder.let(finished, "total"))
        context.store_outputs(index)

    def _captured(self, index: tuple[Expr, ...]) -> Reduction:
        found = self.context.capture(self.anchor.output, index)
        assert found is not None
        return found
