"""What the nests of attention and of its gradient share: blocks of queries, of keys, of scores.

Scores of a block stand in memory with the queries along the lanes: `[key, query]`. So the largest
score and the sum of each query are found lane by lane, keys are read where they are, an element at
a time, and only the queries of a block are transposed. Products whose columns are features then
take an element of the scores at a time, and vectors of features as they lie in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from irflow import dims
from irflow.dims import Size
from irflow.ir.graph import Value
from irflow.loops import Apply, Buffer, Expr, Load, LoopKind, Select, Space, integer
from irflow.loops.intrinsics import multiply_add
from irflow.lowering.attention_plan import UNROLLED, Grid, Plan
from irflow.lowering.nest import NestContext
from irflow.lowering.packing import RightPack
from irflow.lowering.tile import TRUE, Pass, Spot, unrolled, vectors
from irflow.lowering.values import ZERO, Extent, divided, index_of, literal, minimum, narrowed
from irflow.records import dataclass
from irflow.scalars import find

Element = Callable[[Expr, Expr], Expr]
"""An element by its row and its column."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a block of queries stands.

    Attributes:
        batch: indices of the leading axes.
        head: of the queries.
        group: the head of keys that serves it.
        start: the first query.
        count: how many queries there are in the block.
    """

    batch: tuple[Expr, ...]
    head: Expr
    group: Expr
    start: Expr
    count: Extent


@dataclass(frozen=True, slots=True)
class Keys:
    """A block of keys.

    Attributes:
        first: its first key.
        count: how many there are.
    """

    first: Expr
    count: Extent


class Blocks:
    """Writes the parts of one kernel.

    Args:
        context: where to.
        plan: sizes of blocks and tiles.
    """

    def __init__(self, context: NestContext, plan: Plan) -> None:
        self.context, self.plan = context, plan
        self.builder = context.builder
        self.zero = literal(0, plan.dtype)

    # ------------------------------------------------------------------------------------- loops

    @contextmanager
    def shared(self, *extents: Size) -> Iterator[tuple[Expr, ...]]:
        """One loop for threads over several axes: their indices."""
        with self.context.one_loop(dims.product(extents), LoopKind.PARALLEL, "n") as number:
            found: list[Expr] = []
            for position in reversed(range(len(extents))):
                size = index_of(extents[position])
                found.append(self.context.index(number % size if position else number))
                number = number // size
            yield tuple(found[::-1])

    def place(self, batch: Sequence[Expr], head: Expr, group: Expr, block: Expr) -> Place:
        """A block of queries by its number."""
        plan, context = self.plan, self.context
        start = context.index(block * plan.queries)
        count: Extent = plan.queries
        if plan.has_partial_queries:
            left = index_of(plan.length) - start
            count = context.index(minimum(integer(plan.queries), left))
        return Place(tuple(batch), head, group, start, count)

    def end(self, place: Place) -> Expr:
        """The first key that no query of a block may see, by their order alone."""
        plan = self.plan
        offset = index_of(plan.keys - plan.length) + plan.queries
        last = minimum(index_of(plan.keys), place.start + offset)
        return self.context.index(Apply(find("maximum"), (last, ZERO)))

    def each_block(self, end: Expr | None, start: Expr = ZERO) -> Iterator[Keys]:
        """Blocks of the keys from `start` up to `end`, up to the last one by default."""
        plan = self.plan
        if end is None and start is ZERO and plan.is_single:
            assert isinstance(plan.keys, int)
            yield Keys(ZERO, plan.keys)
            return
        if plan.is_single and start is ZERO and end is not None:
            yield Keys(ZERO, end)
            return
        stop = index_of(plan.keys) if end is None else end
        with self.context.one_loop(self.blocks_of(stop - start), name="j") as number:
            yield self.keys(start + number * plan.block, stop)

    def blocks_of(self, count: Expr) -> Extent:
        """How many blocks cover so many keys."""
        return self.whole(count, self.plan.block)

    def keys(self, first: Expr, stop: Expr) -> Keys:
        """The block from `first` on, up to `stop`."""
        left = minimum(integer(self.plan.block), stop - first)
        return Keys(self.context.index(first), self.context.known_extent(self.context.index(left)))

    def each_lane(self) -> Iterator[Expr]:
        """A vector loop for each vector of queries: the query in the block of its lane."""
        plan = self.plan
        for v, lane in self.context.vector_loops((plan.vectors, plan.lanes), "v", LoopKind.UNROLL):
            yield v * plan.lanes + lane

    def valid(self, place: Place, offset: Expr) -> Expr | None:
        """Whether there is a query at an offset in the block; None where there always is."""
        return offset < index_of(place.count) if self.plan.has_partial_queries else None

    # ------------------------------------------------------------------------------------- memory

    def alloc(self, name: str, *shape: int) -> Buffer:
        """Memory of the kernel's own."""
        return self.builder.alloc(self.plan.dtype, shape, Space.GLOBAL, name)

    def store(self, buffer: Buffer, index: Sequence[Expr], value: Expr) -> None:
        """Write an element."""
        place = tuple(self.context.index(part) for part in index)
        self.builder.store(buffer, place, value, self.context.mask)

    def loaded(self, buffer: Buffer, *index: Expr) -> Expr:
        """An element of a buffer of this kernel."""
        return Load(buffer, tuple(self.context.index(part) for part in index))

    def numbers(self, name: str, start: float | None = None) -> Buffer:
        """Memory for a number a query."""
        buffer = self.alloc(name, self.plan.queries)
        if start is not None:
            for offset in self.each_lane():
                self.store(buffer, (offset,), literal(start, self.plan.dtype))
        return buffer

    def cleared(self, name: str, grid: Grid, rows: Size | None = None) -> Buffer:
        """Zeros in rows as wide as the tiles of a grid; one a query by default."""
        shape = self.plan.queries if rows is None else rows, grid.padded
        buffer = self.builder.alloc(self.plan.dtype, shape, Space.GLOBAL, name)
        for row, column in self.context.vector_loops(shape, "q"):
            self.store(buffer, (row, column), self.zero)
        return buffer

    # ------------------------------------------------------------------------------------- copies

    def elements(self, value: Value, place: Place, factor: float = 1.0) -> Element:
        """Elements of a block of queries, or what has their shape, by feature and query."""

        def at(k: Expr, offset: Expr) -> Expr:
            index = [*place.batch, self.query(place, offset), place.head, k]
            found: Expr = self.context.at(value, index)
            return found if factor == 1 else scaled(found, factor)

        return at

    def turned(self, size: int, at: Element) -> Buffer:
        """The transpose of a block of queries; `at` is asked for a feature and a query."""
        return self.turned_rows(max(size, 1), Pass(ZERO, size), at)

    def turned_rows(self, most: int, part: Pass, at: Element) -> Buffer:
        """Vectors of queries one below the other, `[0, number, query]`; `most` at most."""
        plan = self.plan
        pack = RightPack.make(self.context, at, plan.dtype, (1, most, plan.queries), True)
        pack.turn(Spot((), ZERO, ZERO, 1, (plan.lanes,) * plan.vectors), part)
        return pack.buffer

    def query(self, place: Place, offset: Expr) -> Expr:
        """A query of a block; the last one again behind the end."""
        number: Expr = place.start + offset
        if not self.plan.has_partial_queries:
            return number
        return minimum(number, index_of(self.plan.length) - 1)

    def is_plain(self, value: Value) -> bool:
        """Whether rows of an operand lie in memory as they are computed with."""
        if value.type.dtype is not self.plan.dtype or not self.context.is_moved(value):
            return False
        batch = [ZERO] * (value.type.rank - 3)

        def element(index: Sequence[Expr]) -> Expr:
            return self.context.at(value, [*batch, index[0], ZERO, index[1]])

        found = self.context.probe_body(2, element)
        return len(found) == 1 and found[0].strides[1] in (0, 1) and found[0].strides[0] is not None

    def rows_of(self, value: Value, keys: Keys, place: Place) -> Element:
        """Rows of a block of keys, or values, by their number: where they are, or copied."""

        def at(row: Expr, column: Expr) -> Expr:
            index = [*place.batch, keys.first + row, place.group, column]
            found: Expr = self.context.at(value, index)
            return found

        if self.is_plain(value):
            return at
        return self.copied(at, keys.count, self.plan.block, value.type.shape[-1])

    def copied(self, at: Element, count: Extent, most: int, size: Size) -> Element:
        """A copy of rows; there are `most` at most."""
        assert isinstance(size, int)
        copy = self.alloc("rows", most, size)
        for row, column in self.context.vector_loops((count, size), "k"):
            self.store(copy, (row, column), at(row, column))

        def read(row: Expr, column: Expr) -> Expr:
            place = self.context.index(row), self.context.index(column)
            return Load(copy, place, self.context.mask)

        return read

    def store_row(self, output: int, place: Place, row: Expr, column: Expr, value: Expr) -> None:
        """Store an element for a query of a block, if there is such a query."""
        buffer, is_there = self.context.outputs[output], self.valid(place, row)
        index = (*place.batch, place.start + row, place.head, column)
        # A branch, since LLVM 22 writes too much where a mask of one lane is not known.
        with self.context.where(TRUE if is_there is None else is_there):
            self.store(buffer, index, narrowed(value, buffer.dtype))

    # ------------------------------------------------------------------------------------ products

    def sums(self, rows: int, widths: Sequence[int], start: Callable[[Expr, Expr], Expr]) -> Buffer:
        """Accumulators of a tile, with what they start from by row and column in the tile."""
        shape = rows, len(widths) * self.plan.lanes
        cells = self.builder.alloc(self.plan.dtype, shape, name="sum")
        for offset in self.columns(widths):
            with self.context.one_loop(rows, LoopKind.UNROLL, "r") as r:
                self.store(cells, (r, offset), start(r, offset))
        return cells

    def columns(self, widths: Sequence[int]) -> Iterator[Expr]:
        """A vector loop for each vector of a tile's columns."""
        spot = Spot((), ZERO, ZERO, 1, tuple(widths))
        return vectors(self.context, spot, self.plan.lanes, True)

    def add_products(
        self,
        cells: Buffer,
        widths: Sequence[int],
        extent: Extent,
        left: Callable[[Expr, Expr], Expr],
        right: Callable[[Expr, Expr], Expr],
    ) -> None:
        """Add products to accumulators.

        Args:
            cells: the accumulators.
            widths: of the vectors of columns.
            extent: how many products.
            left: a factor by the row in the tile and the number of the product.
            right: the other by the number of the product and the column in the tile.
        """
        rows, size = cells.shape
        assert isinstance(rows, int)
        for k in self.steps(extent):
            held = self.builder.alloc(self.plan.dtype, (size,), name="b")
            for offset in self.columns(widths):
                self.store(held, (offset,), right(k, offset))
            with self.context.one_loop(rows, LoopKind.UNROLL, "r") as r:
                factor = self.builder.let(left(r, k), "a")
                for offset in self.columns(widths):
                    sofar = self.loaded(cells, r, offset)
                    total = multiply_add(factor, self.loaded(held, offset), sofar)
                    self.store(cells, (r, offset), total)

    def multiply(
        self,
        grid: Grid,
        extents: tuple[Extent, Extent],
        factors: tuple[Element, Element],
        start: Element,
        finish: Callable[[Expr, Expr, Expr], None],
    ) -> None:
        """All tiles of a product.

        Args:
            grid: the tiles.
            extents: how many rows, and how many products are added up.
            factors: the first by its row and number, the other by its number and column.
            start: what sums begin with, by row and column.
            finish: given the row, the column and the sum.
        """
        rows, extent = extents
        for first, column, widths in self._tiles(rows, grid):
            cells = self.sums(grid.rows, widths, partial(_moved, start, first, column))
            left, right = partial(_moved, factors[0], first, ZERO), factors[1]
            self.add_products(cells, widths, extent, left, partial(_moved, right, ZERO, column))
            for offset in self.columns(widths):
                with self.context.one_loop(grid.rows, LoopKind.UNROLL, "r") as r:
                    finish(first + r, column + offset, self.loaded(cells, r, offset))

    def steps(self, extent: Extent) -> Iterator[Expr]:
        """The numbers of the products of a sum, some at a time."""
        if isinstance(extent, int) or not self.plan.is_even:
            yield from unrolled(self.context, extent, UNROLLED)
            return
        with (
            self.context.one_loop(self.whole(extent, UNROLLED), name="k") as block,
            self.context.one_loop(UNROLLED, LoopKind.UNROLL, "u") as step,
        ):
            yield block * UNROLLED + step

    def _tiles(self, rows: Extent, grid: Grid) -> Iterator[tuple[Expr, Expr, tuple[int, ...]]]:
        """The first row, the first column and the widths of the vectors of each tile."""
        start = 0
        for widths in grid.tiles:
            with self.context.one_loop(self.whole(rows, grid.rows), name="i") as i:
                yield self.context.index(i * grid.rows), integer(start), widths
            start += len(widths) * grid.lanes

    def whole(self, count: Extent, by: int) -> Extent:
        """How many runs of some length cover a count."""
        quotient, _ = divided(count + (by - 1), by)
        return self.context.known_extent(quotient)


def _moved(at: Element, first: Expr, column: Expr, row: Expr, offset: Expr) -> Expr:
    """An element of which row and column are counted from somewhere."""
    return at(first + row, column + offset)


def scaled(value: Expr, factor: float) -> Expr:
    """A product with a number."""
    return Apply(find("multiply"), (value, literal(factor, value.dtype)))


def larger(a: Expr, b: Expr) -> Expr:
    """The larger one of two floats, in one instruction; if either is NaN, `b`."""
    return Select(Apply(find("greater"), (a, b)), a, b)
