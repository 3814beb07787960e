"""Which loops run in which order, and how large tiles are: the only place that knows.

Every choice is a function of shapes, of how loads move through memory, and of the `Target`; never
of a measurement or of the number of threads. So the order of every sum is fixed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from irflow.dims import Size
from irflow.dtypes import DType
from irflow.ir.graph import Node
from irflow.loops import Expr
from irflow.lowering.group import Group
from irflow.lowering.strides import Access
from irflow.lowering.target import Target


@dataclass(frozen=True, slots=True)
class Tile:
    """The part of a contraction's result that is held in registers.

    Attributes:
        rows: along the last but one output axis; several reuse the loads of one column block.
        columns: along the last axis: vectors of `lanes`, or single columns when `is_inner`.
        lanes: elements of a vector.
        is_inner: whether the vectors lie along the reduced axis instead of the columns.
    """

    rows: int
    columns: int
    lanes: int
    is_inner: bool = False

    @property
    def width(self) -> int:
        """Elements of a row."""
        return self.columns * (1 if self.is_inner else self.lanes)


def is_short(extent: Size | Expr, lanes: int) -> bool:
    """Whether a reduced extent is known to fill less than a vector."""
    return isinstance(extent, int) and extent < lanes


def prefers_lanes(accesses: Sequence[Access], position: int) -> bool:
    """Whether neighbours along reduced index `position` are neighbours in memory, in every load."""
    strides = [access.strides[position] for access in accesses]
    return 1 in strides and all(stride in (0, 1) for stride in strides)


def sum_tile(
    target: Target,
    dtype: DType,
    rows: Size,
    columns: int,
    accesses: Sequence[Access],
    is_product: bool,
) -> Tile | None:
    """The register tile of a sum whose loads move by (row, column, innermost reduced index).

    None where neither columns nor the reduced index run along memory, and for a plain sum along
    memory, which needs no tile.
    """
    if columns == 0:
        return None
    lanes = target.lanes(dtype)
    by_column = all(a.strides[1] in (0, 1) for a in accesses)
    by_inner = is_product and all(a.strides[2] in (0, 1) for a in accesses)
    if by_inner and (not by_column or 2 * columns < lanes):
        side = 4 if target.vector_registers >= 32 else 2
        return Tile(_divisor(rows, side), min(side, columns), lanes, is_inner=True)
    if not by_column or columns == 1:
        return None
    return register_tile(target, dtype, rows, -(-columns // lanes), 0)


def _divisor(size: Size, most: int) -> int:
    """The largest divisor of `size` up to `most`, or `most` if that is less than half of it."""
    if not isinstance(size, int):
        return min(most, 4)
    fitting = [n for n in range(1, min(most, max(size, 1)) + 1) if size % n == 0]
    largest = max(fitting, default=1)
    return largest if 2 * largest >= min(most, size) else min(most, size)


# ----------------------------------------------------------------------------------- register tiles

MOST_ROWS = 16
"""Rows of a tile; each takes an address of its own."""
MOST_VECTORS = 8
"""Vectors in a row of a tile."""
LATENCY = 5
"""Cycles from one multiplication into an accumulator to the next into the same."""
CACHE_BYTES = 16
"""What the second-level cache delivers in a cycle, with others using it too."""
TOLERANCE = 1.03
"""Tiles that differ by less in cycles are told apart by code size and loads."""


def register_tile(target: Target, dtype: DType, rows: Size, vectors: int, inner: int) -> Tile:
    """The tile for a product of `rows` by `vectors` of columns with the fewest cycles.

    Among the tiles that take about the same, the one that needs the fewest kernels, then the fewest
    loads. With symbolic rows, many are assumed. `inner` reduced elements in a pass, or 0 where they
    do not matter, decide whether the columns of a tile stay in the first-level cache.
    """
    lanes = target.lanes(dtype)
    return _register_tile(target, lanes, rows if isinstance(rows, int) else 0, vectors, inner)


@cache
def _register_tile(target: Target, lanes: int, rows: int, vectors: int, inner: int) -> Tile:
    tiles = [Tile(r, v, lanes) for r, v in _fitting(target, rows or MOST_ROWS, vectors)]
    costs = {tile: _Cost.of(target, tile, rows, vectors, inner) for tile in tiles}
    limit = min(cost.cycles for cost in costs.values()) * TOLERANCE
    return min(
        (tile for tile in tiles if costs[tile].cycles <= limit),
        key=lambda tile: (costs[tile].kernels, costs[tile].loads, -tile.rows),
    )


def _fitting(target: Target, rows: int, vectors: int) -> Iterator[tuple[int, int]]:
    """Tiles whose accumulators fit in the registers together with the loads of one step."""
    for r in range(1, min(rows, MOST_ROWS) + 1):
        for v in range(1, min(vectors, MOST_VECTORS) + 1):
            if r * v + min(r, v) + 1 < target.vector_registers:
                yield r, v
    if not rows:
        yield 1, 1


@dataclass(frozen=True, slots=True)
class _Cost:
    """What a product takes with some tile, for one step along the reduced axis."""

    cycles: float
    loads: float
    kernels: int

    @classmethod
    def of(cls, target: Target, tile: Tile, rows: int, vectors: int, inner: int) -> _Cost:
        by_row = _pieces(rows or tile.rows, tile.rows)
        by_column = _pieces(vectors, tile.columns)
        is_far = inner * tile.width * (target.vector_bytes // tile.lanes) > target.l1_bytes
        cycles = loads = 0.0
        for r, row_count in by_row:
            for v, column_count in by_column:
                count = row_count * column_count
                reach = v * target.vector_bytes / CACHE_BYTES if is_far else 0
                cycles += count * max(r * v / 2, (r + v) / 2, LATENCY, reach)
                loads += count * (r + v)
        share = (rows or tile.rows) * vectors
        return cls(cycles / share, loads / share, len(by_row) * len(by_column))


def _pieces(size: int, by: int) -> list[tuple[int, int]]:
    """Pairs of a length and how many pieces of it there are."""
    pairs = [(by, size // by), (size % by, 1)]
    return [(length, count) for length, count in pairs if length and count]


# --------------------------------------------------------------------------------------- epilogues

LINE_BYTES = 64
"""A line of the caches."""
UNROLLED_EPILOGUE = 128
"""Vector operations of an epilogue that are written out one by one."""


def epilogue_size(group: Group, anchors: Sequence[Node]) -> int:
    """Operations on an element behind the sums of a kernel; 0 if the sums are all its results."""
    sums = {value for anchor in anchors for value in anchor.outputs}
    if set(group.outputs) == sums and len(group.outputs) == 1:
        return 0
    return len(group.nodes)


def unrolls_epilogue(operations: int, vectors: int) -> bool:
    """Whether an epilogue is written out for every vector of a tile, and not as a loop."""
    return operations * vectors <= UNROLLED_EPILOGUE


# ------------------------------------------------------------------------------- blocks of products


@dataclass(frozen=True, slots=True)
class Factor:
    """What matters of an operand of a product.

    Attributes:
        outer: strides of its loads along rows (of the left operand) or columns (of the right one).
        inner: strides of its loads along the reduced axis.
        is_computed: whether an element takes more than one load.
    """

    outer: tuple[object, ...]
    inner: tuple[object, ...]
    is_computed: bool

    @property
    def runs_outer(self) -> bool:
        """Whether neighbouring rows or columns are neighbours in memory, or the same."""
        return all(stride in (0, 1) for stride in self.outer)

    @property
    def runs_inner(self) -> bool:
        """Whether neighbours along the reduced axis are neighbours in memory, or the same."""
        return all(stride in (0, 1) for stride in self.inner)

    def has_far_steps(self, target: Target, dtype: DType) -> bool:
        """Whether steps are so long that neighbours compete for the same lines of a cache."""
        far = max(target.l1_bytes // 16 // dtype.itemsize, 2)
        strides = (*self.outer, *self.inner)
        return any(isinstance(s, int) and s and s % far == 0 for s in strides)


UNROLLED = 4
"""Steps along the reduced axis in one round of its loop."""
SHORT_SUM = 256
"""Up to so many steps, half as many in a round are enough."""
CHUNKS = 8
"""Into so many chunks of columns, or of rows, a product is cut for threads."""
NARROW_BYTES = 128
"""Less of a row of the right operand at a time is not fetched ahead."""
STREAMED_ROWS = 2
"""With so few rows, a product waits for the right operand, which is best read row by row."""
STREAMED_STEPS = 8
"""Rows of the right operand that are then read side by side."""
STREAMED_VECTORS = 4
"""Vectors of each of them in a tile."""
STREAMED_COLUMNS = 1024
"""The least of a chunk: shorter rows cost more than a second thread gains."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """How a matrix product is cut.

    Attributes:
        tile: what is held in registers.
        panels: tiles side by side in a chunk of columns.
        stack: tiles one below the other in a chunk of rows.
        inner: reduced elements of a pass.
        packs_left, packs_right: whether the chunk of an operand is copied, in the order in which
            tiles read it.
        unrolled: steps along the reduced axis in one round of its loop.
        prefetches: whether a tile of the result is fetched before it is needed.
    """

    tile: Tile
    panels: int
    stack: int
    inner: Size
    packs_left: bool
    packs_right: bool
    unrolled: int
    prefetches: bool


@dataclass(frozen=True, slots=True)
class Product:
    """A product of matrices, for which blocks are chosen.

    Attributes:
        target: the machine.
        dtype: in which sums are taken.
        rows, columns, inner: its sizes.
        left, right: its operands.
    """

    target: Target
    dtype: DType
    rows: Size
    columns: int
    inner: Size
    left: Factor
    right: Factor

    def blocks(self) -> Blocks | None:
        """How it is cut.

        None where columns are so few that other forms are better, and where the right operand runs
        along memory in neither direction.
        """
        if self.columns == 0 or not (self.right.runs_outer or self.right.runs_inner):
            return None
        are_few = 2 * self.columns < self._lanes and self.right.runs_inner and self.left.runs_inner
        if self.columns == 1 or are_few:
            return None
        return self._streamed() if self._is_streamed() else self._tiled()

    # ------------------------------------------------------------------------------------- sizes

    @property
    def _lanes(self) -> int:
        return self.target.lanes(self.dtype)

    @property
    def _vectors(self) -> int:
        return -(-self.columns // self._lanes)

    @property
    def _depth(self) -> int:
        """Reduced elements, or many where their number is symbolic."""
        return self.inner if isinstance(self.inner, int) else self._longest

    @property
    def _longest(self) -> int:
        """Reduced elements up to which a single pass is best."""
        return self.target.l2_bytes // 512

    def _exceeds(self, rows: int, columns: int, caches: int) -> bool:
        """Whether a matrix is larger than so many second-level caches."""
        return rows * columns * self.dtype.itemsize > caches * self.target.l2_bytes

    # ------------------------------------------------------------------------------------- forms

    def _is_streamed(self) -> bool:
        is_low = isinstance(self.rows, int) and self.rows <= STREAMED_ROWS
        is_plain = self.right.runs_outer and not self.right.is_computed
        return is_low and is_plain and self._exceeds(self._depth, self.columns, 1)

    def _streamed(self) -> Blocks:
        """A few rows of the right operand at a time, all along; the result stays near."""
        assert isinstance(self.rows, int)
        tile = Tile(max(self.rows, 1), min(STREAMED_VECTORS, self._vectors), self._lanes)
        panels = -(-self.columns // tile.width)
        chunk = max(-(-panels // CHUNKS), -(-STREAMED_COLUMNS // tile.width))
        length = min(self.inner, STREAMED_STEPS) if isinstance(self.inner, int) else self.inner
        return Blocks(tile, chunk, 1, length, False, False, STREAMED_STEPS, False)

    def _tiled(self) -> Blocks:
        depth = min(self._depth, self._longest)
        tile = register_tile(self.target, self.dtype, self.rows, self._vectors, depth)
        panels, length = -(-self.columns // tile.width), self._pass_length(tile)
        packs_left = panels > 1 and self._packs_left(tile)
        return Blocks(
            tile,
            # Each chunk copies the left operand anew.
            -(-panels // (2 if packs_left else CHUNKS)),
            self._stack(tile, panels, length, packs_left),
            length,
            packs_left,
            self._packs_right(tile),
            UNROLLED if self._depth > SHORT_SUM else UNROLLED // 2,
            isinstance(self.rows, int) and self._exceeds(self.rows, self.columns, 1),
        )

    def _packs_left(self, tile: Tile) -> bool:
        if not isinstance(self.rows, int):
            return False
        is_huge = self._exceeds(self.rows, self._depth, 2) and self.rows >= 4 * tile.rows
        return is_huge or self.left.is_computed

    def _packs_right(self, tile: Tile) -> bool:
        if not self.right.runs_outer:
            return True
        if isinstance(self.rows, int) and self.rows < 4 * tile.rows:
            return False
        return self.right.is_computed or self._has_scattered_panels(tile)

    def _has_scattered_panels(self, tile: Tile) -> bool:
        """Whether the columns of a tile are too far apart for the caches to keep up."""
        bytes_across = tile.width * self.dtype.itemsize
        is_narrow = bytes_across < NARROW_BYTES and tile.width < self.columns
        if is_narrow and self._depth * bytes_across > self.target.l1_bytes:
            return True
        is_large = self._exceeds(self._depth, self.columns, 1)
        return is_large and self.right.has_far_steps(self.target, self.dtype)

    def _pass_length(self, tile: Tile) -> Size:
        """Passes of equal length, so that the columns of a tile fill a quarter of a cache."""
        if not isinstance(self.inner, int) or self.inner <= self._longest:
            return self.inner
        fitting = self.target.l2_bytes // 4 // (tile.width * self.dtype.itemsize)
        fitting = min(fitting, self._longest // 2)
        passes = -(-self.inner // max(fitting, UNROLLED))
        return _rounded_up(-(-self.inner // passes), UNROLLED)

    def _stack(self, tile: Tile, panels: int, length: Size, packs_left: bool) -> int:
        """Chunks of rows whose copy fills half of a cache, or that serve threads."""
        if not isinstance(self.rows, int):
            return 1
        tiles = max(-(-self.rows // tile.rows), 1)
        if packs_left and isinstance(length, int):
            row_bytes = max(length, 1) * tile.rows * self.dtype.itemsize
            most = max(self.target.l2_bytes // 2 // row_bytes, 1)
            return -(-tiles // -(-tiles // most))
        return tiles if panels > 1 else -(-tiles // CHUNKS)


def _rounded_up(size: int, step: int) -> int:
    return -(-size // step) * step


def pass_count(inner: Size, length: Size) -> int:
    """How many passes of some length there are; one over symbolic and empty axes."""
    if not isinstance(inner, int) or not isinstance(length, int):
        return 1
    return -(-inner // max(length, 1)) if inner else 1
