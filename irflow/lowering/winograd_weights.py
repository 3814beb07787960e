"""Weights of a convolution at Winograd's points, in the order in which register tiles read them.

Constants are transformed when code is made; other weights by the kernel, before all else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product as combinations

from irflow.dtypes import DType
from irflow.ir.attributes import DenseArray
from irflow.loops import Expr, LoopKind, Space, integer
from irflow.lowering.convolution_axes import Form
from irflow.lowering.convolution_weights import PackedWeights, WeightSource
from irflow.lowering.cuts import Cut
from irflow.lowering.nest import NestContext
from irflow.lowering.ready import Known, ReadyPack
from irflow.lowering.values import ZERO
from irflow.lowering.winograd_plan import Plan
from irflow.lowering.winograd_transform import TAPS, Transform

Read = Callable[[Sequence[Expr], Expr, Expr, Expr], Expr]
"""A weight by its place in the kernel, its channel, the first column of its panel, and its column
in it.
"""


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
    read = _reader(context, form, dtype, width)
    buffer = context.builder.alloc(dtype, shape, Space.GLOBAL, "right")
    with context.one_loop(depth, LoopKind.PARALLEL, "k") as k:
        for piece in Cut(form.columns, width, None).pieces(context, ZERO, "j"):
            with context.one_loop(piece.length, LoopKind.VECTOR, "l") as lane:
                found = _at_points(context, form, plan.transform, read, (k, piece.start, lane))
                place = context.index(piece.start * depth + k * width + lane)
                for point, value in enumerate(found):
                    context.builder.store(buffer, (integer(point), place), value)
    return ReadyPack(context, buffer, depth, width)


def _transformed(content: Known, form: Form, transform: Transform) -> DenseArray:
    """Constants at all points, `[point, depth, columns]`."""
    turned = content.array.swapaxes(-1, -2) if form.is_turned else content.array
    (axes,) = form.phases
    steps = tuple(slice(None, None, axis.kernel_step) for axis in axes)
    name = f"{content.name} {transform} {form.is_turned} {steps}"
    return DenseArray(transform.weights(turned[steps]), name, is_fixed=True)


def _reader(context: NestContext, form: Form, dtype: DType, width: int) -> Read:
    """Reads weights where they are, or from a copy if columns are no neighbours in memory."""
    source = WeightSource(context, form)
    if source.factor(is_known=False).runs_outer:
        return lambda place, channel, start, lane: source.at(place, channel, start + lane)
    sizes = form.depth, form.columns, width
    packed = PackedWeights.make(context, source.at, dtype, form.kernel, sizes, is_turned=True)
    packed.fill()

    def read(place: Sequence[Expr], channel: Expr, start: Expr, lane: Expr) -> Expr:
        line, position = place
        return packed.read(start, (line * TAPS + position) * form.depth + channel, lane)

    return read


def _at_points(
    context: NestContext,
    form: Form,
    transform: Transform,
    read: Read,
    where: tuple[Expr, Expr, Expr],
) -> list[Expr]:
    """The weights of a channel and a column at all points."""
    builder, (axes,) = context.builder, form.phases
    taps = {
        numbers: builder.let(
            read([a.weight(integer(n)) for a, n in zip(axes, numbers, strict=True)], *where), "w"
        )
        for numbers in combinations(range(TAPS), repeat=2)
    }
    columns = [transform.taps(builder, [taps[i, j] for i in range(TAPS)]) for j in range(TAPS)]
    lines = [transform.taps(builder, line) for line in zip(*columns, strict=True)]
    return [value for line in lines for value in line]
