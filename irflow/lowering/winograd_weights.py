"""Weights of a convolution at Winograd's points, in the order in which register tiles read them.

Constants are transformed when code is made; other weights by the kernel, before all else.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from irflow.dtypes import DType
from irflow.ir.attributes import DenseArray
from irflow.loops import Buffer, Expr, Load, LoopKind, Ramp, Space, integer
from irflow.lowering.convolution_axes import Form
from irflow.lowering.convolution_weights import WeightSource, turned_square
from irflow.lowering.cuts import Cut, Piece
from irflow.lowering.nest import NestContext
from irflow.lowering.ready import Known, ReadyPack
from irflow.lowering.values import ZERO
from irflow.lowering.winograd_plan import Plan
from irflow.lowering.winograd_square import on_both_axes
from irflow.lowering.winograd_transform import TAPS, Transform


def weights_at_points(
    context: NestContext, form: Form, content: Known | None, plan: Plan, dtype: DType
) -> ReadyPack:
    """The weights at all points, `[point, panel * depth * column]`.

    Args:
        context: where code goes.
        form: of the convolution.
        content: the weights, where they are constants.
        plan: how the convolution is cut.
        dtype: in which sums are taken.
    """
    if content is not None:
        points = Known.of(_transformed(content, form, plan.transform))
        return ReadyPack.make(context, points, dtype, plan.tile.width)
    width, depth = plan.tile.width, form.depth
    shape = plan.points, -(-form.columns // width) * width * depth
    buffer = context.builder.alloc(dtype, shape, Space.GLOBAL, "right")
    _WeightTransform(context, form, plan.transform, width, buffer).write()
    return ReadyPack(context, buffer, depth, width)


def _transformed(content: Known, form: Form, transform: Transform) -> DenseArray:
    """Constants at all points, `[point, depth, columns]`."""
    turned = content.array.swapaxes(-1, -2) if form.is_turned else content.array
    (axes,) = form.phases
    steps = tuple(slice(None, None, axis.kernel_step) for axis in axes)
    name = f"{content.name} {transform} {form.is_turned} {steps}"
    return DenseArray(transform.weights(turned[steps]), name, is_fixed=True)


class _WeightTransform:
    """Writes the weights at all points; threads share the channels.

    Args:
        context: where to.
        form: of the convolution.
        transform: of an axis.
        width: of a panel.
        buffer: where they are left.
    """

    def __init__(
        self, context: NestContext, form: Form, transform: Transform, width: int, buffer: Buffer
    ) -> None:
        self.context = context
        self.builder = context.builder
        self.form = form
        self.transform = transform
        self.width = width
        self.buffer = buffer
        self.lanes = context.target.lanes(buffer.dtype)
        self.source = WeightSource(context, form)

    def write(self) -> None:
        """All weights, as their columns are neighbours in memory, or else by squares."""
        is_turned = not self.source.factor(is_known=False).runs_outer
        step = self.lanes if is_turned else 1
        with self.context.one_loop(self.form.depth // step, LoopKind.PARALLEL, "k") as block:
            for piece in Cut(self.form.columns, self.width, None).pieces(self.context, ZERO, "j"):
                if is_turned:
                    self._squares(block * step, piece)
                else:
                    self._row(block, piece)

    def _row(self, channel: Expr, piece: Piece) -> None:
        """The weights of a channel in a panel."""
        with self.context.one_loop(piece.length, LoopKind.VECTOR, "l") as lane:

            def read(*place: Expr) -> Expr:
                return self.source.at(place, channel, piece.start + lane)

            self._transform(channel, piece, lane, read)

    def _squares(self, first: Expr, piece: Piece) -> None:
        """Those of so many channels as a vector has lanes, a square of which is turned at a time.

        A square of each tap waits in a cache until it is transformed.
        """
        context, lanes, dtype = self.context, self.lanes, self.buffer.dtype
        turned = self.builder.alloc(dtype, (TAPS, TAPS, lanes, lanes), Space.GLOBAL, "turned")
        with context.one_loop(piece.length // lanes, name="c") as across:
            start = context.index(piece.start + across * lanes)
            with context.loops((TAPS, TAPS), name="t") as tap:
                rows = turned_square(
                    context, dtype, lambda c, lane: self.source.at(tap, first + lane, start + c)
                )
                for k, vector in enumerate(rows):
                    self.builder.store(turned, (*tap, integer(k), Ramp(ZERO, 1, lanes)), vector)
            for row, lane in context.vector_loops((lanes, lanes), "k"):

                def read(*place: Expr, at: tuple[Expr, Expr] = (row, lane)) -> Expr:
                    return Load(turned, (*map(context.index, place), *at))

                self._transform(first + row, piece, across * lanes + lane, read)

    def _transform(
        self, channel: Expr, piece: Piece, offset: Expr, read: Callable[..., Expr]
    ) -> None:
        """The weights of a channel and a column, read by their places, at all points."""
        context, builder, (axes,) = self.context, self.builder, self.form.phases
        lines, positions = ([axis.weight(integer(n)) for n in range(TAPS)] for axis in axes)
        square = [[builder.let(read(y, x), "w") for x in positions] for y in lines]
        found = on_both_axes(partial(self.transform.taps, builder), square)
        place = context.index(piece.start * self.form.depth + channel * self.width + offset)
        for point, value in enumerate(value for line in found for value in line):
            builder.store(self.buffer, (integer(point), place), value)
