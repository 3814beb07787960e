"""Weight gradients of convolutions with few channels a group.

    for chunk of the rows of positions of all images    parallel
      for vector of result channels
        accumulators = 0, one an offset in the kernel and channel of a group
        for row of positions, tile of positions
          for row of the kernel, position that the tile sees: add its products
        partial[chunk] = accumulators
    result = partial[0] + partial[1] … in this order, and what follows it

How rows are cut into chunks depends on the shape alone, as in `long_sums`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

from irflow import dims
from irflow.dims import Size
from irflow.ir.graph import Node
from irflow.loops import Broadcast, Buffer, Const, Expr, Load, LoopKind, Ramp, Space, integer
from irflow.loops.intrinsics import multiply_add
from irflow.lowering.depthwise import Grouping, vector_at
from irflow.lowering.group import Group
from irflow.lowering.long_sums import LongSum
from irflow.lowering.nest import Built, NestContext
from irflow.lowering.sliding import Lanes, Shape, lanes_of, spatial_index, where
from irflow.lowering.sliding_axes import Axis, Pattern
from irflow.lowering.target import Target
from irflow.lowering.values import ZERO, index_of, minimum
from irflow.ops.convolution import ConvolutionWeightGradient

CHUNK_POSITIONS = 256
"""Positions of a chunk at least."""
MOST_CHUNKS = 32
"""Chunks of rows of positions."""


def grouped_weights_nest(group: Group, target: Target) -> Built | None:
    """The nest of a group with the weight gradient of a convolution of few channels a group at its
    end; None for others.
    """
    anchors = group.anchors()
    if len(anchors) != 1 or len(group.heavy()) != 1:
        return None
    if not isinstance(anchors[0].op, ConvolutionWeightGradient):
        return None
    form = Grouping.of_weights(anchors[0], target)
    shape = None if form is None else weights_shape(anchors[0], target, form)
    if form is None or shape is None or not shape.fits:
        return None
    context = NestContext(group, target)
    _Writer(context, anchors[0], form, shape).write()
    return context.finish()


def weights_shape(anchor: Node, target: Target, form: Grouping) -> Shape | None:
    """The sizes of the convolution; None where one is symbolic or empty."""
    op, (x, g) = anchor.op, anchor.inputs
    assert isinstance(op, ConvolutionWeightGradient)
    batch, *sizes, channels = g.type.shape
    numbers = [*sizes, channels, *x.type.shape[1:]]
    if len(sizes) > 2 or batch == 0 or not all(isinstance(n, int) and n > 0 for n in numbers):
        return None
    axes = [Axis(1, 1, 1, 1, 1, 0)] * (2 - len(sizes)) + [
        Axis(int(count), int(size), kernel, stride, dilation, low)
        for count, size, kernel, stride, dilation, (low, _) in zip(
            sizes, x.type.shape[1:-1], op.kernel, op.strides, op.dilations, op.padding, strict=True
        )
    ]
    shape = Shape(target, form.dtype, batch, axes[0], axes[1], int(channels), form.terms)
    sums = _Sums.of(shape)
    return replace(shape, most=target.vector_registers - 3 - sums.count)


class _Sums:
    """Which accumulators are held in registers at once.

    Attributes:
        rows: rows of the kernel; all, or one.
        terms: channels of a group.
        count: how many accumulators.
    """

    def __init__(self, rows: int, terms: int, columns: int) -> None:
        self.rows, self.terms, self.count = rows, terms, rows * terms * columns

    @classmethod
    def of(cls, shape: Shape) -> _Sums:
        """All of them where they fit, or those of one row of the kernel, or of some channels."""
        most = max(shape.target.vector_registers * 5 // 8, 1)
        width = shape.columns.kernel
        if shape.rows.kernel * width * shape.terms <= most:
            return cls(shape.rows.kernel, shape.terms, width)
        return cls(1, max(min(most // width, shape.terms), 1), width)


class _Writer:
    """Writes one weight gradient."""

    def __init__(self, context: NestContext, anchor: Node, form: Grouping, shape: Shape) -> None:
        self.context = context
        self.builder = context.builder
        self.anchor = anchor
        self.form = form
        self.shape = shape
        self.sums = _Sums.of(shape)
        self.x, self.g = anchor.inputs

    @cached_property
    def rows(self) -> Size:
        """Rows of positions of all images."""
        return self.shape.batch * self.shape.rows.count

    @cached_property
    def chunks(self) -> Size:
        """How many chunks of rows."""
        least = -(-CHUNK_POSITIONS // self.shape.columns.count)
        return dims.maximum(dims.minimum(self.rows // least, MOST_CHUNKS), 1)

    def write(self) -> None:
        """All of the kernel."""
        context, shape = self.context, self.shape
        type = self.anchor.output.type
        long = LongSum(context, self.anchor, shape.dtype, self.chunks, 1)
        partial = self.builder.alloc(
            shape.dtype, (self.chunks, *type.shape), Space.GLOBAL, "partial"
        )
        long.partial = partial
        length = self.builder.let(index_of(dims.ceil_div(self.rows, self.chunks)), "length")
        with context.one_loop(self.chunks, LoopKind.PARALLEL, "c") as chunk:
            total = index_of(self.rows)
            start = self.builder.let(minimum(chunk * length, total), "start")
            extent = self.builder.let(minimum(length, total - start), "extent")
            whole, rest = divmod(shape.channels, shape.lanes)
            with context.one_loop(whole, name="v") as vector:
                if whole:
                    first = context.index(vector * shape.lanes)
                    self._vector(partial, (chunk, start, extent), Lanes.whole(first, shape.lanes))
            if rest:
                first = integer(whole * shape.lanes)
                lanes = Lanes(first, shape.lanes, rest)
                self._vector(partial, (chunk, start, extent), lanes)
        long.combine()

    def _vector(self, partial: Buffer, chunk: tuple[Expr, Expr, Expr], channels: Lanes) -> None:
        """A vector of result channels, in some passes over the positions of a chunk."""
        kernel = self.shape.rows.kernel
        for first in range(0, self.shape.terms, self.sums.terms):
            terms = range(first, min(first + self.sums.terms, self.shape.terms))
            with self.context.one_loop(kernel // self.sums.rows, name="k") as ky:
                self._pass(partial, chunk, channels, ky, terms)

    def _pass(
        self,
        partial: Buffer,
        chunk: tuple[Expr, Expr, Expr],
        channels: Lanes,
        ky: Expr,
        terms: Sequence[int],
    ) -> None:
        """Some rows of the kernel from `ky` on, and some channels of a group."""
        shape, context, builder = self.shape, self.context, self.builder
        number, start, extent = chunk
        ramp = Ramp(ZERO, 1, shape.lanes)
        sizes = self.sums.rows, shape.columns.kernel, len(terms)
        cells = builder.alloc(shape.dtype, (*sizes, shape.lanes), name="sum")
        places = [(integer(y), integer(x), integer(t)) for y, x, t in _all(sizes)]
        for place in places:
            zero = Broadcast(Const(0.0, shape.dtype), shape.lanes)
            builder.store(cells, (*place, ramp), zero)
        with context.one_loop(extent, name="y") as y:
            row = builder.let(start + y, "row")
            image = builder.let(row // shape.rows.count, "image")
            at = image, builder.let(row - image * shape.rows.count, "row")
            for first, count, pattern in shape.runs:
                with context.one_loop(count, name="x") as x:
                    begin = context.index(x * shape.tile + first)
                    self._tile(cells, (*at, begin), (ky, channels, terms), pattern)
        for y_place, x_place, t_place in places:
            with lanes_of(context, channels) as lane:
                channel = context.index(channels.start + lane)
                term = context.index(t_place + terms[0])
                index = spatial_place(
                    (context.index(ky + y_place), x_place, term, channel), partial
                )
                value = Load(cells, (y_place, x_place, t_place, lane))
                builder.store(partial, (number, *index), value, context.mask)

    def _tile(
        self,
        cells: Buffer,
        place: tuple[Expr, Expr, Expr],
        part: tuple[Expr, Lanes, Sequence[int]],
        pattern: Pattern,
    ) -> None:
        """The products of a tile of positions."""
        image, row, start = place
        first, channels, terms = part
        shape, context = self.shape, self.context
        rank, ramp = self.g.type.rank, Ramp(ZERO, 1, shape.lanes)
        held = []
        for r in range(pattern.length):
            at = spatial_index((image, row, context.index(start + r)), rank)
            held.append(vector_at(context, self.g, at, channels))
        base = context.index(shape.columns.base(start))
        with context.one_loop(self.sums.rows, LoopKind.UNROLL, "k") as ky:
            seen, inside = shape.rows.seen(row, first + ky)
            with where(context, inside):
                for j, seers in pattern.steps:
                    at = spatial_index((image, context.index(seen), context.index(base + j)), rank)
                    source = self.form.read(context, self.x, at, channels)
                    for t, term in enumerate(terms):
                        for r, k in seers:
                            cell = ky, integer(k), integer(t), ramp
                            after = multiply_add(source[term], held[r], Load(cells, cell))
                            self.builder.store(cells, cell, after)


def _all(sizes: tuple[int, int, int]) -> list[tuple[int, int, int]]:
    return [(y, x, t) for y in range(sizes[0]) for x in range(sizes[1]) for t in range(sizes[2])]


def spatial_place(place: tuple[Expr, ...], partial: Buffer) -> tuple[Expr, ...]:
    """An index of the weights, which may have no rows."""
    return place[-len(partial.shape) + 1 :]
