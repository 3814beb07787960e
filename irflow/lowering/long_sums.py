"""Products that reduce much to little: threads share the reduced axis.

    for chunk of the reduced axis                       parallel
      partial[chunk] = the sums of the chunk
    result = partial[0] + partial[1] … in this order, and what follows it

How many chunks there are depends on the shapes alone, and is computed from them when they are
known at the call only, as in `partial`: the bits depend on nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from irflow import dims
from irflow.dims import Size
from irflow.dtypes import DType
from irflow.ir.graph import Node, Value
from irflow.loops import Buffer, Expr, Load, LoopKind, Space
from irflow.loops.intrinsics import Dot
from irflow.lowering import schedule
from irflow.lowering.nest import NestContext
from irflow.lowering.tile import Pass
from irflow.lowering.values import ZERO, Index, Reduction, index_of, minimum
from irflow.lowering.words import word_count
from irflow.records import dataclass


@dataclass(slots=True)
class LongSum:
    """The chunks of a product's reduced axis, and the sums of each.

    Attributes:
        context: where code goes.
        anchor: the product.
        dtype: of the sums.
        count: how many chunks.
        length: of a chunk.
        inner: the reduced axis, in elements or words.
        partial: `[chunk, *index]`; there once the loop over chunks is.
    """

    context: NestContext
    anchor: Node
    dtype: DType
    count: Size
    length: Size
    inner: Size = 0
    partial: Buffer | None = None

    @classmethod
    def of(cls, context: NestContext, anchor: Node, dot: Dot | None = None) -> LongSum | None:
        """The chunks of a product; None where there is only one, or columns are symbolic.

        Args:
            context: where code goes.
            anchor: the product.
            dot: words of what the chunks consist of; None for elements.
        """
        shape, inner = anchor.output.type.shape, anchor.inputs[0].type.shape[-1]
        rows, columns = dims.product(shape[:-1]), shape[-1]
        is_turned = len(shape) == 2 and _is_turned(context, anchor.inputs[0])
        count = schedule.product_chunks(inner, rows, columns, is_turned)
        found = context.capture(anchor.output, [ZERO] * len(shape))
        if count == 1 or not isinstance(shape[-1], int):
            return None
        if found is None or not found.dtype.is_float:
            return None
        steps = word_count(inner, dot)
        length = dims.maximum(dims.ceil_div(steps, count), 1)
        return cls(context, anchor, found.dtype, count, length, steps)

    @property
    def shape(self) -> tuple[Size, ...]:
        return self.anchor.output.type.shape

    @contextmanager
    def chunks(self) -> Iterator[tuple[Expr, Pass]]:
        """The loop over all chunks; the last ones may be shorter, or empty."""
        context, inner = self.context, index_of(self.inner)
        # Named, since it takes divisions that would else stand in the innermost loop.
        length = context.builder.let(index_of(self.length), "length")
        shape = self.count, *self.shape
        self.partial = context.builder.alloc(self.dtype, shape, Space.GLOBAL, "partial")
        with context.one_loop(self.count, LoopKind.PARALLEL, "c") as chunk:
            start = context.builder.let(minimum(chunk * length, inner), "start")
            extent = context.builder.let(minimum(length, inner - start), "extent")
            yield chunk, Pass(start, extent)

    def so_far(self, chunk: Expr, index: Index) -> Expr:
        """The sum of a chunk's earlier passes."""
        assert self.partial is not None
        place = tuple(map(self.context.index, (chunk, *index)))
        return Load(self.partial, place, self.context.mask)

    def keep(self, chunk: Expr, index: Index, value: Expr) -> None:
        """Store the sum of a chunk."""
        assert self.partial is not None
        place = tuple(map(self.context.index, (chunk, *index)))
        self.context.builder.store(self.partial, place, value, self.context.mask)

    def combine(self) -> None:
        """The chunks of all elements in their order, and the outputs that follow."""
        assert self.partial is not None
        partial = self.partial
        with self.context.output_loops(self.shape) as index:
            found = self._reduction(index)

            def step(chunk: Index, carried: tuple[Expr, ...]) -> tuple[Expr, ...]:
                return (found.row(carried[0], Load(partial, (*chunk, *index))),)

            (total,) = self.context.loop((self.count,), (found.identity,), step)
            self.context.define(self.anchor.output, index, self.context.let(found.finish(total)))
            self.context.store_outputs(index)

    def _reduction(self, index: Index) -> Reduction:
        found = self.context.capture(self.anchor.output, index)
        assert found is not None
        return found


def _is_turned(context: NestContext, left: Value) -> bool:
    """Whether the rows of a matrix lie along memory, and its columns do not."""
    found = context.probe_body(2, lambda index: context.at(left, index))
    return all(access.strides[0] == 1 and access.strides[1] not in (0, 1) for access in found)
