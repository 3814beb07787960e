"""Which elements of an image meet which weights in a convolution or its adjoint, axis by axis.

A phase is a set of results that see the image through the same weights, at regular steps:

    result[q * out_step + out_start] = sum over taps m of
        image[q * in_step + m * tap_step + in_start] * weights[m * kernel_step + kernel_start]

along every spatial axis. A convolution is one phase. Its adjoint in the image is a convolution of
the gradient with the weights turned around; with a stride, the results fall into as many phases as
there are remainders, each of which sees its own part of the weights, and no zeros are multiplied.
Where these are alike, one code serves them all, with starts and taps that depend on the remainder.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product as combinations
from math import gcd

from irflow.dims import Size
from irflow.ir.graph import Node, Value
from irflow.loops import Expr, integer
from irflow.loops.intrinsics import Dot
from irflow.lowering.nest import NestContext
from irflow.lowering.values import ZERO, index_of, maximum, minimum
from irflow.ops.convolution import Convolution, ConvolutionInputGradient
from irflow.ops.integer_convolution import IntegerConvolution
from irflow.records import dataclass


@dataclass(frozen=True, slots=True)
class Split:
    """What an axis of an adjoint with a stride depends on besides the remainder.

    Attributes:
        stride, low: of the convolution, and its padding in front.
        kernel: weights along the axis.
    """

    stride: int
    low: int
    kernel: int


@dataclass(frozen=True, slots=True)
class Axis:
    """One spatial axis of a phase.

    Attributes:
        count: results along it.
        size: elements of the image.
        taps: how many weights a result sees.
        out_start, out_step: where the results are.
        in_start, in_step, tap_step: where the elements of the image are that they see.
        kernel_start, kernel_step: where the weights are.
        seen_taps: how many weights there are, where this depends on the remainder; up to `taps`.
        split: for all remainders of an adjoint at once, from which an `Axis` comes by `at_phase`.
        may_be_empty: whether `seen_taps` may be 0.
    """

    count: int
    size: int
    taps: int
    out_start: int | Expr
    out_step: int
    in_start: int | Expr
    in_step: int
    tap_step: int
    kernel_start: int | Expr
    kernel_step: int
    seen_taps: Expr | None = None
    split: Split | None = None
    may_be_empty: bool = False

    @property
    def phases(self) -> int:
        """How many remainders this stands for."""
        return self.split.stride if self.split else 1

    @property
    def extent(self) -> int | Expr:
        """The taps over which a loop goes."""
        return self.taps if self.seen_taps is None else self.seen_taps

    def at_phase(self, context: NestContext, remainder: Expr) -> Axis:
        """The axis of one remainder."""
        if self.split is None:
            return self
        stride, low, kernel = self.split.stride, self.split.low, self.split.kernel
        let = context.builder.let
        first = let(context.index((remainder + low) % stride), "tap")
        taps = let(context.index((stride + kernel - 1 - first) // stride), "taps")
        return replace(
            self,
            out_start=remainder,
            in_start=let(context.index((remainder + low - first) // stride - taps + 1), "seen"),
            kernel_start=let(context.index(first + (taps - 1) * stride), "last"),
            seen_taps=taps,
            split=None,
            may_be_empty=kernel < stride,
        )

    @property
    def pitch(self) -> int:
        """Elements of a copy of the image from one result to the next.

        What is seen through a single tap is copied without what lies between.
        """
        return 1 if self.taps <= 1 else self.in_step

    @property
    def copied_step(self) -> int:
        """Elements of the image from one copied element to the next."""
        return self.in_step if self.taps <= 1 else 1

    def span(self, count: int) -> int:
        """Elements of a copy of the image that `count` results see."""
        return (count - 1) * self.pitch + max(self.taps - 1, 0) * self.tap_step + 1

    def result(self, q: Expr) -> Expr:
        """The index of a result."""
        place: Expr = q * self.out_step + self.out_start
        return place

    def weight(self, tap: Expr) -> Expr:
        """The index of a weight."""
        place: Expr = tap * self.kernel_step + self.kernel_start
        return place

    def seen(self, first: Expr, number: Expr) -> Expr:
        """The position of the copied element `number`, where the copy begins with `first`."""
        place: Expr = first * self.in_step + number * self.copied_step + self.in_start
        return place

    def is_covered(self) -> bool:
        """Whether all that is seen is known to lie in the image."""
        if isinstance(self.in_start, Expr):
            return False
        far = (self.count - 1) * self.in_step + (self.taps - 1) * self.tap_step
        return self.in_start >= 0 and self.in_start + far < self.size

    def taps_inside(self, q: Expr) -> tuple[Expr, Expr]:
        """The first tap that lies in the image for a result, and the one behind the last."""
        first, step = q * self.in_step + self.in_start, integer(self.tap_step)
        low = maximum((step - 1 - first) // step, ZERO)
        high = (step - 1 - first + self.size) // step
        return low, minimum(maximum(high, ZERO), index_of(self.extent))

    def at_tap(self, tap: Expr) -> Axis:
        """The same with one tap only."""
        return replace(
            self,
            taps=1,
            seen_taps=None,
            in_start=tap * self.tap_step + self.in_start,
            kernel_start=tap * self.kernel_step + self.kernel_start,
        )


@dataclass(frozen=True, slots=True)
class Form:
    """A convolution, or its adjoint in the image.

    Attributes:
        image, weights: its operands.
        kernel: weights along each axis.
        depth: channels that are summed over, or words of them.
        columns: channels of the result.
        is_turned: whether the weights' axes of channels are exchanged.
        phases: at least one; together they are the whole result.
        dot: what words of channels are made of, where those are multiplied.
        zero: what stands for 0 in the image.
    """

    image: Value
    weights: Value
    kernel: tuple[int, ...]
    depth: int
    columns: int
    is_turned: bool
    phases: tuple[tuple[Axis, ...], ...]
    dot: Dot | None = None
    zero: int = 0

    @property
    def length(self) -> int:
        """Channels of a step along them."""
        return 1 if self.dot is None else self.dot.length

    def in_words(self, dot: Dot) -> Form | None:
        """The same in words of channels; None where channels are left over."""
        depth, rest = divmod(self.depth, dot.length)
        return None if rest else replace(self, depth=depth, dot=dot)

    @property
    def largest(self) -> tuple[Axis, ...]:
        """The first phase, which has the most results, with the most taps of any."""
        by_axis = zip(*self.phases, strict=True)
        return tuple(replace(axes[0], taps=max(axis.taps for axis in axes)) for axes in by_axis)


MOST_PHASES = 9
"""More of them are more code than they save time."""


def form_of(node: Node) -> Form | None:
    """The form of a node; None for other ops, groups, and symbolic or empty axes."""
    op = node.op
    known = Convolution, IntegerConvolution, ConvolutionInputGradient
    if not isinstance(op, known) or op.groups != 1:
        return None
    image, weights = node.inputs
    sizes = (*image.type.shape[1:], *weights.type.shape, *node.output.type.shape[1:])
    if not all(isinstance(size, int) and size > 0 for size in sizes):
        return None
    is_turned = isinstance(op, ConvolutionInputGradient)
    axes = _adjoint if is_turned else _forward
    kernel = _ints(weights.type.shape[:-2])
    places = zip(
        _ints(node.output.type.shape[1:-1]),
        _ints(image.type.shape[1:-1]),
        kernel,
        op.strides,
        op.dilations,
        (low for low, _ in op.padding),
        strict=True,
    )
    phases = tuple(combinations(*(tuple(axes(*place)) for place in places)))
    if len(phases) > MOST_PHASES:
        return None
    depth, columns = _ints((image.type.shape[-1], node.output.type.shape[-1]))
    zero = op.zero if isinstance(op, IntegerConvolution) else 0
    return Form(image, weights, kernel, depth, columns, is_turned, phases, zero=zero)


def _ints(sizes: Sequence[Size]) -> tuple[int, ...]:
    """Sizes that are known to be numbers."""
    return tuple(size for size in sizes if isinstance(size, int))


def _forward(
    count: int, size: int, taps: int, stride: int, dilation: int, low: int
) -> Iterator[Axis]:
    yield Axis(count, size, taps, 0, 1, -low, stride, dilation, 0, 1)


def _adjoint(
    count: int, size: int, taps: int, stride: int, dilation: int, low: int
) -> Iterator[Axis]:
    """One axis a remainder, or for all of them if these are alike.

    Taps are turned around, so that positions grow with them.
    """
    if stride > 1 and dilation == 1 and count % stride == 0:
        most, split = -(-taps // stride), Split(stride, low, taps)
        yield Axis(count // stride, size, most, 0, stride, 0, 1, 1, 0, -stride, split=split)
        return
    for first in range(min(stride, count)):
        seen = [k for k in range(taps) if (first + low - k * dilation) % stride == 0]
        last = seen[-1] if seen else 0
        common = gcd(stride, dilation)
        yield Axis(
            count=-(-(count - first) // stride),
            size=size,
            taps=len(seen),
            out_start=first,
            out_step=stride,
            in_start=(first + low - last * dilation) // stride,
            in_step=1,
            tap_step=dilation // common,
            kernel_start=last,
            kernel_step=-(stride // common),
        )


def inside(position: Expr, size: int) -> Expr:
    """Whether a position lies in the image and not in its padding."""
    both: Expr = (position >= integer(0)) & (position < integer(size))
    return both


def product(sizes: Sequence[int]) -> int:
    """All sizes multiplied."""
    total = 1
    for size in sizes:
        total *= size
    return total
