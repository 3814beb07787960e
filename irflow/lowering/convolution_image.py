"""The part of an image that a chunk of a convolution's results sees, copied between its zeros.

In the copy, what neighbouring taps of a result see lies side by side, so tiles read it in place of
the rows of a matrix; nothing asks for the borders any more, and what stands in front of the
convolution is computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce

from irflow import dims, dtypes
from irflow.ir.graph import Value
from irflow.loops import Buffer, Const, Expr, Load, LoopKind, Ramp, Space
from irflow.loops.intrinsics import Dot, as_words
from irflow.loops.simplify import simplify_expr
from irflow.lowering.convolution_axes import Axis, Form, inside, product
from irflow.lowering.nest import NestContext
from irflow.lowering.schedule import LINE_BYTES
from irflow.lowering.values import ZERO, literal, widened
from irflow.records import dataclass

TRUE = Const(True, dtypes.bool_)
LINES_AHEAD = 2
"""So many lines before they are seen, those of an image that is not copied are fetched."""


@dataclass(frozen=True, slots=True)
class Slab:
    """A copied part of an image.

    Attributes:
        context: where code goes.
        image: the tensor.
        flat: the same in memory, with its last two axes as one; None if it is computed, or read
            elsewhere too.
        axes: spatial axes, as far as this copy goes.
        counts: results along each of them.
        depth: channels.
        gap: elements between the channels of neighbouring positions.
        buffer: the copy, with one index over all its elements.
        dot: what words of channels are made of, where those are read.
        zero: what stands for 0.
    """

    context: NestContext
    image: Value
    flat: Buffer | None
    axes: tuple[Axis, ...]
    counts: tuple[int, ...]
    depth: int
    gap: int
    buffer: Buffer
    dot: Dot | None
    zero: int

    @classmethod
    def make(
        cls,
        context: NestContext,
        form: Form,
        flat: Buffer | None,
        axes: tuple[Axis, ...],
        counts: tuple[int, ...],
        gap: int,
    ) -> Slab:
        """Room for the part of an image that so many results along each axis see.

        `gap` is in steps along the channels.
        """
        image, depth, gap = form.image, form.depth * form.length, gap * form.length
        total = depth + gap
        for axis, count in zip(axes, counts, strict=True):
            total *= axis.span(count)
        dtype = dtypes.compute_dtype(image.type.dtype)
        buffer = context.builder.alloc(dtype, (total,), Space.GLOBAL, "slab")
        return cls(context, image, flat, axes, counts, depth, gap, buffer, form.dot, form.zero)

    # ----------------------------------------------------------------------------------- addresses

    @property
    def spans(self) -> tuple[int, ...]:
        """Copied positions along each axis."""
        return tuple(axis.span(n) for axis, n in zip(self.axes, self.counts, strict=True))

    @property
    def steps(self) -> tuple[int, ...]:
        """Elements from one copied position to the next, along each axis."""
        found = [self.depth + self.gap]
        for span in reversed(self.spans[1:]):
            found.append(found[-1] * span)
        return tuple(reversed(found))

    def start(self, results: Sequence[Expr]) -> Expr:
        """Where what a result sees begins, by its number in this part along each axis."""
        parts = zip(results, self.axes, self.steps, strict=True)
        return _sum(self.context, [q * (axis.pitch * step) for q, axis, step in parts])

    def tap(self, taps: Sequence[Expr]) -> Expr:
        """How far from there a tap is."""
        return _tap(self.context, taps, self.axes, self.steps)

    def read(self, place: Expr) -> Expr:
        """An element of the copy, or the word that begins with it."""
        if self.dot is None:
            return Load(self.buffer, (self.context.index(place),))
        lanes = Ramp(self.context.index(place), 1, self.dot.length)
        return as_words(Load(self.buffer, (lanes,)), self.dot)

    # ------------------------------------------------------------------------------------- copying

    def fill(self, example: Expr, firsts: Sequence[Expr]) -> None:
        """Copy what the results from `firsts` on see of an example."""
        *outer, last = zip(self.axes, firsts, self.spans, self.steps, strict=True)
        axis, first, span, step = last
        with self.context.loops([part[2] for part in outer], name="y") as numbers:
            seen = zip(outer, numbers, strict=True)
            positions = [self._position(a, q, number) for (a, q, *_), number in seen]
            conditions = [
                inside(position, part[0].size)
                for part, position in zip(outer, positions, strict=True)
            ]
            terms = [number * part[3] for part, number in zip(outer, numbers, strict=True)]
            line = _sum(self.context, terms)
            self._either(
                conditions,
                lambda: self._line(line, [example, *positions], axis, first, span),
                lambda: self._zero(line, span * step),
            )

    def _position(self, axis: Axis, first: Expr, number: Expr) -> Expr:
        return self.context.index(axis.seen(first, number))

    def _either(
        self, conditions: Sequence[Expr], then: Callable[[], None], otherwise: Callable[[], None]
    ) -> None:
        """A branch, unless it is known which way it goes."""
        both = simplify_expr(reduce(lambda a, b: a & b, conditions, TRUE), self.context.known)
        if both == TRUE:
            then()
            return
        with self.context.builder.if_(both):
            then()
        with self.context.builder.else_():
            otherwise()

    def _zero(self, start: Expr, count: int) -> None:
        with self.context.one_loop(count, LoopKind.VECTOR, "z") as lane:
            self._store(start + lane, literal(self.zero, self.buffer.dtype))

    def _store(self, place: Expr, value: Expr) -> None:
        self.context.builder.store(self.buffer, (self.context.index(place),), value)

    def _line(self, line: Expr, before: Sequence[Expr], axis: Axis, first: Expr, span: int) -> None:
        """Zeros, a part of a line of the image, zeros."""
        step = self.steps[-1]
        if first != ZERO or isinstance(axis.in_start, Expr):
            with self.context.one_loop(span, name="x") as number:
                position, place = self._position(axis, first, number), line + number * step
                self._either(
                    [inside(position, axis.size)],
                    lambda: self._positions(place, [*before, position], axis, 1),
                    lambda: self._zero(place, step),
                )
            return
        lead = min(max(-(axis.in_start // axis.copied_step), 0), span)
        end = min(max(-((axis.in_start - axis.size) // axis.copied_step), lead), span)
        if lead:
            self._zero(line, lead * step)
        if end > lead:
            start = self.context.index(axis.seen(ZERO, ZERO + lead))
            self._positions(line + lead * step, [*before, start], axis, end - lead)
        if span > end:
            self._zero(line + end * step, (span - end) * step)

    def _positions(self, start: Expr, index: Sequence[Expr], axis: Axis, count: int) -> None:
        """Copy so many positions of a line, the first of which is at `index`."""
        context, step = self.context, self.steps[-1]
        *before, position = index
        if self.flat is not None and axis.copied_step == 1 and not self.gap:
            with context.one_loop(count * self.depth, LoopKind.VECTOR, "l") as lane:
                self._store(start + lane, self._at(before, position, lane))
            return
        if self.depth == 1:
            with context.one_loop(count, LoopKind.VECTOR, "l") as lane:
                seen = position + lane * axis.copied_step
                self._store(start + lane * step, self._at(before, seen, ZERO))
            return
        for number, lane in context.vector_loops((count, self.depth), "x"):
            seen = position + number * axis.copied_step
            self._store(start + number * step + lane, self._at(before, seen, lane))

    def _at(self, before: Sequence[Expr], position: Expr, channel: Expr) -> Expr:
        """An element of the image; in the flat one, channels may go on in the next position."""
        context = self.context
        if self.flat is None:
            return context.at(self.image, [*before, position, channel])
        place = (*before, position * self.depth + channel)
        return widened(Load(self.flat, tuple(context.index(part) for part in place)))


@dataclass(frozen=True, slots=True)
class Whole:
    """An image that is read where it is, in place of a copy of what a chunk sees.

    What lies outside of it must not be read: taps beyond its lines are left out, those beyond the
    ends of a line are masked.

    Attributes:
        context: where code goes.
        axes: spatial axes; neighbouring results see neighbours.
        depth: channels.
        buffer: `[image, element]`.
        example: which image.
        first: the number of the chunk's first result along the first axis.
    """

    context: NestContext
    axes: tuple[Axis, ...]
    depth: int
    buffer: Buffer
    example: Expr
    first: Expr

    @property
    def steps(self) -> tuple[int, ...]:
        """Elements from one position to the next, along each axis."""
        return tuple(self.depth * product(sizes) for sizes in self._inner_sizes())

    def _inner_sizes(self) -> list[list[int]]:
        sizes = [axis.size for axis in self.axes]
        return [sizes[n + 1 :] for n in range(len(sizes))]

    def start(self, results: Sequence[Expr]) -> Expr:
        """Where what a result sees begins, by its number in the chunk along each axis."""
        numbers = [self.first + results[0], *results[1:]]
        parts = zip(numbers, self.axes, self.steps, strict=True)
        return _sum(self.context, [(q + axis.in_start) * step for q, axis, step in parts])

    def tap(self, taps: Sequence[Expr]) -> Expr:
        """How far from there a tap is."""
        return _tap(self.context, taps, self.axes, self.steps)

    def read(self, place: Expr) -> Expr:
        """An element of the image; 0 behind the ends of a line, where `masked` says so."""
        return Load(self.buffer, (self.example, self.context.index(place)), self.context.mask)

    def fetch(self, results: Sequence[Expr], count: int) -> None:
        """Bring nearer what so many neighbours will see some lines further down.

        Tiles go through a few lines at a time, which is no order that a processor would recognise.
        """
        first, line = self.axes[0], LINE_BYTES // self.buffer.dtype.itemsize
        ahead = (first.taps - 1) * first.tap_step + LINES_AHEAD
        start = self.context.index(self.start(results) + ahead * self.steps[0])
        with self.context.one_loop(-(-count * self.depth // line), name="f") as number:
            place = self.example, self.context.index(start + number * line)
            self.context.builder.let(Load(self.buffer, place, hint="prefetch"), "fetched")

    def is_inside(self, position: Expr, tap: Expr) -> Expr:
        """Whether a result sees an element of its line, by its number in it and its tap."""
        axis = self.axes[-1]
        seen = position + axis.in_start + tap * axis.tap_step
        return simplify_expr(inside(seen, axis.size), self.context.known)


def _tap(
    context: NestContext, taps: Sequence[Expr], axes: Sequence[Axis], steps: Sequence[int]
) -> Expr:
    """Elements from the first tap to another, where positions are so many elements apart."""
    parts = zip(taps, axes, steps, strict=True)
    return _sum(context, [tap * (axis.tap_step * step) for tap, axis, step in parts])


def _sum(context: NestContext, terms: Sequence[Expr]) -> Expr:
    return context.index(reduce(lambda a, b: a + b, terms, ZERO))


def flat_image(context: NestContext, form: Form, kept: int) -> Buffer | None:
    """The image in memory, with its first `kept` axes and all others as one.

    None if it is computed or read by something else too.
    """
    image = form.image
    readers = [node for node in context.group.nodes if image in node.inputs]
    is_shared = len(readers) > 1 or image in context.group.outputs or image is form.weights
    if image not in context.buffers or is_shared:
        return None
    whole = context.buffers[image]
    flat = replace(whole, shape=(*whole.shape[:kept], dims.product(whole.shape[kept:])))
    context.inputs = tuple(flat if buffer is whole else buffer for buffer in context.inputs)
    context.buffers[image] = flat
    return flat
