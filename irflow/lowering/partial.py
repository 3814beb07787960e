"""Reductions to few elements, shared by threads: sums over everything, or down the columns.

    for chunk of the reduced elements                   parallel
      partial[chunk] = the chunk combined
    result = partial[0], partial[1] … combined in this order, and what follows it

How long a chunk is depends on the shape alone, and is computed from it when the shape is known
at the call only: the bits depend neither on the number of threads nor on when the shape is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from irflow import dims
from irflow.dims import Size
from irflow.ir.graph import Node
from irflow.ir.op import Lowering
from irflow.loops import Buffer, Expr, Load, LoopKind, Space
from irflow.lowering import schedule
from irflow.lowering.contraction import choose_tile, column_blocks
from irflow.lowering.group import Group
from irflow.lowering.nest import Built, NestContext
from irflow.lowering.schedule import Tile
from irflow.lowering.target import Target
from irflow.lowering.tile import AnySum, Pass, Spot, TileWriter, accumulated
from irflow.lowering.values import ZERO, Index, Reduction, index_of, minimum
from irflow.records import dataclass


def partial_nest(group: Group, target: Target) -> Built | None:
    """The nest of a group that reduces much to little; None for others."""
    anchors = group.anchors()
    shape = group.outputs[0].type.shape
    is_plain = all(node.op.lowering is Lowering.REDUCTION for node in group.heavy())
    if not anchors or len(anchors) < len(group.heavy()) or not is_plain:
        return None
    if any(size != 1 for size in shape[:-1]):
        return None
    context = NestContext(group, target)
    chunks = _chunks(context, anchors)
    if chunks is None:
        return None
    tile = None
    if shape and shape[-1] != 1:
        tile = choose_tile(context, anchors)
        if tile is None or tile.is_inner:
            return None
    _Writer(context, anchors, chunks).write(tile)
    return context.finish()


@dataclass(frozen=True, slots=True)
class _Chunks:
    """How a reduction is cut.

    Attributes:
        extent: of the outermost reduced axis, which is cut.
        length: of a chunk.
        most: more chunks than this there are not.
    """

    extent: Size
    length: Size
    most: int

    def part(self, chunk: Expr) -> Pass:
        """What belongs to a chunk."""
        start = chunk * index_of(self.length)
        return Pass(start, minimum(index_of(self.length), index_of(self.extent) - start))

    @property
    def count(self) -> Size:
        return dims.ceil_div(self.extent, self.length)

    def of(self, reduction: Reduction, part: Pass) -> Reduction:
        """The part of a reduction."""
        extents = (part.extent, *reduction.extents[1:])

        def body(index: Index) -> Expr:
            return reduction.body([part.start + index[0], *index[1:]])

        return replace(reduction, extents=extents, body=body)


NO_CHUNKS = _Chunks(0, 1, 0)


def _chunks(context: NestContext, anchors: Sequence[Node]) -> _Chunks | None:
    """How all reductions of a kernel are cut; None where they differ, or are too short."""
    shape = context.outputs[0].shape
    found = [context.capture(anchor.output, [ZERO] * len(shape)) for anchor in anchors]
    extents: set[tuple[Size, ...]] = set()
    for reduction in found:
        if reduction is None or any(isinstance(extent, Expr) for extent in reduction.extents):
            return None
        extents.add(tuple(extent for extent in reduction.extents if not isinstance(extent, Expr)))
    (first, *others) = extents
    if others or not first:
        return None
    length = schedule.chunk_length(first[0], first[1:], dims.product(shape))
    return None if length is None else _Chunks(first[0], length, schedule.MOST_CHUNKS)


@dataclass(frozen=True, slots=True)
class _ChunkSum(AnySum):
    """Summands of one chunk of a reduction.

    Attributes:
        chunks: how it is cut.
    """

    chunks: _Chunks = NO_CHUNKS

    def reduction(self, index: Index, part: Pass) -> Reduction:
        return self.chunks.of(AnySum.reduction(self, index, part), part)


class _Writer:
    """Writes the two steps of one kernel."""

    def __init__(self, context: NestContext, anchors: Sequence[Node], chunks: _Chunks) -> None:
        self.context, self.anchors, self.chunks = context, anchors, chunks
        self.shape = context.outputs[0].shape
        self.partial = [self.buffer(anchor) for anchor in anchors]

    def buffer(self, anchor: Node) -> Buffer:
        """Where the chunks of one reduction wait."""
        dtype = self.reduction(anchor, [ZERO] * len(self.shape)).dtype
        shape = (self.chunks.most, *self.shape)
        return self.context.builder.alloc(dtype, shape, Space.GLOBAL, "partial")

    def reduction(self, anchor: Node, index: Index) -> Reduction:
        found = self.context.capture(anchor.output, index)
        assert found is not None
        return found

    def write(self, tile: Tile | None) -> None:
        """All of the kernel; with a tile where results are columns."""
        with self.context.one_loop(self.chunks.count, LoopKind.PARALLEL, "c") as chunk:
            part = self.chunks.part(chunk)
            if tile is None:
                self.whole(chunk, part)
            elif schedule.sweeps(self.shape[-1], tile):
                self.sweep(chunk, part)
            else:
                self.columns(chunk, part, tile)
        with self.context.output_loops(self.shape) as index:
            self.combine(index)

    def whole(self, chunk: Expr, part: Pass) -> None:
        """Chunks of reductions to one element."""
        index = [ZERO] * len(self.shape)
        for anchor, partial in zip(self.anchors, self.partial, strict=True):
            found = self.chunks.of(self.reduction(anchor, index), part)
            total = self.context.reduce(found.row, found.dtype, found.extents, found.body)
            self.context.builder.store(partial, (chunk, *index), total)

    def columns(self, chunk: Expr, part: Pass, tile: Tile) -> None:
        """Chunks of reductions down the columns."""
        rank = len(self.shape)
        sums = [_ChunkSum(self.context, a, tile.lanes, chunks=self.chunks) for a in self.anchors]
        writer = TileWriter(self.context, sums, tile)
        for column, widths in column_blocks(self.context, self.shape[-1], tile):
            spot = Spot((ZERO,) * max(rank - 2, 0), ZERO, column, 1, widths)
            for summand, partial in zip(sums, self.partial, strict=True):
                cells = writer.sum(spot, summand, part)
                self.keep(writer, spot, chunk, cells, partial)

    def sweep(self, chunk: Expr, part: Pass) -> None:
        """Chunks of reductions down long rows: each row is added to the sums of all columns.

        So memory is read in order, once for all reductions; the sums stay in the nearest cache.
        """
        with self.column() as index:
            for anchor, partial in zip(self.anchors, self.partial, strict=True):
                identity = self.reduction(anchor, index).identity
                self.context.builder.store(partial, (chunk, *index), identity)
        zeros = [ZERO] * len(self.shape)
        extents = self.chunks.of(self.reduction(self.anchors[0], zeros), part).extents
        with self.context.loops(extents, name="k") as place, self.column() as index:
            for anchor, partial in zip(self.anchors, self.partial, strict=True):
                found = self.chunks.of(self.reduction(anchor, index), part)
                before = self.context.builder.let(Load(partial, (chunk, *index)), "sum")
                after = accumulated(found, before, found.body(place))
                self.context.builder.store(partial, (chunk, *index), after)

    @contextmanager
    def column(self) -> Iterator[Index]:
        """A loop over all columns, in vectors."""
        with self.context.one_loop(self.shape[-1], LoopKind.VECTOR, "l") as column:
            yield [*[ZERO] * (len(self.shape) - 1), column]

    def keep(
        self, writer: TileWriter, spot: Spot, chunk: Expr, cells: Buffer, partial: Buffer
    ) -> None:
        """Store the sums of a tile for later."""
        store = self.context.builder.store
        writer.each(spot, lambda i, place: store(partial, (chunk, *i), Load(cells, place)))

    def combine(self, index: tuple[Expr, ...]) -> None:
        """The chunks of one element in their order, and the outputs that follow."""
        for anchor, partial in zip(self.anchors, self.partial, strict=True):
            combine_chunks(self.context, anchor, partial, self.chunks.count, index)
        self.context.store_outputs(index)


def combine_chunks(
    context: NestContext, anchor: Node, partial: Buffer, count: Size, index: tuple[Expr, ...]
) -> None:
    """Define an element of a reduction by its chunks, in their order."""
    found = context.capture(anchor.output, index)
    assert found is not None
    row, identity = found.row, found.identity

    def step(chunk: Index, carried: tuple[Expr, ...]) -> tuple[Expr, ...]:
        return (row(carried[0], Load(partial, (*chunk, *index))),)

    (total,) = context.loop((count,), (identity,), step)
    context.define(anchor.output, index, context.let(found.finish(total)))


class ColumnSums:
    """Reductions down the columns that go on in memory while rows are computed one by one.

    Args:
        context: where to.
        anchors: the nodes that reduce.
        shape: `[*rows, columns]`.
    """

    def __init__(
        self, context: NestContext, anchors: Sequence[Node], shape: tuple[Size, ...]
    ) -> None:
        self.context, self.anchors = context, anchors
        self.lead, self.columns = shape[:-1], shape[-1]
        # The first axis of rows with more than one index is cut.
        self.cut = next((axis for axis, size in enumerate(self.lead) if size != 1), 0)
        extent = self.lead[self.cut]
        inner = self.lead[self.cut + 1 :]
        length = schedule.chunk_length(extent, inner, self.columns)
        most = schedule.MOST_CHUNKS if length is not None else 1
        whole = dims.maximum(extent, 1)
        self.chunks = _Chunks(extent, whole if length is None else length, most)
        alloc = context.builder.alloc
        self.partial = {
            node: alloc(
                self.reduction(node, ZERO).dtype, (most, self.columns), Space.GLOBAL, "down"
            )
            for node in anchors
        }
        self.chunk: Expr = ZERO

    def reduction(self, node: Node, column: Expr) -> Reduction:
        found = self.context.capture(node.output, [column])
        assert found is not None
        return found

    def rows(self) -> Iterator[tuple[Expr, ...]]:
        """The loops over all rows; threads share the chunks."""
        context = self.context
        with context.one_loop(self.chunks.count, LoopKind.PARALLEL, "c") as self.chunk:
            part = self.chunks.part(self.chunk)
            with context.one_loop(self.columns, LoopKind.VECTOR, "l") as column:
                for node, partial in self.partial.items():
                    identity = self.reduction(node, column).identity
                    context.builder.store(partial, (self.chunk, column), identity)
            extents = (*self.lead[: self.cut], part.extent, *self.lead[self.cut + 1 :])
            with context.loops(extents, name="i") as index:
                row = list(index)
                row[self.cut] = context.index(part.start + row[self.cut])
                yield tuple(row)

    def add(self, node: Node, index: Index) -> None:
        """Add what stands at an index of the whole tensor."""
        *row, column = index
        place, mask = (self.chunk, column), self.context.mask
        found, partial = self.reduction(node, column), self.partial[node]
        before = self.context.builder.let(Load(partial, place, mask), "sum")
        after = accumulated(found, before, found.body(row))
        self.context.builder.store(partial, place, after, mask)

    def combined(self) -> Iterator[tuple[Expr, ...]]:
        """The loop over all columns, in which the reductions are known."""
        with self.context.output_loops((self.columns,)) as index:
            for node, partial in self.partial.items():
                combine_chunks(self.context, node, partial, self.chunks.count, index)
            yield index
