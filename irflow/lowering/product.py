"""Matrix products: chunks, passes and copies of operands around register tiles.

for batch, chunk of columns                         parallel
  for pass along the reduced axis
    copy the chunk of the right operand
    for chunk of rows                               parallel
      copy the chunk of the left operand            where that pays
      for each tile's columns, for each tile's rows
        tile

Where no copy of the right operand pays, the chunks of columns and rows are one parallel loop, and
each goes through all passes.

Where much is reduced to little, threads share the reduced axis (`long_sums`): its chunks take the
place of the passes, and each leaves sums of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from irflow.dims import Size
from irflow.dtypes import DType, compute_dtype, i64, u32
from irflow.ir.graph import Node, Value
from irflow.loops import Buffer, Expr, Load, LoopKind, Select, integer
from irflow.lowering.blocks import Blocks, Factor, Product, pass_count
from irflow.lowering.cuts import Cut, Piece
from irflow.lowering.long_sums import LongSum
from irflow.lowering.nest import NestContext
from irflow.lowering.outer import add_outer_product
from irflow.lowering.packing import Along, LeftPack, RightPack, SpreadRows
from irflow.lowering.ready import Known, ReadyPack, known
from irflow.lowering.schedule import LINE_BYTES
from irflow.lowering.tile import Add, Pass, Spot, TileWriter, unrolled
from irflow.lowering.values import ZERO, Extent, equal, greater, index_of, minimum
from irflow.lowering.words import NarrowPack, Words, dot_of, word_count


def product_nest(context: NestContext, anchor: Node, long: LongSum | None = None) -> bool:
    """Write the nest of a group with a matrix product at its end; False where none fits."""
    left, right = anchor.inputs
    rows, columns, inner = left.type.shape[-2], right.type.shape[-1], left.type.shape[-1]
    dtype, dot = compute_dtype(anchor.output.type.dtype), dot_of(context, anchor)
    if not isinstance(columns, int) or not (dtype.is_float or dot):
        return False
    words = None if dot is None else Words(context, dot, inner)
    content = known(context, right)
    factors = _factors(context, anchor, words)
    is_fixed = dot is None and right in context.group.fixed
    knowledge = replace(factors[1], is_known=content is not None, is_fixed=is_fixed)
    factors = factors[0], knowledge
    sizes = rows, columns, word_count(inner, dot)
    shape = Product(context.target, dtype, *sizes, *factors)
    blocks = shape.blocks()
    if blocks is None:
        return False
    if long is not None:
        blocks = shape.in_chunks(blocks, long.length)
    if words is not None:
        is_copied = blocks.packs_left and words.in_place(left) is None
        blocks = replace(blocks, packs_left=is_copied, spreads_rows=False)
    product = _Product(context, anchor, dtype, blocks, factors, content, words)
    if long is None:
        product.write()
    else:
        product.write_chunks(long)
    return True


def _factors(context: NestContext, anchor: Node, words: Words | None) -> tuple[Factor, Factor]:
    """Both operands; what is joined into words is computed."""
    left, right = anchor.inputs
    first, second = _factor(context, left, True), _factor(context, right, False)
    if words is None:
        return first, second
    is_joined = words.in_place(left) is None
    return replace(first, is_computed=is_joined), replace(second, is_computed=True)


def _factor(context: NestContext, operand: Value, is_left: bool) -> Factor:
    """How an operand's loads move with its rows and columns."""
    batch = [ZERO] * (operand.type.rank - 2)
    found = context.probe_body(2, lambda index: context.at(operand, [*batch, *index]))
    rows = tuple(access.strides[0] for access in found)
    columns = tuple(access.strides[1] for access in found)
    outer, inner = (rows, columns) if is_left else (columns, rows)
    return Factor(outer, inner, len(found) != 1 or not context.is_moved(operand))


class _Product:
    """Writes one product; also what is summed up in its tiles (`Summand`)."""

    def __init__(
        self,
        context: NestContext,
        anchor: Node,
        dtype: DType,
        blocks: Blocks,
        factors: tuple[Factor, Factor],
        content: Known | None,
        words: Words | None,
    ) -> None:
        self.context = context
        self.builder = context.builder
        self.anchor = anchor
        self.dtype = dtype
        self.blocks = blocks
        self.factors = factors
        self.words = words
        *self.outer, rows, columns = anchor.output.type.shape
        self.inner = word_count(anchor.inputs[0].type.shape[-1], words.dot if words else None)
        self.rows = Cut(rows, blocks.tile.rows, blocks.stack)
        self.columns = Cut(columns, blocks.tile.width, blocks.panels)
        self.batch: tuple[Expr, ...] = ()
        self.left: LeftPack | NarrowPack | SpreadRows | None = None
        self.right: RightPack | ReadyPack | None = None
        if blocks.is_ready:
            self.right = self._ready(content)
        # Loads of several values under one mask would each be masked, needed or not.
        is_copied = blocks.packs_right or blocks.is_ready
        self.is_masked = is_copied or not factors[1].is_computed

    def _ready(self, content: Known | None) -> ReadyPack:
        """The right operand as it is packed beforehand."""
        width = self.blocks.tile.width
        if content is None:
            return ReadyPack.before_loop(self.context, self.anchor.inputs[1], width)
        kind = self.dtype if self.words is None else self.words.dot
        return ReadyPack.make(self.context, content, kind, width)

    # -------------------------------------------------------------------------------------- loops

    def write(self) -> None:
        """All loops, with the tiles inside."""
        context, blocks = self.context, self.blocks
        passes = pass_count(self.inner, blocks.inner)
        tiles = TileWriter(context, [self], blocks.tile, passes != 1, self._fetched())
        with context.loops(self.outer, LoopKind.PARALLEL, "b") as batch:
            self.batch = batch
            if blocks.spreads_rows:
                self._spread_rows()
            if blocks.packs_right:
                self._write_columns(tiles, passes)
                return
            with self._both_chunks() as (column_chunk, row_chunk):
                self._allocate_left()
                with context.one_loop(passes, name="p") as number:
                    self._chunk(tiles, column_chunk, row_chunk, self._pass(number, passes))

    def _fetched(self) -> list[Buffer]:
        """What tiles wait for: a large result, and in a loop slices of sequences, new each time."""
        context, (result, *_) = self.context, self.context.outputs
        found = [result] if self.blocks.prefetches else []
        if self.anchor.inputs[1] in context.group.fixed:
            given = [context.buffers[v] for v in context.group.inputs if v in context.buffers]
            found += [buffer for buffer in given if buffer.shape == result.shape]
        return found

    def _spread_rows(self) -> None:
        """Copy the left operand once, with its rows apart."""
        assert isinstance(self.rows.size, int)
        sizes = self.rows.size, self.inner
        self.left = made = SpreadRows.make(self.context, partial(self._at, 0), self.cell, sizes)
        made.fill(self.inner)

    def _write_columns(self, tiles: TileWriter, passes: Size) -> None:
        """Chunks of columns, each with a copy of the right operand for all chunks of its rows."""
        context = self.context
        with context.one_loop(self.columns.chunks, LoopKind.PARALLEL, "n") as chunk:
            right = self._allocate_right()
            with context.one_loop(passes, name="p") as number:
                part = self._pass(number, passes)
                self._fill(right, chunk, part)
                with context.one_loop(self.rows.chunks, LoopKind.PARALLEL, "m") as row_chunk:
                    self._allocate_left()
                    self._chunk(tiles, chunk, row_chunk, part)

    def _fill(self, right: RightPack, chunk: Expr, part: Pass) -> None:
        """Copy a chunk of columns."""

        def spots() -> Iterator[Spot]:
            for columns in self.columns.pieces(self.context, chunk, "j"):
                yield self._spot(Piece(), columns)

        right.fill(spots, part)

    def write_chunks(self, long: LongSum) -> None:
        """The same for each chunk of the reduced axis, whose sums are kept apart."""
        context, blocks = self.context, self.blocks
        tiles = TileWriter(context, [self], blocks.tile)
        passes = pass_count(long.length, blocks.inner)
        with long.chunks() as (chunk, whole), context.loops(self.outer, name="b") as self.batch:
            if blocks.packs_right:
                with context.one_loop(self.columns.chunks, LoopKind.PARALLEL, "n") as number:
                    right = self._allocate_right()
                    with context.one_loop(passes, name="p") as step:
                        part = whole if passes == 1 else self._pass_within(whole, step)
                        self._fill(right, number, part)
                        with context.one_loop(self.rows.chunks, LoopKind.PARALLEL, "m") as rows:
                            self._keep_chunk(tiles, long, chunk, part, (rows, number))
            else:
                with self._both_chunks() as (number, rows):
                    self._keep_chunk(tiles, long, chunk, whole, (rows, number))
        long.combine()

    def _pass_within(self, whole: Pass, number: Expr) -> Pass:
        """A pass over a part of a chunk of the reduced axis; the last ones may be empty."""
        length = index_of(self.blocks.inner)
        before = self.builder.let(minimum(number * length, index_of(whole.extent)), "before")
        extent = self.builder.let(minimum(length, index_of(whole.extent) - before), "length")
        return Pass(self.context.index(whole.start + before), extent, equal(number, ZERO))

    def _keep_chunk(
        self, tiles: TileWriter, long: LongSum, chunk: Expr, part: Pass, place: tuple[Expr, Expr]
    ) -> None:
        for spot in self._spots(*place):
            cells = tiles.sum(spot, self, part, lambda index: long.so_far(chunk, index))

            def keep(
                index: tuple[Expr, ...], place: tuple[Expr, ...], cells: Buffer = cells
            ) -> None:
                long.keep(chunk, index, Load(cells, place))

            tiles.each(spot, keep)

    @contextmanager
    def _both_chunks(self) -> Iterator[tuple[Expr, Expr]]:
        """One loop over the chunks of columns and, for each of them, those of rows.

        So a thread keeps to columns of its own, and fewer of them come from where another thread
        has written them. Symbolic rows that turn out to be too many for a cache are gone through
        once, as `Blocks` has it for known ones: the other way round.
        """
        context, columns, rows = self.context, self.columns.chunks, self.rows.chunks
        with context.one_loop(columns * rows, LoopKind.PARALLEL, "n") as chunk:
            if rows == 1 or columns == 1:
                yield (chunk, ZERO) if rows == 1 else (ZERO, chunk)
            elif isinstance(rows, int):
                yield context.index(chunk // rows), context.index(chunk % rows)
            else:
                across, down = index_of(columns), index_of(rows)
                near = context.target.l2_bytes // self.dtype.itemsize
                is_far = greater(index_of(self.rows.size * self.inner), integer(near))
                column = Select(is_far, chunk % across, chunk // down)
                row = Select(is_far, chunk // across, chunk % down)
                # Named, as a division by an unknown size is not moved out of the loops inside.
                yield self.builder.let(column, "column"), self.builder.let(row, "row")

    def _pass(self, number: Expr, passes: Size) -> Pass:
        inner, length = self.inner, self.blocks.inner
        if passes == 1:
            return Pass(ZERO, inner)
        start, extent = self.context.index(number * length), index_of(length)
        if inner % length != 0:
            extent = self.builder.let(minimum(extent, index_of(inner) - start), "length")
        is_first = equal(number, ZERO)
        return Pass(start, extent, is_first, equal(number, index_of(passes - 1)))

    def _allocate_right(self) -> RightPack:
        """Room for the copy of a chunk of columns, which all its rows read."""
        blocks = self.blocks
        shape = blocks.panels, blocks.inner, blocks.tile.width
        at, turned = partial(self._at, 1), not self.factors[1].runs_outer
        along = self._along() if turned else None
        self.right = made = RightPack.make(self.context, at, self.cell, shape, turned, along)
        return made

    def _along(self) -> Along | None:
        """Vectors of words of the right operand, where these lie in memory."""
        words = self.words
        buffer = None if words is None else words.turned_in_place(self.anchor.inputs[1])
        if words is None or buffer is None:
            return None
        found, source = words, buffer

        def along(start: Expr, column: Expr, count: Extent) -> Expr:
            return found.along(source, (*self.batch, column), start, count)

        return along

    def _allocate_left(self) -> None:
        """Room for the copy of a chunk of rows; other chunks, on other threads, have their own."""
        blocks, left = self.blocks, self.factors[0]
        if blocks.packs_left:
            assert blocks.stack is not None
            sizes = blocks.stack * blocks.tile.rows, blocks.inner
            turned = left.runs_outer and not left.runs_inner
            if self.words is not None and not turned:
                self.left = NarrowPack.make(self.words, partial(self._element, 0), sizes)
                return
            self.left = LeftPack.make(self.context, partial(self._at, 0), self.cell, sizes, turned)

    @property
    def cell(self) -> DType:
        """The type of what is multiplied at a time."""
        return self.dtype if self.words is None else u32

    def _at(self, position: int, row: Expr, column: Expr) -> Expr:
        """What stands in an operand: an element, or a word of them along the reduced axis."""
        if self.words is None:
            return self._element(position, row, column)
        dot = self.words.dot
        if position:
            return self.words.joined(lambda k: self._element(1, k, column), dot.right, row)
        return self.words.joined(lambda k: self._element(0, row, k), dot.left, column)

    def _element(self, position: int, row: Expr, column: Expr) -> Expr:
        return self.context.at(self.anchor.inputs[position], (*self.batch, row, column))

    def _chunk(self, tiles: TileWriter, column_chunk: Expr, row_chunk: Expr, part: Pass) -> None:
        """All tiles of a chunk."""
        if isinstance(self.left, LeftPack | NarrowPack):
            self.left.fill(*self.rows.span(self.context, row_chunk), part)
        for spot in self._spots(row_chunk, column_chunk):
            tiles.write(spot, part)

    def _spots(self, row_chunk: Expr, column_chunk: Expr) -> Iterator[Spot]:
        for columns in self.columns.pieces(self.context, column_chunk, "j"):
            for rows in self.rows.pieces(self.context, row_chunk, "i"):
                yield self._spot(rows, columns)

    def _spot(self, rows: Piece, columns: Piece) -> Spot:
        lanes = self.blocks.tile.lanes
        whole, rest = divmod(columns.length, lanes)
        return Spot(
            self.batch,
            rows.start,
            columns.start,
            rows.length,
            (lanes,) * whole + ((rest,) if rest else ()),
            rows.last,
            self.context.index(rows.number * self.blocks.tile.rows),
            columns.number,
        )

    # ---------------------------------------------------------------------------------- summands

    def steps(self, spot: Spot, part: Pass, add: Add) -> None:
        """Products, with each element of the left operand in all lanes of a vector.

        Of the two operands, the one with fewer vectors is held while the other one comes by.
        """
        if spot.last_row is not None:
            spot = self._with_numbers(spot)
        start = partial(self._fetch, spot, part)
        for k in unrolled(self.context, part.extent, self.blocks.unrolled, start=start):
            self._step(spot, part, k, add)

    def _fetch(self, spot: Spot, part: Pass, number: Expr) -> None:
        """Fetch some of the panel that comes next: an equal part in each round of each tile."""
        blocks = self.blocks
        if not blocks.fetched or not isinstance(self.right, ReadyPack):
            return
        length = self.inner if blocks.panels > 1 else blocks.inner
        rounds = index_of(blocks.inner // blocks.unrolled)
        first = (spot.first // blocks.tile.rows * rounds + number) * blocks.fetched
        for offset in range(0, blocks.fetched, LINE_BYTES // self.right.buffer.dtype.itemsize):
            self.right.fetch(spot, part.start + length, first + offset)

    def _with_numbers(self, spot: Spot) -> Spot:
        """The same with its rows found before the loop along the reduced axis."""
        numbers = self.builder.alloc(i64, (spot.rows,), name="rows")
        with self.context.one_loop(spot.rows, LoopKind.UNROLL, "r") as r:
            self.builder.store(numbers, (r,), self.context.index(spot.row_at(r)))
        return replace(spot, numbers=numbers)

    def _step(self, spot: Spot, part: Pass, k: Expr, add: Add) -> None:
        context = self.context

        def rows() -> Iterator[tuple[Expr, Expr]]:
            with context.one_loop(spot.rows, LoopKind.UNROLL, "r") as r:
                yield r, self._left(spot, r, part, k)

        def row(offset: Expr) -> Expr:
            return self._right(spot, offset, part, k)

        lanes, is_masked, times = self.blocks.tile.lanes, self.is_masked, self._product
        add_outer_product(context, spot, lanes, self.cell, is_masked, rows, row, add, times)

    def _product(self, left: Expr, right: Expr) -> Expr:
        return left * right if self.words is None else self.words.dot.product(left, right)

    def _left(self, spot: Spot, r: Expr, part: Pass, k: Expr) -> Expr:
        if self.left is not None:
            return self.builder.let(self.left.read(spot, r, part, k), "a")
        operand = self.anchor.inputs[0]
        if self.words is not None and (buffer := self.words.in_place(operand)) is not None:
            row = (*self.batch, spot.row_at(r))
            return self.words.loaded(buffer, row, part.start + k)
        return self._at(0, spot.row_at(r), part.start + k)

    def _right(self, spot: Spot, offset: Expr, part: Pass, k: Expr) -> Expr:
        if self.right is not None:
            return self.builder.let(self.right.read(spot, part, k, offset), "b")
        return self._at(1, part.start + k, spot.column + offset)
