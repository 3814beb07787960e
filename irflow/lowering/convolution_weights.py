"""Weights of a convolution: where they are, or copied in the order in which its tiles read them.

A panel is as wide as a tile; in it stand all taps of the kernel in order, each with the channels
that are summed over one below the other. Weights whose channels are to be exchanged are transposed
on the way, a square of vectors at a time, in registers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from irflow.dims import Size
from irflow.dtypes import DType, compute_dtype
from irflow.loops import Buffer, Expr, Load, LoopKind, Ramp, Space, integer
from irflow.lowering.blocks import Factor
from irflow.lowering.convolution_axes import Form, product
from irflow.lowering.convolution_cuts import Cuts, Shape
from irflow.lowering.cuts import Cut, Piece
from irflow.lowering.nest import NestContext
from irflow.lowering.packing import transposed
from irflow.lowering.ready import Known, ReadyPack, known
from irflow.lowering.schedule import LINE_BYTES
from irflow.lowering.tile import Pass, Spot
from irflow.lowering.values import ZERO, minimum
from irflow.ops import Reshape, Transpose
from irflow.records import dataclass

At = Callable[[Sequence[Expr], Expr, Expr], Expr]
"""The weight at some place of the kernel of a channel summed over, for a column of the result."""

BLOCK = 64
"""Channels that are copied at once."""


def turned_square(
    context: NestContext, dtype: DType, read: Callable[[Expr, Expr], Expr]
) -> list[Expr]:
    """Vectors along the columns of a square, one a channel.

    Args:
        context: where code goes.
        dtype: of the elements.
        read: an element by its column and channel; neighbouring channels are neighbours in memory.
    """
    lanes = context.target.lanes(dtype)
    cells = context.builder.alloc(dtype, (lanes, lanes), name="square")
    for c, lane in context.vector_loops((lanes, lanes), "c", LoopKind.UNROLL):
        context.builder.store(cells, (c, lane), read(c, lane))
    ramp = Ramp(ZERO, 1, lanes)
    loads = [Load(cells, (integer(c), ramp)) for c in range(lanes)]
    return transposed(context, [context.builder.let(load, "row") for load in loads])


@dataclass(frozen=True, slots=True)
class PackedWeights:
    """A copy of all weights.

    Attributes:
        context: where code goes.
        at: the weights.
        kernel: how many there are along each axis.
        depth, columns: channels summed over, and of the result.
        width: columns of a panel.
        is_turned: whether neighbouring channels, not columns, are neighbours in memory.
        buffer: the copy, with one index over all its elements.
    """

    context: NestContext
    at: At
    kernel: tuple[int, ...]
    depth: int
    columns: int
    width: int
    is_turned: bool
    buffer: Buffer

    @classmethod
    def make(
        cls,
        context: NestContext,
        at: At,
        dtype: DType,
        kernel: tuple[int, ...],
        sizes: tuple[int, int, int],
        is_turned: bool,
    ) -> PackedWeights:
        """Room for a copy; `sizes` are the depth, the columns, and the width of a panel."""
        depth, columns, width = sizes
        count = product((-(-columns // width) * width, depth, *kernel))
        buffer = context.builder.alloc(dtype, (count,), Space.GLOBAL, "right")
        return cls(context, at, kernel, depth, columns, width, is_turned, buffer)

    @property
    def taps(self) -> int:
        """Weights of a kernel for a pair of channels."""
        return product(self.kernel)

    def read(self, column: Expr, step: Expr, offset: Expr) -> Expr:
        """An element by the start of its panel, its number in it, and its column in it."""
        place = column * (self.taps * self.depth) + step * self.width + offset
        return Load(self.buffer, (self.context.index(place),), self.context.mask)

    def fill(self) -> None:
        """Copy all weights; threads share the taps and the blocks of channels."""
        context, builder = self.context, self.context.builder
        block = BLOCK if self.depth % BLOCK == 0 else self.depth
        blocks = self.depth // block
        with context.one_loop(self.taps * blocks, LoopKind.PARALLEL, "t") as number:
            tap = builder.let(context.index(number // blocks), "tap")
            first = builder.let(context.index(number % blocks * block), "first")
            place = self._place(tap)
            start = builder.let(context.index(tap * self.depth + first), "start")
            if self.is_turned:
                for piece in self._pieces():
                    self._turn(place, first, start, block, piece)
                return
            with context.one_loop(block, name="k") as k:
                for piece in self._pieces():
                    with context.one_loop(piece.length, LoopKind.VECTOR, "l") as lane:
                        value = self.at(place, first + k, piece.start + lane)
                        self._store(piece, start + k, lane, value)

    def _pieces(self) -> Iterator[Piece]:
        return Cut(self.columns, self.width, None).pieces(self.context, ZERO, "j")

    def _place(self, tap: Expr) -> list[Expr]:
        """Where a tap is in the kernel."""
        context, found = self.context, []
        for count in reversed(self.kernel):
            found.append(context.builder.let(context.index(tap % count), "place"))
            tap = tap // count
        return found[::-1]

    def _store(
        self, piece: Piece, step: Expr, offset: Expr, value: Expr, mask: Expr | None = None
    ) -> None:
        place = piece.start * (self.taps * self.depth) + step * self.width + offset
        self.context.builder.store(self.buffer, (self.context.index(place),), value, mask)

    # -------------------------------------------------------------------------------- transposing

    def _turn(
        self, place: Sequence[Expr], first: Expr, start: Expr, count: int, piece: Piece
    ) -> None:
        lanes = self.context.target.lanes(self.buffer.dtype)
        whole, rest = divmod(count, lanes)
        with self.context.one_loop(-(-piece.length // lanes), name="c") as across:
            if whole:
                with self.context.one_loop(whole, name="k") as k:
                    steps = first + k * lanes, start + k * lanes
                    self._turn_square(place, steps, lanes, piece, across * lanes)
            if rest:
                steps = first + whole * lanes, start + whole * lanes
                self._turn_square(place, steps, rest, piece, across * lanes)

    def _turn_square(
        self,
        place: Sequence[Expr],
        steps: tuple[Expr, Expr],
        count: int,
        piece: Piece,
        offset: Expr,
    ) -> None:
        """A square of which `count` channels are wanted."""
        context, builder = self.context, self.context.builder
        first, start = steps
        lanes = context.target.lanes(self.buffer.dtype)

        def read(c: Expr, lane: Expr) -> Expr:
            column = offset + c
            if piece.length % lanes:
                column = minimum(column, integer(piece.length - 1))
            with context.masked(context.index(lane) < count):
                return self.at(place, first + lane, piece.start + column)

        rows = turned_square(context, self.buffer.dtype, read)
        for i, vector in enumerate(rows[:count]):
            position = piece.start * (self.taps * self.depth) + (start + i) * self.width + offset
            index = Ramp(context.index(position), 1, lanes)
            builder.store(self.buffer, (index,), vector)


@dataclass(frozen=True, slots=True)
class WeightColumns:
    """A copy of all weights in which the channels summed over lie side by side.

    Attributes:
        context: where code goes.
        at: the weights.
        kernel: how many there are along each axis.
        depth, columns: channels summed over, and of the result.
        buffer: `[tap * column * channel]`.
    """

    context: NestContext
    at: At
    kernel: tuple[int, ...]
    depth: int
    columns: int
    buffer: Buffer

    @classmethod
    def make(
        cls,
        context: NestContext,
        at: At,
        dtype: DType,
        kernel: tuple[int, ...],
        sizes: tuple[int, int],
    ) -> WeightColumns:
        """Room for a copy; `sizes` are the depth and the columns."""
        depth, columns = sizes
        count = product((*kernel, depth, columns))
        buffer = context.builder.alloc(dtype, (count,), Space.GLOBAL, "columns")
        return cls(context, at, kernel, depth, columns, buffer)

    def fill(self) -> None:
        """Copy all weights; there are few."""
        context = self.context
        with context.loops((*self.kernel, self.columns), name="t") as (*place, column):
            number: Expr = ZERO
            for index, count in zip((*place, column), (*self.kernel, self.columns), strict=True):
                number = number * count + index
            with context.one_loop(self.depth, LoopKind.VECTOR, "l") as lane:
                target = (context.index(number * self.depth + lane),)
                context.builder.store(self.buffer, target, self.at(place, lane, column))

    def read(self, start: Expr, channel: Expr, column: int) -> Expr:
        """A weight by the number of its tap's first channel, its channel and column."""
        place = start * self.columns + channel + column * self.depth
        return Load(self.buffer, (self.context.index(place),))


@dataclass(frozen=True, slots=True)
class WeightSource:
    """The weights where they are.

    Attributes:
        context: where code goes.
        form: of the convolution.
    """

    context: NestContext
    form: Form

    def at(self, place: Sequence[Expr], channel: Expr, column: Expr) -> Expr:
        """The weight of a channel at a place in the kernel, for a column of the result.

        Where words of channels are multiplied, the word of that number.
        """
        dot, let = self.form.dot, self.context.builder.let
        if dot is None:
            return self._weight(place, channel, column)
        first = [channel * dot.length + i for i in range(dot.length)]
        return let(dot.joined([self._weight(place, each, column) for each in first]), "word")

    def _weight(self, place: Sequence[Expr], channel: Expr, column: Expr) -> Expr:
        pair = (column, channel) if self.form.is_turned else (channel, column)
        return self.context.at(self.form.weights, (*place, *pair))

    def factor(self, is_known: bool) -> Factor:
        """How loads of the weights move with the columns, and with the channels summed over."""
        place = (ZERO,) * len(self.form.kernel)
        found = self.context.probe_body(2, lambda index: self.at(place, *index))
        inner = tuple(access.strides[0] for access in found)
        columns = tuple(access.strides[1] for access in found)
        is_computed = len(found) != 1 or not self.context.is_moved(self.form.weights)
        return Factor(columns, inner, is_computed, is_known)


class Weights:
    """The weights as tiles read them: where they are, copied, or packed when code was made.

    Attributes:
        cuts: how all phases are cut.
    """

    def __init__(self, context: NestContext, form: Form, dtype: DType, batch: Size) -> None:
        self.context = context
        self.form = form
        self.dtype = dtype
        content = known(context, form.weights)
        source = WeightSource(context, form)
        self.at, factor = source.at, source.factor(content is not None)
        self.cuts = self._choose(factor, batch)
        self.packed: PackedWeights | None = None
        self.ready: ReadyPack | None = None
        self.columns: WeightColumns | None = None
        if self.cuts.tile.is_inner:
            if self.cuts.is_packed or not factor.runs_inner:
                self.columns = WeightColumns.make(
                    context, self.at, dtype, form.kernel, (form.depth, form.columns)
                )
                self.columns.fill()
        elif content is not None:
            kind = form.dot or dtype
            self.ready = ReadyPack.make(context, self._rows(content), kind, self.cuts.tile.width)
        elif self.cuts.is_packed:
            sizes = form.depth, form.columns, self.cuts.tile.width
            turned = not factor.runs_outer and factor.runs_inner
            make = PackedWeights.make
            self.packed = make(context, self.at, dtype, form.kernel, sizes, turned)
            self.packed.fill()
        # Loads of several values under one mask would each be masked, needed or not.
        self.is_masked = content is not None or self.cuts.is_packed or not factor.is_computed

    def _choose(self, factor: Factor, batch: Size) -> Cuts:
        form, dtype = self.form, self.form.weights.type.dtype
        is_packed = not factor.runs_outer or factor.is_computed or compute_dtype(dtype) != dtype
        return Shape(
            self.context.target,
            self.dtype,
            batch,
            form.largest,
            form.depth,
            form.columns,
            factor,
            is_packed,
        ).cuts()

    def _rows(self, content: Known) -> Known:
        """Constant weights as a matrix whose rows are taps and channels."""
        rank, columns = len(content.shape), self.form.columns
        if self.form.is_turned:
            content = content.after(Transpose((*range(rank - 2), rank - 1, rank - 2)))
        return content.after(Reshape((product(content.shape) // columns, columns)))

    def start(self, place: Sequence[Expr]) -> Expr:
        """The number of the first channel at a place in the kernel."""
        number: Expr = ZERO
        for index, count in zip(place, self.form.kernel, strict=True):
            number = number * count + index
        return self.context.builder.let(self.context.index(number * self.form.depth), "weight")

    def read(
        self, spot: Spot, place: Sequence[Expr], start: Expr, channel: Expr, offset: Expr
    ) -> Expr:
        """A weight of a tile."""
        builder = self.context.builder
        if self.packed is not None:
            return builder.let(self.packed.read(spot.column, start + channel, offset), "b")
        if self.ready is not None:
            return builder.let(self.ready.read(spot, Pass(start, 1), channel, offset), "b")
        return self.at(place, channel, spot.column + offset)

    def fetch(self, spot: Spot, place: Sequence[Expr], channel: Expr) -> None:
        """Bring the weights of a tile nearer, where they are; behind the last channel, the next."""
        buffer, builder = self.context.buffers.get(self.form.weights), self.context.builder
        if buffer is None or self.form.is_turned:
            return
        for offset in range(0, sum(spot.widths), max(LINE_BYTES // buffer.dtype.itemsize, 1)):
            index = (*place, self.context.index(channel), self.context.index(spot.column + offset))
            builder.let(Load(buffer, index, hint="prefetch"), "fetched")

    def read_column(self, place: Sequence[Expr], start: Expr, channel: Expr, column: int) -> Expr:
        """The same where the channels of a column run along vectors."""
        if self.columns is not None:
            return self.columns.read(start, channel, column)
        return self.at(place, channel, integer(column))
