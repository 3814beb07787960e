"""Which loops run in which order, and how large tiles are: known here and in `blocks` only.

Every choice is a function of shapes, of how loads move through memory, and of the `Target`; never
of a measurement or of the number of threads. So the order of every sum is fixed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

from irflow import dims
from irflow.dims import Size
from irflow.dtypes import DType
from irflow.ir.graph import Node
from irflow.loops import Expr
from irflow.lowering.group import Group
from irflow.lowering.strides import Access
from irflow.lowering.target import Target
from irflow.ops import Elementwise
from irflow.records import dataclass


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


# ------------------------------------------------------------------------------------ plain nests

SHARED_ITERATIONS = 16
"""An axis of fewer iterations is shared by threads only where no other is longer."""


def loop_axes(shape: Sequence[Size], is_heavy: bool) -> tuple[int | None, int | None]:
    """Which axis of an elementwise nest runs in vectors, and which one threads share.

    Vectors run along the last axis that is longer than 1. Threads share the first one that is
    long, which may be that one too; but where there are reductions, which are computed outside of
    the loop over vectors, threads share a loop around it.
    """
    axes = [axis for axis, size in enumerate(shape) if size != 1]
    if not axes:
        return None, None
    candidates = axes[:-1] if is_heavy and len(axes) > 1 else axes
    for axis in candidates:
        size = shape[axis]
        if not isinstance(size, int) or size >= SHARED_ITERATIONS:
            return axes[-1], axis
    return axes[-1], candidates[0]


CHAINS = 4
"""Vectors in which a cheap reduction goes on side by side: each waits for the one before it."""
CHEAP_PASS = 8
"""Operations on an element up to which that wait is what takes the time."""


def chains(operations: int) -> int:
    """How many vectors a reduction along memory goes on in."""
    return CHAINS if operations <= CHEAP_PASS else 1


LONGEST_KEPT_ROW = 1 << 13
"""Elements of a row that may wait in memory between two passes over it."""
KEPT_FLOPS = 4
"""What takes more operations is worth waiting there."""


def fits_row(length: Size) -> bool:
    """Whether results of one pass over a row may wait for the next."""
    return isinstance(length, int) and length <= LONGEST_KEPT_ROW


def fetches(target: Target, nbytes: Size) -> bool:
    """Whether a tensor is worth being fetched before it is needed; it lies not near enough."""
    return not isinstance(nbytes, int) or nbytes > target.l2_bytes


def streams(target: Target, nbytes: Size) -> bool:
    """Whether a result is too much for the caches."""
    return isinstance(nbytes, int) and nbytes >= target.l3_bytes


MOST_CHUNKS = 64
"""Chunks into which a reduction is cut."""
CHUNK_ELEMENTS = 1 << 16
"""Elements of such a chunk at least: handing it to a thread costs less than a hundredth of it."""
MOST_COLUMNS = 8192
"""With more results next to each other, chunks would take more memory than they save time."""


def chunk_length(extent: Size, inner: Sequence[Size], columns: Size) -> Size | None:
    """How much of a reduced axis makes a chunk; None where there would not be two.

    Args:
        extent: of the axis.
        inner: the extents of the reduced axes in it.
        columns: how many results there are.
    """
    if isinstance(columns, int) and columns > MOST_COLUMNS:
        return None
    area = dims.maximum(dims.product((*inner, columns)), 1)
    shares, least = dims.ceil_div(extent, MOST_CHUNKS), dims.ceil_div(CHUNK_ELEMENTS, area)
    length = dims.maximum(dims.maximum(shares, least), 1)
    if isinstance(extent, int) and isinstance(length, int) and extent <= length:
        return None
    return length


LONG_SUM = 4096
"""Summands of a product's element from which on threads may share the sum."""
MOST_SHARED = 8192
"""With more elements, threads share those instead."""
MOST_TURNED = 1 << 16
"""So many elements, of few columns, where the left operand lies along its rows: both operands come
by once for the whole result, which stays in a cache, and not once for a part of it."""
LEAST_TURNED = 64
"""Rows and columns of such a result at least."""
TURNED_LENGTH = 1024
"""Summands of a chunk of such a sum at least."""
TURNED_CHUNKS = 8
"""Such chunks; each has a whole result of its own."""


def product_chunks(inner: Size, rows: Size, columns: Size, is_turned: bool) -> Size:
    """Into how many chunks the sums of a product are cut that reduces much to little.

    Args:
        inner: summands of an element.
        rows: of the result.
        columns: of the result.
        is_turned: whether neighbouring rows of the left operand are neighbours in memory, as in
            gradients by weights.
    """
    area = rows * columns
    is_small = 1 - dims.minimum(area // (MOST_SHARED + 1), 1)
    count = is_small * dims.minimum(inner // LONG_SUM, MOST_CHUNKS)
    if is_turned:
        is_broad = dims.minimum(rows // LEAST_TURNED, 1) * dims.minimum(columns // LEAST_TURNED, 1)
        fits = is_broad * (1 - dims.minimum(area // (MOST_TURNED + 1), 1))
        chunks = dims.minimum(inner // TURNED_LENGTH, TURNED_CHUNKS)
        is_long = dims.minimum(inner // LONG_SUM, 1)
        count = count + (1 - is_small) * fits * is_long * chunks
    return dims.maximum(count, 1)


def sweeps(columns: Size, tile: Tile) -> bool:
    """Whether sums of columns wait in memory, so that rows are read whole; they are many."""
    return not isinstance(columns, int) or columns > tile.width


# ----------------------------------------------------------------------------------- register tiles

MOST_ROWS = 16
"""Rows of a tile; each takes an address of its own."""
SYMBOLIC_ROWS = 8
"""Rows of a tile where the last one may have any number of rows that do not count."""
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
    tiles = [Tile(r, v, lanes) for r, v in _fitting(target, rows or SYMBOLIC_ROWS, vectors)]
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


ROUND = 24
"""Multiplications of vectors in a round of a loop: they hide what the loop itself takes."""
MOST_STEPS = 4
"""Steps in a round at most, however small the tile."""


def steps_in_round(tile: Tile) -> int:
    """How many steps along the reduced axis are written out as one round of its loop."""
    wanted = -(-ROUND // (tile.rows * tile.columns))
    return min(1 << (wanted - 1).bit_length(), MOST_STEPS)  # Which divide most sums.


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
    return sum(_operations(node) for node in group.nodes)


def _operations(node: Node) -> int:
    return max(node.op.row.flops, 1) if isinstance(node.op, Elementwise) else 1


def unrolls_epilogue(operations: int, vectors: int) -> bool:
    """Whether an epilogue is written out for every vector of a tile, and not as a loop."""
    return operations * vectors <= UNROLLED_EPILOGUE
