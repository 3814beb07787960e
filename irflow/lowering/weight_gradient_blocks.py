"""Blocks of positions that a weight gradient sums up one after the other, and what they see.

A block is some rows of positions of one image, or several small images as a whole. What it sees of
some channels is copied between zeros, so that nothing asks for the borders any more, and what
stands in front of the convolution is computed once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from irflow import dims
from irflow.dims import Size
from irflow.dtypes import DType
from irflow.ir.graph import Node, Value
from irflow.loops import Buffer, Const, Expr, LoopKind, Space, integer
from irflow.lowering.long_sums import LongSum
from irflow.lowering.nest import NestContext
from irflow.lowering.sliding import spatial_index
from irflow.lowering.values import ZERO, Extent, index_of, minimum
from irflow.lowering.weight_gradient_form import BlockCut, Form
from irflow.records import dataclass


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows of positions of some images.

    Attributes:
        image, row: the first ones.
        images, rows: how many.
    """

    image: Expr
    row: Expr
    images: Extent
    rows: Extent


@dataclass(frozen=True, slots=True)
class Chunk:
    """Blocks that are summed up by one thread, for a part of the result.

    Attributes:
        part: which part.
        number: of the chunk.
        start, extent: its blocks.
        partial: `[chunk, *index]`, the sums of all chunks; None where there is only one.
    """

    part: Expr
    number: Expr
    start: Expr
    extent: Extent
    partial: Buffer | None

    def store(self, context: NestContext, anchor: Node, index: Sequence[Expr], total: Expr) -> None:
        """Leave a sum to be combined, or let follow what follows it."""
        place = tuple(map(context.index, index))
        if self.partial is not None:
            context.builder.store(self.partial, (self.number, *place), total, context.mask)
            return
        found = context.capture(anchor.output, place)
        assert found is not None
        context.define(anchor.output, place, context.builder.let(found.finish(total), "total"))
        context.store_outputs(place)


@contextmanager
def chunk_loop(
    context: NestContext, anchor: Node, dtype: DType, cut: BlockCut, sizes: tuple[Size, int]
) -> Iterator[Chunk]:
    """The loop over all chunks and parts, and behind it the sums of all chunks.

    Args:
        context: where code goes.
        anchor: the weight gradient.
        dtype: in which sums are taken.
        cut: the blocks.
        sizes: how many chunks and parts there are.
    """
    chunks, parts = sizes
    if chunks == 1 and isinstance(cut.batch, int):
        with context.one_loop(parts, LoopKind.PARALLEL, "q") as part:
            yield Chunk(part, ZERO, ZERO, cut.count, None)
        return
    length = dims.ceil_div(cut.count, chunks)
    if isinstance(cut.batch, int):
        chunks = dims.ceil_div(cut.count, length)
    shape = chunks, *anchor.output.type.shape
    partial = context.builder.alloc(dtype, shape, Space.GLOBAL, "partial")
    most = context.builder.let(index_of(length), "length")
    with context.one_loop(chunks * parts, LoopKind.PARALLEL, "q") as both:
        part = context.index(both % parts)
        number = context.builder.let(both // parts, "chunk")
        blocks = index_of(cut.count)
        start = context.builder.let(minimum(number * most, blocks), "start")
        extent: Extent = length
        if cut.count != chunks * length:
            extent = context.builder.let(minimum(most, blocks - start), "extent")
        yield Chunk(part, number, start, extent, partial)
    LongSum(context, anchor, dtype, chunks, 1, partial=partial).combine()


@dataclass(frozen=True, slots=True)
class Blocks:
    """All blocks of a weight gradient.

    Attributes:
        context: where code goes.
        form: of the weight gradient.
        image: the tensor that is seen.
        cut: how many images and rows a block has.
        spans: rows and positions that are copied; those outside of the image are zeros.
        part: channels that are copied.
    """

    context: NestContext
    form: Form
    image: Value
    cut: BlockCut
    spans: tuple[int, int]
    part: int

    def block(self, number: Expr) -> Block:
        """Which images and rows belong to a block."""
        cut, context, builder = self.cut, self.context, self.context.builder
        images: Expr = number
        row: Expr = ZERO
        if cut.per_image > 1:
            images = context.index(number // cut.per_image)
            row = context.index((number - images * cut.per_image) * cut.rows)
        image = context.index(images * cut.images)
        count: Extent = cut.images
        if cut.batch % cut.images != 0:
            count = builder.let(minimum(integer(cut.images), index_of(cut.batch) - image))
        height: Extent = cut.rows
        if cut.height % cut.rows:
            height = builder.let(minimum(integer(cut.rows), integer(cut.height) - row))
        return Block(image, row, count, height)

    def gradient(self, value: Value, block: Block, place: Sequence[Expr], column: Expr) -> Expr:
        """An element of the result's gradient, by its place in the block."""
        n, y, x = place
        index = block.image + n, block.row + y, x, column
        return self.context.at(value, spatial_index(index, value.type.rank))

    # -------------------------------------------------------------------------------------- copies

    def copy(self, block: Block, channel: Expr) -> Buffer:
        """What a block sees of the channels from one on: `[image, row, position * channel]`."""
        form, context = self.form, self.context
        height, width = self.spans
        shape = self.cut.images, height, width * self.part
        buffer = context.builder.alloc(form.dtype, shape, Space.GLOBAL, "image")
        rows: Extent = height
        if isinstance(block.rows, Expr):
            rows = context.index(block.rows * form.strides[0] + self._below)
        top = block.row * form.strides[0] - form.lows[0]
        with context.loops((block.images, rows), name="s") as place:
            row = context.index(top + place[1])
            index = context.index(block.image + place[0]), row, channel
            if not self._is_padded:
                self._copy_row(buffer, place, index)
                return buffer
            inside = context.builder.let((row >= 0) & (row < form.image[0]), "inside")
            with context.builder.if_(inside):
                self._copy_row(buffer, place, index)
            with context.builder.else_():
                self._zeros(buffer, place, 0, width)
        return buffer

    @property
    def _below(self) -> int:
        """Rows that are copied for a block, besides those where its windows start."""
        return self.spans[0] - self.cut.rows * self.form.strides[0]

    @property
    def _is_padded(self) -> bool:
        """Whether rows outside of the image are copied."""
        form = self.form
        end = form.out[0] * form.strides[0] + self._below - form.lows[0]
        return form.lows[0] > 0 or end > form.image[0]

    def _copy_row(
        self, buffer: Buffer, place: tuple[Expr, ...], index: tuple[Expr, Expr, Expr]
    ) -> None:
        """A row of an image, between zeros."""
        form, context = self.form, self.context
        image, row, channel = index
        width = self.spans[1]
        low = min(form.lows[1], width)
        high = min(low + form.image[1], width)
        self._zeros(buffer, place, 0, low)
        is_one = form.channels * form.groups == 1
        with (
            context.one_loop(high - low, LoopKind.VECTOR if is_one else LoopKind.SERIAL, "x") as x,
            context.one_loop(self.part, LoopKind.VECTOR, "l") as c,
        ):
            seen = spatial_index((image, row, x, channel + c), self.image.type.rank)
            at = context.index((x + low) * self.part + c)
            context.builder.store(buffer, (*place, at), context.at(self.image, seen))
        self._zeros(buffer, place, high, width)

    def _zeros(self, buffer: Buffer, place: tuple[Expr, ...], start: int, end: int) -> None:
        """Positions of a row that lie outside of the image."""
        count = (end - start) * self.part
        if count:
            with self.context.one_loop(count, LoopKind.VECTOR, "l") as lane:
                at = self.context.index(lane + start * self.part)
                self.context.builder.store(buffer, (*place, at), Const(0.0, buffer.dtype))
