"""Weight gradients of convolutions: products whose reduced axis is all positions of all images.

    for chunk of the positions, block of channels       parallel
      for block of positions in the chunk
        copy what the block sees of the image           zeros around it, channels of the block only
        for each tile's columns
          copy the block of the result's gradient       where it is read often
          for each tile's rows                          kernel offsets and channels
            tile += sum over the positions of the block
    result = chunk 0 + chunk 1 … in this order, and what follows it

In the copy, the rows of a tile are neighbours in memory: the channels, and with undilated kernels
the channels of neighbouring offsets behind them. So few channels fill tiles, too.

Chunks and blocks are cut by the shape alone: the bits do not depend on the number of threads, nor
on whether the batch is known when the kernel is made.
"""

from __future__ import annotations

from collections.abc import Iterator

from irflow.ir.graph import Node
from irflow.loops import Apply, Buffer, Const, Expr, Load, LoopKind, Space, integer
from irflow.loops.intrinsics import multiply_add
from irflow.lowering.contraction import column_blocks
from irflow.lowering.group import Group
from irflow.lowering.nest import Built, NestContext
from irflow.lowering.target import Target
from irflow.lowering.tile import Add, Pass, Spot, TileWriter, unrolled, vectors
from irflow.lowering.values import ZERO, equal, index_of
from irflow.lowering.weight_gradient_blocks import Block, Blocks, chunk_loop
from irflow.lowering.weight_gradient_form import Form
from irflow.lowering.winograd_gradient import winograd_gradient_nest
from irflow.ops.convolution import ConvolutionWeightGradient
from irflow.records import dataclass


def weight_gradient_nest(group: Group, target: Target) -> Built | None:
    """The nest of a group with the weight gradient of a convolution at its end; None for others."""
    anchors = group.anchors()
    if len(anchors) != 1 or len(group.heavy()) != 1:
        return None
    if not isinstance(anchors[0].op, ConvolutionWeightGradient):
        return None
    form = Form.of(anchors[0], target)
    if form is None:
        return None
    context = NestContext(group, target)
    if winograd_gradient_nest(context, anchors[0], form):
        return context.finish()
    _Writer(context, anchors[0], form).write()
    return context.finish()


@dataclass(frozen=True, slots=True)
class _Source:
    """Where the tiles of a block find their operands.

    Attributes:
        block: which one.
        image: `[image, row, position * channel]`, with zeros around.
        panel: `[image, row, position, column]`, where the columns were copied.
        column: the first column of the panel.
    """

    block: Block
    image: Buffer
    panel: Buffer | None
    column: Expr


@dataclass(frozen=True, slots=True)
class _Place(Spot):
    """A tile by its first run and its first row in that.

    Attributes:
        form: the shapes.
        run: the number of its first run.
        start: its first row in the run.
        channel: the first channel of the block of channels.
    """

    form: Form | None = None
    run: Expr = ZERO
    start: Expr = ZERO
    channel: Expr = ZERO

    def row_of(self, r: Expr | int) -> tuple[Expr, Expr]:
        """The run of a row, and its number in that."""
        form = self.form
        assert form is not None
        row = r if isinstance(r, Expr) else integer(r)
        if self.rows <= form.run:
            return self.run, self.start + row
        return self.run + row // form.run, row % form.run

    def place(self, r: Expr | int, offset: Expr | int, rank: int) -> tuple[Expr, ...]:
        form = self.form
        assert form is not None
        run, row = self.row_of(r)
        if form.is_joined:
            ky, kx, c = run, row // form.part, row % form.part
        else:
            ky, kx, c = run // form.kernel[1], run % form.kernel[1], row
        return (ky, kx, self.channel + c, self.column + offset)[-rank:]


class _Writer:
    """Writes one weight gradient; also what is summed up in its tiles (`Summand`)."""

    is_masked = True

    def __init__(self, context: NestContext, anchor: Node, form: Form) -> None:
        self.context = context
        self.builder = context.builder
        self.anchor = anchor
        self.form = form
        self.x, self.g = anchor.inputs
        spans = form.seen(0, form.rows), form.seen(1, form.out[1])
        self.blocks = Blocks(context, form, self.x, form.cut, spans, form.part)
        panels = -(-form.columns // form.tile.width)
        is_near = self.g in context.buffers and self.g.type.dtype is form.dtype
        self.copies_right = panels > 1 or not is_near

    # -------------------------------------------------------------------------------------- loops

    def write(self) -> None:
        """All of the kernel."""
        form, context = self.form, self.context
        parts = form.groups * (form.channels // form.part)
        sizes = form.chunks, parts
        with chunk_loop(context, self.anchor, form.dtype, form.cut, sizes) as self.chunk:
            is_whole = self.chunk.partial is None
            tiles = TileWriter(context, [self], form.tile, is_whole and form.cut.count != 1)
            self._clear()
            self._blocks(tiles)

    def _clear(self) -> None:
        """Set the sums of a chunk to 0."""
        form, partial = self.form, self.chunk.partial
        if partial is None:
            return
        runs = form.kernel[0] * form.kernel[1]
        group, channel = self._part()
        with (
            self.context.loops((runs, form.part), name="z") as (k, c),
            self.context.one_loop(form.columns, LoopKind.VECTOR, "l") as column,
        ):
            place = k // form.kernel[1], k % form.kernel[1], channel + c
            index = (*place, group * form.columns + column)[-len(partial.shape) + 1 :]
            where = tuple(map(self.context.index, (self.chunk.number, *index)))
            self.builder.store(partial, where, Const(0.0, form.dtype))

    def _blocks(self, tiles: TileWriter) -> None:
        """All blocks of a chunk."""
        form, context, extent = self.form, self.context, self.chunk.extent
        group, channel = self._part()
        with context.one_loop(extent, name="b") as number:
            block = self.blocks.block(context.index(self.chunk.start + number))
            image = self.blocks.copy(block, context.index(group * form.channels + channel))
            for column, widths in column_blocks(context, form.columns, form.tile):
                panel = self._copy_panel(block, column, sum(widths))
                self.source = _Source(block, image, panel, column)
                is_first = equal(number, ZERO)
                is_last = equal(number, index_of(extent) - 1)
                part = Pass(ZERO, 0) if extent == 1 else Pass(ZERO, 0, is_first, is_last)
                for spot in self._spots(column, widths):
                    self._tile(tiles, spot, part)

    def _tile(self, tiles: TileWriter, spot: _Place, part: Pass) -> None:
        """One tile: to the result where there is one chunk only, else to the sums of the chunk."""
        number, partial = self.chunk.number, self.chunk.partial
        if partial is None:
            tiles.write(spot, part)
            return
        shape = spot.rows, len(spot.widths) * self.form.tile.lanes
        cells = self.builder.alloc(self.form.dtype, shape, name="sum")

        def resume(index: tuple[Expr, ...], place: tuple[Expr, ...]) -> None:
            value = Load(partial, (number, *index), self.context.mask)
            self.builder.store(cells, place, value)

        def keep(index: tuple[Expr, ...], place: tuple[Expr, ...]) -> None:
            value = Load(cells, place)
            self.builder.store(partial, (number, *index), value, self.context.mask)

        def add(r: Expr, offset: Expr, value: Expr) -> None:
            place = (r, self.context.index(offset))
            assert isinstance(value, Apply)
            left, right = value.args
            self.builder.store(cells, place, multiply_add(left, right, Load(cells, place)))

        tiles.each(spot, resume)
        self.steps(spot, part, add)
        tiles.each(spot, keep)

    def _spots(self, column: Expr, widths: tuple[int, ...]) -> Iterator[_Place]:
        """All tiles of some columns."""
        form, context = self.form, self.context
        group, channel = self._part()
        first = context.index(group * form.columns + column)
        most = form.tile.rows

        def place(run: Expr, start: Expr, rows: int) -> _Place:
            return _Place(
                (), ZERO, first, rows, widths, form=form, run=run, start=start, channel=channel
            )

        if most >= form.run:
            several = most // form.run
            whole, rest = divmod(form.runs, several)
            with context.one_loop(whole, name="i") as i:
                yield place(context.index(i * several), ZERO, several * form.run)
            if rest:
                yield place(integer(whole * several), ZERO, rest * form.run)
            return
        whole, rest = divmod(form.run, most)
        with context.one_loop(form.runs, name="o") as run:
            with context.one_loop(whole, name="i") as i:
                yield place(run, context.index(i * most), most)
            if rest:
                yield place(run, integer(whole * most), rest)

    def _part(self) -> tuple[Expr, Expr]:
        """The group, and the first of the channels in it, of a part of the channels."""
        count = self.form.channels // self.form.part
        if count == 1:
            return self.chunk.part, ZERO
        group: Expr = ZERO
        if self.form.groups > 1:
            group = self.context.index(self.chunk.part // count)
        return group, self.context.index((self.chunk.part - group * count) * self.form.part)

    # -------------------------------------------------------------------------------------- copies

    def _copy_panel(self, block: Block, column: Expr, count: int) -> Buffer | None:
        """Some columns of the result's gradient, where they are read often."""
        if not self.copies_right:
            return None
        form, context = self.form, self.context
        shape = form.images, form.rows, form.out[1], form.tile.width
        buffer = self.builder.alloc(form.dtype, shape, Space.GLOBAL, "panel")
        extents = block.images, block.rows, form.out[1]
        with (
            context.loops(extents, name="s") as place,
            context.one_loop(count, LoopKind.VECTOR, "l") as lane,
        ):
            self.builder.store(buffer, (*place, lane), self._right(block, place, column + lane))
        return buffer

    # ----------------------------------------------------------------------------------- summands

    def _right(self, block: Block, place: tuple[Expr, ...], column: Expr) -> Expr:
        """An element of the result's gradient, by its place in the block."""
        group, _ = self._part()
        return self.blocks.gradient(self.g, block, place, group * self.form.columns + column)

    def steps(self, spot: Spot, part: Pass, add: Add) -> None:
        """Products of all positions of a block, with each element of the image in all lanes."""
        assert isinstance(spot, _Place)
        form, context, block = self.form, self.context, self.source.block
        with context.loops((block.images, block.rows), name="k") as (n, y):
            for x in unrolled(context, form.out[1], form.unrolled, "x"):
                self._step(spot, (n, y, x), add)

    def _step(self, spot: _Place, place: tuple[Expr, ...], add: Add) -> None:
        context, lanes, source = self.context, self.form.tile.lanes, self.source
        held = self.builder.alloc(self.form.dtype, (len(spot.widths) * lanes,), name="g")
        for offset in vectors(context, spot, lanes, self.is_masked):
            at = context.index(offset)
            if source.panel is None:
                right = self._right(source.block, place, source.column + offset)
            else:
                right = Load(source.panel, (*place, at), context.mask)
            self.builder.store(held, (at,), right)
        for r, left in self._lefts(spot, place):
            for offset in vectors(context, spot, lanes, self.is_masked):
                add(r, offset, left * Load(held, (context.index(offset),)))

    def _lefts(self, spot: _Place, place: tuple[Expr, ...]) -> Iterator[tuple[Expr, Expr]]:
        """The rows of a tile with their elements of the image; one loop where they are one run."""
        if spot.rows <= self.form.run:
            with self.context.one_loop(spot.rows, LoopKind.UNROLL, "r") as row:
                yield row, self._left(spot, row, place)
            return
        for r in range(spot.rows):
            yield integer(r), self._left(spot, integer(r), place)

    def _left(self, spot: _Place, r: Expr, place: tuple[Expr, ...]) -> Expr:
        form, context = self.form, self.context
        n, y, x = place
        run, row = spot.row_of(r)
        ky = run
        if not form.is_joined:
            ky, kx = run // form.kernel[1], run % form.kernel[1]
            row = kx * (form.dilations[1] * form.part) + row
        height = context.index(y * form.strides[0] + ky * form.dilations[0])
        at = context.index(x * (form.strides[1] * form.part) + row)
        return self.builder.let(Load(self.source.image, (n, height, at)), "a")
