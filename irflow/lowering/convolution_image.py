"""The part of an image that a chunk of a convolution's results sees, copied between its zeros.

In the copy, what neighbouring taps of a result see lies side by side, so tiles read it in place of
the rows of a matrix; nothing asks for the borders any more, and what stands in front of the
convolution is computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce

from irflow import dtypes
from irflow.ir.graph import Value
from irflow.loops import Buffer, Const, Expr, Load, LoopKind, Space
from irflow.loops.simplify import simplify_expr
from irflow.lowering.convolution_axes import Axis, Form, inside
from irflow.lowering.nest import NestContext
from irflow.lowering.values import ZERO, literal, widened

TRUE = Const(True, dtypes.bool_)


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
    """

    context: NestContext
    image: Value
    flat: Buffer | None
    axes: tuple[Axis, ...]
    counts: tuple[int, ...]
    depth: int
    gap: int
    buffer: Buffer

    @classmethod
    def make(
        cls,
        context: NestContext,
        image: Value,
        flat: Buffer | None,
        axes: tuple[Axis, ...],
        counts: tuple[int, ...],
        gap: int,
    ) -> Slab:
        """Room for the part of an image that so many results along each axis see."""
        depth = image.type.shape[-1]
        assert isinstance(depth, int)
        total = depth + gap
        for axis, count in zip(axes, counts, strict=True):
            total *= axis.span(count)
        dtype = dtypes.compute_dtype(image.type.dtype)
        buffer = context.builder.alloc(dtype, (total,), Space.GLOBAL, "slab")
        return cls(context, image, flat, axes, counts, depth, gap, buffer)

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
        return self._sum([q * (axis.pitch * step) for q, axis, step in parts])

    def tap(self, taps: Sequence[Expr]) -> Expr:
        """How far from there a tap is."""
        parts = zip(taps, self.axes, self.steps, strict=True)
        return self._sum([tap * (axis.tap_step * step) for tap, axis, step in parts])

    def _sum(self, terms: Sequence[Expr]) -> Expr:
        return self.context.index(reduce(lambda a, b: a + b, terms, ZERO))

    def read(self, place: Expr) -> Expr:
        """An element of the copy."""
        return Load(self.buffer, (self.context.index(place),))

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
            line = self._sum(terms)
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
            self._store(start + lane, literal(0, self.buffer.dtype))

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


def flat_image(context: NestContext, form: Form) -> Buffer | None:
    """The image in memory with positions in a line and channels as one axis.

    None if it is computed or read by something else too.
    """
    image = form.image
    readers = [node for node in context.group.nodes if image in node.inputs]
    is_shared = len(readers) > 1 or image in context.group.outputs or image is form.weights
    if image not in context.buffers or is_shared:
        return None
    whole = context.buffers[image]
    *before, positions, channels = whole.shape
    flat = replace(whole, shape=(*before, positions * channels))
    context.inputs = tuple(flat if buffer is whole else buffer for buffer in context.inputs)
    context.buffers[image] = flat
    return flat
