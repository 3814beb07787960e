"""Convolutions and their adjoints in the image: matrix products that read copies of the image.

copy the weights                                        parallel, where that pays
for phase of the results                                one, but for adjoints with a stride
  for chunk of columns, image, slab of its lines        parallel
    for tap of the first axis                           where the weights of all are too large
      copy what the slab sees, between zeros            `convolution_image`
      for each tile's columns, for each tile's lines and positions in a line
        tile

A tile's rows are neighbouring results of a line; a tap and a channel of what they see are a
constant distance apart in the copy. So there is no matrix of windows in memory, and tiles are those
of matrix products (`tile`). The taps of a tile come in order, then the channels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import reduce
from operator import mul

from irflow.dims import Size
from irflow.dtypes import compute_dtype, u32
from irflow.ir.graph import Node
from irflow.loops import Buffer, Expr, Load, LoopKind
from irflow.lowering.chunks import digits, named
from irflow.lowering.convolution_axes import Axis, Form, form_of
from irflow.lowering.convolution_cuts import Cuts
from irflow.lowering.convolution_dots import DotTiles
from irflow.lowering.convolution_image import TRUE, Slab, Whole, flat_image
from irflow.lowering.convolution_weights import Weights
from irflow.lowering.cuts import Cut, Piece
from irflow.lowering.group import Group
from irflow.lowering.nest import Built, NestContext
from irflow.lowering.outer import add_outer_product
from irflow.lowering.schedule import LINE_BYTES
from irflow.lowering.target import Target
from irflow.lowering.tile import Add, Pass, Spot, TileWriter, unrolled
from irflow.lowering.values import ZERO, Extent, equal, index_of
from irflow.lowering.winograd import winograd_nest
from irflow.lowering.words import dot_of
from irflow.records import dataclass

CHANNELS_AHEAD = 24
"""So many steps before they are needed, weights are fetched from a farther cache."""


def convolution_nest(group: Group, target: Target) -> Built | None:
    """The nest of a group with a dense convolution at its end; None for others."""
    anchors = group.anchors()
    if len(anchors) != 1 or group.heavy() != [anchors[0]]:
        return None
    form = form_of(anchors[0])
    dtype = compute_dtype(anchors[0].output.type.dtype)
    context = NestContext(group, target)
    if form is not None and not dtype.is_float:
        dot, dtype = dot_of(context, anchors[0]), u32
        form = None if dot is None else form.in_words(dot)
    if form is None:
        return None
    if form.dot is None and winograd_nest(context, anchors[0], form):
        return context.finish()
    weights = Weights(context, form, dtype, anchors[0].output.type.shape[0])
    flat = flat_image(context, form, 1 if reads_whole(form, weights.cuts) else len(form.kernel))
    for axes in form.phases:
        Phase(context, anchors[0], form, axes, weights, flat).write()
    return context.finish()


def reads_whole(form: Form, cuts: Cuts) -> bool:
    """Whether an image in memory is read where it is.

    With few columns, the copy would take as long as the sums. Taps outside of the image must be
    left out then, line by line.
    """
    axes = [axis for phase in form.phases for axis in phase]
    is_plain = all(axis.in_step == 1 and axis.split is None for axis in axes)
    is_f32 = form.image.type.dtype is compute_dtype(form.image.type.dtype)
    return cuts.tile.is_inner and is_plain and is_f32 and not (cuts.by_taps or cuts.is_short)


@dataclass(frozen=True, slots=True)
class ConvolutionSpot(Spot):
    """Where a tile of a phase stands; its rows are numbers of results in their line.

    Attributes:
        axes: spatial axes.
        lines: numbers of results along all axes but the last.
        near: the same along all axes, counted from the start of the slab.
        width: positions of a line in the tile.
    """

    axes: tuple[Axis, ...] = ()
    lines: tuple[Expr, ...] = ()
    near: tuple[Expr, ...] = ()
    width: int = 1

    def place(self, r: Expr | int, offset: Expr | int, rank: int) -> tuple[Expr, ...]:
        numbers = [*self.lines, self.row + (r if self.width == self.rows else r % self.width)]
        if self.width != self.rows:
            numbers[-2] = numbers[-2] + r // self.width
        places = [axis.result(q) for axis, q in zip(self.axes, numbers, strict=True)]
        return (*self.batch, *places, self.column + offset)


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A part of the result.

    Attributes:
        columns: which chunk of columns.
        example: which image.
        slab: which of its slabs.
        axes: spatial axes, those of one remainder.
    """

    columns: Expr
    example: Expr
    slab: Expr
    axes: tuple[Axis, ...]


class Phase:
    """Writes one phase; also what is summed up in its tiles (`Summand`)."""

    def __init__(
        self,
        context: NestContext,
        anchor: Node,
        form: Form,
        axes: tuple[Axis, ...],
        weights: Weights,
        flat: Buffer | None,
    ) -> None:
        self.context = context
        self.builder = context.builder
        self.anchor = anchor
        self.form = form
        self.axes = axes
        self.weights = weights
        self.flat = flat
        self.batch: Size = anchor.output.type.shape[0]
        self.is_empty = any(axis.taps == 0 for axis in axes)
        self.cuts = weights.cuts
        self.is_masked = weights.is_masked
        self.columns = Cut(form.columns, self.cuts.tile.width, self.cuts.panels)
        self.rows = self._row_cuts()
        self.slab: Slab | Whole | None = None

    def _row_cuts(self) -> tuple[Cut, ...]:
        """How the spatial axes are cut into slabs and the lines and positions of tiles."""
        cuts, last = self.cuts, len(self.axes) - 1
        lengths = [1] * len(self.axes)
        lengths[last] = cuts.tile.rows // cuts.lines
        if last:
            lengths[last - 1] = cuts.lines
        most = [cuts.slab, *[None] * last]
        parts = zip(self.axes, lengths, most, strict=True)
        return tuple(Cut(axis.count, length, slab) for axis, length, slab in parts)

    # --------------------------------------------------------------------------------------- loops

    def write(self) -> None:
        """All loops, with the tiles inside."""
        cuts = self.cuts
        tiles: TileWriter | DotTiles
        if cuts.tile.is_inner:
            tiles = DotTiles(self)
        else:
            tiles = TileWriter(self.context, [self], cuts.tile, cuts.by_taps)
        with self._chunks() as chunk, self._passes() as part:
            self._copy_image(chunk, part)
            for across in self.columns.pieces(self.context, chunk.columns, "j"):
                for down in self._places(chunk.slab, 0):
                    spot = self._spot(chunk, down, across)
                    if cuts.prefetches:
                        self._prefetch(spot)
                    tiles.write(spot, part)

    def _prefetch(self, spot: ConvolutionSpot) -> None:
        """Fetch the lines of the result while the sums are computed.

        In a loop: as many addresses written out cost LLVM more time than the sums do.
        """
        output, context = self.context.outputs[0], self.context
        line = max(LINE_BYTES // output.dtype.itemsize, 1)
        with context.one_loop(spot.rows, name="f") as r:
            for offset in range(0, sum(spot.widths), line):
                place = tuple(map(context.index, spot.place(r, offset, len(output.shape))))
                self.builder.let(Load(output, place, hint="prefetch"), "fetched")

    @contextmanager
    def _chunks(self) -> Iterator[_Chunk]:
        """One loop over the chunks of columns, and the slabs of all images for each of them.

        With a symbolic number of images, these are outermost: divisions are by constants.
        """
        chunks, batch, slabs = self.columns.chunks, self.batch, self.rows[0].chunks
        sizes = [slabs, *(axis.phases for axis in self.axes)]
        sizes += [batch, chunks] if isinstance(batch, int) else [chunks, batch]
        total: Size = 1
        for size in sizes:
            total = total * size
        with self.context.one_loop(total, LoopKind.PARALLEL, "m") as number:
            slab, *remainders, a, b = digits(self.context, number, sizes)
            example, columns = (a, b) if isinstance(batch, int) else (b, a)
            pairs = zip(self.axes, remainders, strict=True)
            axes = tuple(axis.at_phase(self.context, remainder) for axis, remainder in pairs)
            yield _Chunk(columns, example, slab, axes)

    @contextmanager
    def _passes(self) -> Iterator[Pass]:
        """The taps of the first axis one by one, or all at once."""
        count = self.axes[0].taps
        if not self.cuts.by_taps:
            yield Pass(ZERO, count)
            return
        with self.context.one_loop(count, name="p") as tap:
            yield Pass(tap, 1, equal(tap, ZERO), equal(tap, index_of(count - 1)))

    def _copy_image(self, chunk: _Chunk, part: Pass) -> None:
        """What a chunk sees, as far as it is in a pass."""
        if self.is_empty:
            return
        axes, cut = chunk.axes, self.rows[0]
        if self.cuts.by_taps:
            axes = (axes[0].at_tap(part.start), *axes[1:])
        length = (cut.most or 0) * cut.length
        first = named(self.context, chunk.slab * length, axes[0].count)
        firsts = (first, *[ZERO] * (len(axes) - 1))
        if self.flat is not None and reads_whole(self.form, self.cuts):
            self.slab = Whole(self.context, axes, self.form.depth, self.flat, chunk.example, first)
            return
        counts = (min(length, axes[0].count), *[axis.count for axis in axes[1:]])
        slab = Slab.make(self.context, self.form, self.flat, axes, counts, self.cuts.gap)
        self.slab = slab
        is_seen = [axis.extent >= 1 for axis in axes if axis.may_be_empty]
        with self.context.where(reduce(lambda a, b: a & b, is_seen, TRUE)):
            slab.fill(chunk.example, firsts)

    def _places(self, slab: Expr, axis: int) -> Iterator[tuple[Piece, ...]]:
        """Where the tiles of a slab stand along the spatial axes, from number `axis` on."""
        if axis == len(self.axes):
            yield ()
            return
        chunk = slab if axis == 0 else ZERO
        for piece in self.rows[axis].pieces(self.context, chunk, "i"):
            for others in self._places(slab, axis + 1):
                yield (piece, *others)

    def _spot(self, chunk: _Chunk, down: tuple[Piece, ...], across: Piece) -> ConvolutionSpot:
        tile, width = self.cuts.tile, down[-1].length
        lanes = 1 if tile.is_inner else tile.lanes
        whole, rest = divmod(across.length, lanes)
        lines = down[-2].length if len(down) > 1 else 1
        near = [piece.number * cut.length for piece, cut in zip(down, self.rows, strict=True)]
        return ConvolutionSpot(
            (chunk.example,),
            down[-1].start,
            named(self.context, across.start, self.form.columns),
            width * lines,
            (lanes,) * whole + ((rest,) if rest else ()),
            axes=chunk.axes,
            lines=tuple(piece.start for piece in down[:-1]),
            near=tuple(near),
            width=width,
        )

    # ---------------------------------------------------------------------------------- summands

    def steps(self, spot: Spot, part: Pass, add: Add) -> None:
        """Products, with each element of the image in all lanes of a vector."""
        if self.is_empty:
            return
        assert isinstance(spot, ConvolutionSpot)
        with self.taps(spot) as (place, first, seen, _):
            for channel in self._channels():
                far = seen + channel * self.form.length
                self._step(spot, (place, first, channel), far, add)

    @contextmanager
    def taps(self, spot: ConvolutionSpot) -> Iterator[tuple[Sequence[Expr], Expr, Expr, Expr]]:
        """Loops over the taps of a tile.

        Where a tap is in the kernel, the number of its first weight, where in the copy of the
        image the first result of the tile sees its first channel, and its number along a line.
        """
        slab = self.slab
        assert slab is not None
        start = self.builder.let(slab.start(spot.near), "start")
        with self._tap_loops(spot) as taps:
            seen = self.builder.let(start + slab.tap(taps), "seen")
            pairs = zip(slab.axes, taps, strict=True)
            place = [self.context.index(axis.weight(number)) for axis, number in pairs]
            yield place, self.weights.start(place), seen, taps[-1]

    @contextmanager
    def _tap_loops(self, spot: ConvolutionSpot) -> Iterator[tuple[Expr, ...]]:
        """Loops over the taps along each axis."""
        assert self.slab is not None
        *outer, last = self.slab.axes
        taps = list[Expr]()
        kind = LoopKind.UNROLL if self.cuts.is_short else LoopKind.SERIAL
        last_kind = LoopKind.UNROLL if self.cuts.unrolls_line else LoopKind.SERIAL
        with ExitStack() as stack:
            for axis in range(len(outer)):
                low, count = self._tap_range(spot, axis)
                taps.append(low + stack.enter_context(self.context.one_loop(count, kind, "t")))
            taps.append(stack.enter_context(self.context.one_loop(last.extent, last_kind, "t")))
            yield tuple(taps)

    def _tap_range(self, spot: ConvolutionSpot, axis: int) -> tuple[Expr, Extent]:
        """The first tap along an axis, and how many there are.

        Taps behind the edge of the image, which the rows of a tile have in common, are left out.
        """
        assert self.slab is not None
        own = self.slab.axes[axis]
        is_common = axis < len(self.axes) - 2 or spot.width == spot.rows
        counts = self.form.zero != 0 or not is_common
        if self.cuts.is_short or own.is_covered() or counts:
            return ZERO, own.extent
        low, high = (self.context.index(part) for part in own.taps_inside(spot.lines[axis]))
        low = self.builder.let(low, "low")
        return low, self.builder.let(self.context.index(high - low), "taps")

    def _channels(self) -> Iterator[Expr]:
        depth, context = self.form.depth, self.context
        if not self.cuts.unrolls_line:
            yield from unrolled(context, depth, self.cuts.unrolled, "c")
            return
        with context.one_loop(depth, LoopKind.UNROLL, "c") as channel:
            yield channel

    def _step(
        self, spot: ConvolutionSpot, weight: tuple[Sequence[Expr], Expr, Expr], seen: Expr, add: Add
    ) -> None:
        if self.cuts.fetches_weights:
            place, _, channel = weight
            self.weights.fetch(spot, place, channel + CHANNELS_AHEAD)
        add_outer_product(
            self.context,
            spot,
            self.cuts.tile.lanes,
            self.weights.dtype,
            self.is_masked,
            lambda: self._left(spot, seen),
            lambda offset: self.weights.read(spot, *weight, offset),
            add,
            mul if self.form.dot is None else self.form.dot.product,
        )

    def _left(self, spot: ConvolutionSpot, seen: Expr) -> Iterator[tuple[Expr, Expr]]:
        """The rows of a tile, with what they see at one tap and channel."""
        context, lines = self.context, spot.rows // spot.width
        with (
            context.one_loop(lines, LoopKind.UNROLL, "s") as line,
            context.one_loop(spot.width, LoopKind.UNROLL, "r") as position,
        ):
            far = seen + position * self._pitches[-1]
            if lines > 1:
                far = far + line * self._pitches[-2]
            row = context.index(line * spot.width + position)
            yield row, self.builder.let(self.read(far), "a")

    @property
    def _pitches(self) -> list[int]:
        """Elements from what a result sees to what the next one does, along each axis."""
        assert self.slab is not None
        pairs = zip(self.slab.axes, self.slab.steps, strict=True)
        return [axis.pitch * step for axis, step in pairs]

    @property
    def pitch(self) -> int:
        """The same along a line."""
        return self._pitches[-1]

    def read(self, place: Expr) -> Expr:
        """An element of the copy of the image, or a word of them."""
        assert self.slab is not None
        return self.slab.read(place)

    def fetch(self, spot: ConvolutionSpot) -> None:
        """Bring nearer what tiles further down see of an image that is read where it is."""
        if isinstance(self.slab, Whole) and len(self.axes) > 1:
            self.slab.fetch(spot.near, spot.rows)

    def is_inside(self, position: Expr, tap: Expr) -> Expr:
        """Whether what a result sees may be read, by its number in its line and its tap there."""
        return self.slab.is_inside(position, tap) if isinstance(self.slab, Whole) else TRUE
