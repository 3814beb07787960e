"""Convolutions of few channels a group, and their input gradients, as sums over windows.

A vector of result channels spans one or more groups. The channels that these see lie side by side;
one vector of them serves all, its lanes spread by a shuffle for each channel of a group.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from irflow.dtypes import DType, compute_dtype
from irflow.ir.graph import Node, Value
from irflow.loops import (
    Broadcast,
    Buffer,
    Const,
    Expr,
    Load,
    LoopKind,
    Ramp,
    Shuffle,
    Space,
    integer,
)
from irflow.loops.intrinsics import multiply_add
from irflow.lowering.group import Group
from irflow.lowering.nest import Built, NestContext
from irflow.lowering.sliding import Lanes, Shape, SlidingWriter, lanes_of, spatial_index
from irflow.lowering.sliding_axes import Axis
from irflow.lowering.target import Target
from irflow.lowering.values import ZERO
from irflow.ops.convolution import Convolution, ConvolutionInputGradient
from irflow.ops.convolution_form import ConvolutionOp
from irflow.records import dataclass

MOST_VECTORS = 4
"""Vectors from which one is picked together."""
WIDE = 2
"""Vectors of a group side by side in a tile."""
MOST_TERMS = 16
"""Channels of a group that are taken in turn."""


def grouped_nest(group: Group, target: Target) -> Built | None:
    """The nest of a group with a convolution of few channels a group at its end, or of its input
    gradient; None for others.
    """
    anchors = group.anchors()
    if len(anchors) != 1 or len(group.heavy()) != 1:
        return None
    (anchor,) = anchors
    if not isinstance(anchor.op, (Convolution, ConvolutionInputGradient)):
        return None
    form = Grouping.of(anchor, target)
    shape = None if form is None else convolution_shape(anchor, target, form)
    if form is None or shape is None or not shape.fits:
        return None
    context = NestContext(group, target)
    SlidingWriter(context, anchor, shape, _Grouped(context, anchor, form)).write()
    return context.finish()


@dataclass(frozen=True, slots=True)
class Grouping:
    """How channels of a result see channels of a source.

    Attributes:
        dtype: in which sums are taken.
        lanes: of a vector.
        results, terms: channels of the result, and of the source, in a group.
    """

    dtype: DType
    lanes: int
    results: int
    terms: int

    @classmethod
    def of(cls, anchor: Node, target: Target) -> Grouping | None:
        """The grouping of a convolution or its input gradient; None where vectors do not fit it."""
        op, w = anchor.op, anchor.inputs[1].type
        assert isinstance(op, ConvolutionOp)
        dtype = compute_dtype(w.dtype)
        inner, outer = w.shape[-2:]
        if op.groups == 1 or not dtype.is_float:
            return None
        if not isinstance(inner, int) or not isinstance(outer, int) or not inner * outer:
            return None
        sizes = outer // op.groups, inner
        results, terms = sizes if isinstance(op, Convolution) else sizes[::-1]
        form = cls(dtype, target.lanes(dtype), results, terms)
        return form if form.fits or form.is_wide else None

    @classmethod
    def of_weights(cls, anchor: Node, target: Target) -> Grouping | None:
        """The grouping of the convolution whose weight gradient this is."""
        op, (x, g) = anchor.op, anchor.inputs
        assert isinstance(op, ConvolutionOp)
        dtype = compute_dtype(x.type.dtype)
        inner, outer = x.type.shape[-1], g.type.shape[-1]
        if op.groups == 1 or not dtype.is_float:
            return None
        if not isinstance(inner, int) or not isinstance(outer, int) or not inner * outer:
            return None
        form = cls(dtype, target.lanes(dtype), outer // op.groups, inner // op.groups)
        return form if form.fits else None

    @property
    def is_wide(self) -> bool:
        """Whether a vector of results lies in one group, and sees each of its channels in turn."""
        return self.results % self.lanes == 0

    @property
    def fits(self) -> bool:
        fits_vector = self.lanes % self.results == 0 and self.terms <= MOST_TERMS
        return fits_vector and self.seen <= MOST_VECTORS * self.lanes

    @property
    def seen(self) -> int:
        """Channels of the source that a vector of results sees."""
        return self.lanes // self.results * self.terms

    @property
    def is_plain(self) -> bool:
        """Whether each channel sees the one of the same number."""
        return self.results == self.terms == 1

    def spread(self, context: NestContext, vectors: Sequence[Expr]) -> list[Expr]:
        """The channel that each lane sees, for each channel in a group."""
        if self.is_plain:
            return list(vectors)
        return [self._picked(context, vectors, term) for term in range(self.terms)]

    def _picked(self, context: NestContext, vectors: Sequence[Expr], term: int) -> Expr:
        places = [lane // self.results * self.terms + term for lane in range(self.lanes)]
        width = vectors[0].lanes
        result: Expr | None = None
        for number in range(0, len(vectors), 2):
            pair = tuple(vectors[number : number + 2])
            first, end = number * width, (number + len(pair)) * width
            inside = [first <= place < end for place in places]
            picks = [p - first if i else 0 for p, i in zip(places, inside, strict=True)]
            part = context.builder.let(Shuffle(pair, tuple(picks)), "picked")
            if result is not None:
                lanes = range(self.lanes)
                chosen = tuple(n + self.lanes if inside[n] else n for n in lanes)
                part = context.builder.let(Shuffle((result, part), chosen), "picked")
            result = part
        assert result is not None
        return result

    def read(
        self,
        context: NestContext,
        value: Value,
        place: tuple[Expr, ...],
        channels: Lanes,
    ) -> list[Expr]:
        """The channels of the source that a vector of results sees, by channel in a group."""
        if self.is_plain:
            return [vector_at(context, value, place, channels)]
        start = context.index(channels.start // self.results * self.terms)
        count = channels.count // self.results * self.terms
        width = min(self.seen, self.lanes)
        found = [
            vector_at(
                context,
                value,
                place,
                Lanes(context.index(start + n), width, max(min(count - n, width), 0)),
            )
            for n in range(0, self.seen, width)
        ]
        return self.spread(context, found)


def convolution_shape(anchor: Node, target: Target, form: Grouping) -> Shape | None:
    """The sizes of a convolution or its input gradient; None where one is symbolic or empty."""
    op, (source, w) = anchor.op, anchor.inputs
    assert isinstance(op, ConvolutionOp)
    batch, *counts, channels = anchor.output.type.shape
    numbers = [*counts, channels, *source.type.shape[1:], *w.type.shape]
    if len(counts) > 2 or batch == 0 or not all(isinstance(n, int) and n > 0 for n in numbers):
        return None
    is_adjoint = isinstance(op, ConvolutionInputGradient)
    axes = [Axis(1, 1, 1, 1, 1, 0)] * (2 - len(counts)) + [
        Axis(int(count), int(size), int(kernel), stride, dilation, low, is_adjoint)
        for count, size, kernel, stride, dilation, (low, _) in zip(
            counts,
            source.type.shape[1:-1],
            w.type.shape[:-2],
            op.strides,
            op.dilations,
            op.padding,
            strict=True,
        )
    ]
    sizes = target, form.dtype, batch, axes[0], axes[1], int(channels)
    if form.is_wide:
        return Shape(*sizes, wide=WIDE if form.results % (WIDE * form.lanes) == 0 else 1)
    return Shape(*sizes, form.terms)


class _Grouped:
    """What is summed up in a tile (`Windowed`)."""

    def __init__(self, context: NestContext, anchor: Node, form: Grouping) -> None:
        self.context = context
        self.form = form
        self.anchor = anchor
        self.x, self.w = anchor.inputs
        self.packed: Buffer | None = None
        self.rounds = form.terms if form.is_wide else 1
        self.turn: Expr = ZERO

    @property
    def identity(self) -> Const:
        return Const(0.0, self.form.dtype)

    def prepare(self) -> None:
        """Weights in the order of the channels of a group, then of the result."""
        is_adjoint = isinstance(self.anchor.op, ConvolutionInputGradient)
        if not is_adjoint or self.form.is_plain:
            return
        context, form = self.context, self.form
        kernel = self.w.type.shape[:-2]
        channels = self.anchor.output.type.shape[-1]
        shape = *((1,) * (2 - len(kernel))), *kernel, form.terms, channels
        self.packed = context.builder.alloc(form.dtype, shape, Space.GLOBAL, "weights")
        with (
            context.loops((*shape[:3],), name="w") as (ky, kx, term),
            context.one_loop(channels, LoopKind.VECTOR, "l") as channel,
        ):
            group = channel // form.results
            inner = channel - group * form.results
            index = ky, kx, inner, group * form.terms + term
            value = context.at(self.w, index[-len(self.w.type.shape) :])
            context.builder.store(self.packed, (ky, kx, term, channel), value)

    def held(self, index: tuple[Expr, ...], channels: Lanes) -> Expr | None:
        return None

    def factors(self, ky: Expr, kx: int, channels: Lanes) -> Sequence[Expr]:
        terms = [self.turn] if self.form.is_wide else map(integer, range(self.form.terms))
        return [self._factor((ky, integer(kx), term), channels) for term in terms]

    def _factor(self, place: tuple[Expr, Expr, Expr], channels: Lanes) -> Expr:
        packed = self.packed
        if packed is None:
            return vector_at(self.context, self.w, place[1 - self.w.type.rank :], channels)

        def element(lane: Expr) -> Expr:
            channel = self.context.index(channels.start + lane)
            return Load(packed, (*place, channel), self.context.mask)

        return vector_of(self.context, self.form.dtype, channels, element)

    def source(self, index: tuple[Expr, ...], channels: Lanes) -> Sequence[tuple[Expr, ...]]:
        place = spatial_index(index, self.x.type.rank)
        if self.form.is_wide:
            first = channels.start // self.form.results * self.form.terms
            value = self.context.at(self.x, (*place, self.context.index(first + self.turn)))
            return [(Broadcast(self.context.builder.let(value, "seen"), channels.lanes),)]
        return [(part,) for part in self.form.read(self.context, self.x, place, channels)]

    def combine(
        self, before: Expr, held: Expr | None, factor: Expr | None, source: tuple[Expr, ...]
    ) -> Expr:
        assert factor is not None
        return multiply_add(source[0], factor, before)


def vector_at(context: NestContext, value: Value, place: tuple[Expr, ...], channels: Lanes) -> Expr:
    """Neighbours along the last axis of a tensor."""
    buffer = context.buffers.get(value)
    dtype = compute_dtype(value.type.dtype)
    if buffer is not None and buffer.dtype is dtype and channels.is_whole:
        ramp = Ramp(channels.start, 1, channels.lanes)
        return context.builder.let(Load(buffer, (*place, ramp)), "vector")

    def element(lane: Expr) -> Expr:
        return context.at(value, (*place, context.index(channels.start + lane)))

    return vector_of(context, dtype, channels, element)


def vector_of(
    context: NestContext, dtype: DType, channels: Lanes, element: Callable[[Expr], Expr]
) -> Expr:
    """A vector with an element function in its lanes."""
    cells = context.builder.alloc(dtype, (channels.lanes,), name="vector")
    with lanes_of(context, channels) as lane:
        context.builder.store(cells, (lane,), element(lane))
    return context.builder.let(Load(cells, (Ramp(ZERO, 1, channels.lanes),)), "vector")
