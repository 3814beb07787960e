"""Products of narrow elements, several of which stand in a word: `irflow.loops.intrinsics.Dot`.

The reduced axis is counted in words. A left operand that lies along it is read in words where it
is; where it is computed, it is copied in narrow elements first. Other operands are joined into
words as they are copied, or read. Behind the last reduced element, 0 fills the last word. So the
sums of a product are the same whatever is copied.
"""

from __future__ import annotations

from collections.abc import Callable

from irflow import dims, dtypes
from irflow.dims import Size
from irflow.dtypes import DType
from irflow.ir.graph import Node, Value
from irflow.loops import (
    Apply,
    Broadcast,
    Buffer,
    Expr,
    Load,
    LoopKind,
    Ramp,
    Space,
    integer,
)
from irflow.loops.intrinsics import DOTS, Dot, as_words
from irflow.lowering.nest import NestContext
from irflow.lowering.tile import Pass, Spot
from irflow.lowering.values import Extent, index_of, narrowed
from irflow.ops import Transpose
from irflow.records import dataclass
from irflow.scalars import find

At = Callable[[Expr, Expr], Expr]


def dot_of(context: NestContext, anchor: Node) -> Dot | None:
    """How a product multiplies words; None where it takes elements one by one."""
    left, right = (value.type.dtype for value in anchor.inputs)
    if left.name not in context.target.dots:
        return None
    dot = DOTS[left.name]
    total = dtypes.compute_dtype(anchor.output.type.dtype)
    return dot if dot.right is right and dot.total is total else None


def word_count(inner: Size, dot: Dot | None) -> Size:
    """The reduced axis in words."""
    return inner if dot is None else dims.ceil_div(inner, dot.length)


@dataclass(frozen=True, slots=True)
class Words:
    """Words of the operands of a product.

    Attributes:
        context: where code goes.
        dot: what they are.
        inner: the reduced axis, in elements.
    """

    context: NestContext
    dot: Dot
    inner: Size

    @property
    def is_even(self) -> bool:
        """Whether the last word is known to be full."""
        return isinstance(self.inner, int) and self.inner % self.dot.length == 0

    def joined(self, element: Callable[[Expr], Expr], dtype: DType, word: Expr) -> Expr:
        """A word of elements that are given by their number along the reduced axis."""
        length = self.dot.length
        parts = []
        for i in range(length):
            place = self.context.index(word * length + i)
            parts.append(narrowed(self.filled(element, place), dtype))
        return self.context.builder.let(self.dot.joined(parts), "word")

    def filled(self, element: Callable[[Expr], Expr], place: Expr) -> Expr:
        """An element, or 0 behind the last one."""
        if self.is_even:
            return element(place)
        with self.context.masked(place < index_of(self.inner)):
            return element(place)

    def in_place(self, operand: Value) -> Buffer | None:
        """Where rows of words lie in memory; None where they do not."""
        buffer = self.context.buffers.get(operand)
        fits = buffer is not None and buffer.dtype is self.dot.left and self.is_even
        return buffer if fits else None

    def turned_in_place(self, operand: Value) -> Buffer | None:
        """Where columns of words lie in memory one after the other; None where they do not."""
        node = operand.node
        rank = operand.type.rank
        swapped = (*range(rank - 2), rank - 1, rank - 2)
        if node is None or not isinstance(node.op, Transpose) or node.op.perm != swapped:
            return None
        buffer = self.context.buffers.get(node.inputs[0])
        fits = buffer is not None and buffer.dtype is self.dot.right and self.is_even
        return buffer if fits else None

    def along(self, buffer: Buffer, row: tuple[Expr, ...], word: Expr, count: Extent) -> Expr:
        """A vector of words of a row in memory, of which the first `count` are wanted."""
        length, lanes = self.dot.length, self.context.target.lanes(dtypes.u32)
        ramp = Ramp(self.context.index(word * length), 1, length * lanes)
        mask = None
        if count != lanes:
            last = Broadcast(self.context.index(index_of(count) * length), length * lanes)
            mask = Apply(find("less"), (Ramp(integer(0), 1, length * lanes), last))
        place = (*map(self.context.index, row), ramp)
        return self.context.builder.let(as_words(Load(buffer, place, mask), self.dot), "row")

    def loaded(self, buffer: Buffer, row: tuple[Expr, ...], word: Expr) -> Expr:
        """A word of a row in memory."""
        length = self.dot.length
        lanes = Ramp(self.context.index(word * length), 1, length)
        place = (*map(self.context.index, row), lanes)
        return self.context.builder.let(as_words(Load(buffer, place), self.dot), "word")


@dataclass(frozen=True, slots=True)
class NarrowPack:
    """Rows of a chunk of a left operand that lies along the reduced axis, in narrow elements.

    Attributes:
        words: what is read.
        at: the operand.
        buffer: `[row, k]`.
    """

    words: Words
    at: At
    buffer: Buffer

    @classmethod
    def make(cls, words: Words, at: At, sizes: tuple[int, Size]) -> NarrowPack:
        """A buffer for `sizes` rows and words."""
        rows, count = sizes
        context, dot = words.context, words.dot
        gap = context.target.vector_bytes // dot.left.itemsize
        shape = (rows, count * dot.length + gap)
        buffer = context.builder.alloc(dot.left, shape, Space.GLOBAL, "left")
        return cls(words, at, buffer)

    def fill(self, start: Expr, rows: Extent, part: Pass) -> None:
        """Copy the rows of a chunk."""
        context, length = self.words.context, self.words.dot.length
        first = context.index(part.start * length)
        extent = index_of(part.extent) * length
        with (
            context.one_loop(rows, name="o") as r,
            context.one_loop(context.known_extent(extent), LoopKind.VECTOR, "l") as k,
        ):
            value = self.words.filled(lambda place: self.at(start + r, place), first + k)
            place = (context.index(r), context.index(k))
            context.builder.store(self.buffer, place, narrowed(value, self.buffer.dtype))

    def read(self, spot: Spot, r: Expr, _: Pass, word: Expr) -> Expr:
        """A word, by its row in the tile and its number in the pass."""
        return self.words.loaded(self.buffer, (spot.first + r,), word)
