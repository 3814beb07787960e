"""How matrix products are cut into chunks, passes and tiles, and when operands are copied.

As in `schedule`, every choice is a function of shapes, of how loads move through memory, and of
the `Target`. Sums are in the order of the reduced axis whatever is chosen.
"""

from __future__ import annotations

import math
from dataclasses import replace

from irflow import dims
from irflow.dims import Size
from irflow.dtypes import DType
from irflow.lowering import schedule
from irflow.lowering.row_blocks import usual_rows
from irflow.lowering.schedule import (
    CACHE_BYTES,
    MOST_ROWS,
    Tile,
    register_tile,
    steps_in_round,
)
from irflow.lowering.target import Target
from irflow.records import dataclass


@dataclass(frozen=True, slots=True)
class Factor:
    """What matters of an operand of a product.

    Attributes:
        outer: strides of its loads along rows (of the left operand) or columns (of the right one).
        inner: strides of its loads along the reduced axis.
        is_computed: whether an element takes more than one load.
        is_known: whether it is a constant, which may be packed when code is made.
        is_fixed: whether it is the same in all repetitions of a loop, and may be packed before it.
    """

    outer: tuple[object, ...]
    inner: tuple[object, ...]
    is_computed: bool
    is_known: bool = False
    is_fixed: bool = False

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


PASS_STEPS = 4
"""The length of a pass is a multiple of it."""
MANY_ROWS = 256
"""From so many rows on, all threads find enough of them."""

CHUNKS = 16
"""Into so many chunks of columns, or of rows, a product is cut for threads at most."""
ENOUGH_CHUNKS = 8
"""With fewer chunks of columns, rows are cut, too."""
PANELS_PER_COPY = 4
"""With fewer tiles side by side in a chunk, a copy of the left operand for it takes too long."""
PANELS_PER_PASS = 4
"""Copies of so many tiles' columns lie in a cache, and the left operand comes by once for all."""
FEW_CHUNKS = 4
"""Chunks that fill a cache come in multiples of this number, so that threads share them evenly."""
CHUNK_CYCLES = 2000
"""The least of a chunk: handing it to a thread costs a tenth of it."""
NARROW_BYTES = 128
"""Less of a row of the right operand at a time is not fetched ahead."""
FETCHING_ROWS = 24
"""Fewer rows take less time than a panel takes to come."""
FETCHING_TILES = 16
"""So many tiles one below the other fetch the panel that comes next while they are computed."""
WAYS = 8
"""Lines of the first-level cache for addresses that are its size over this number apart."""
SPREAD_COLUMNS = 128
"""For so many columns, a copy of the left operand takes a small part of the time."""
STREAMED_ROWS = 2
"""With so few rows, a product waits for the right operand, which is best read row by row."""
STREAMED_STEPS = 8
"""Rows of the right operand that are then read side by side."""
STREAMED_VECTORS = 8
"""Vectors of each of them in a tile."""
STREAMED_COLUMNS = 384
"""The least of a chunk: shorter rows cost more than a second thread gains; one alone takes all."""
NEAR_VECTORS = 4
"""Vectors of a tile of so few rows where the right operand stays in a cache."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """How a matrix product is cut.

    Attributes:
        tile: what is held in registers.
        panels: tiles side by side in a chunk of columns.
        stack: tiles one below the other in a chunk of rows; None if all are one chunk.
        inner: reduced elements of a pass.
        packs_left, packs_right: whether the chunk of an operand is copied, in the order in which
            tiles read it.
        unrolled: steps along the reduced axis in one round of its loop.
        prefetches: whether a tile of the result is fetched before it is needed.
        is_ready: whether the right operand is packed beforehand.
        spreads_rows: whether the left operand is copied once, before all chunks, with gaps between
            rows that would share lines of a cache.
        fetched: so many elements of the next panel are fetched in a round of a tile.
    """

    tile: Tile
    panels: int
    stack: int | None
    inner: Size
    packs_left: bool
    packs_right: bool
    unrolled: int
    prefetches: bool
    is_ready: bool = False
    spreads_rows: bool = False
    fetched: int = 0


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

    def in_chunks(self, blocks: Blocks, length: Size) -> Blocks:
        """How chunks of the reduced axis are cut, whose sums are kept apart.

        For a broad result they go through in passes, in which rows of the right operand are read
        whole: all columns side by side fill a quarter of a cache.

        Args:
            blocks: how it is cut without chunks.
            length: of a chunk.
        """
        plain = replace(blocks, inner=length, packs_left=False, spreads_rows=False)
        is_broad = isinstance(self.rows, int) and self.rows * self.columns > schedule.MOST_SHARED
        if not is_broad or blocks.is_ready:
            return plain
        panels = -(-self.columns // blocks.tile.width)
        row_bytes = panels * blocks.tile.width * self.dtype.itemsize
        depth = max(self.target.l2_bytes // 4 // row_bytes // PASS_STEPS, 1) * PASS_STEPS
        return replace(plain, inner=depth, panels=panels, stack=None, packs_right=True)

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
        is_plain = self.right.runs_outer and not (self.right.is_computed or self.right.is_known)
        return is_low and is_plain and self._exceeds(self._depth, self.columns, 1)

    def _streamed(self) -> Blocks:
        """A few rows of the right operand at a time, all along; the result stays near."""
        assert isinstance(self.rows, int)
        rows = max(self.rows, 1)
        fitting = (self.target.vector_registers - 2) // (rows + 1)
        tile = Tile(rows, min(STREAMED_VECTORS, fitting, self._vectors), self._lanes)
        panels = -(-self.columns // tile.width)
        chunk = max(-(-panels // CHUNKS), -(-STREAMED_COLUMNS // tile.width))
        chunk = chunk if self.target.threads > 1 else panels
        length = min(self.inner, STREAMED_STEPS) if isinstance(self.inner, int) else self.inner
        return Blocks(tile, chunk, None, length, False, False, STREAMED_STEPS, False)

    def _tiled(self) -> Blocks:
        tile = self._tile()
        panels = -(-self.columns // tile.width)
        packs_left, packs_right = panels > 1 and self._packs_left(tile), self._packs_right(tile)
        beside = self._panels_per_pass(panels) if packs_right and not packs_left else 1
        wide = max(self._panels(tile, panels, packs_left), beside)
        stack = self._stack(tile, panels, wide, packs_left, packs_right)
        return Blocks(
            tile,
            wide,
            stack,
            self._pass_length(tile, beside),
            packs_left,
            packs_right,
            steps_in_round(tile),
            isinstance(self.rows, int) and self._exceeds(self.rows, self.columns, 1),
            self._is_ready(tile),
            not packs_left and self._spreads_rows(tile),
            self._fetched(tile) if stack is None else 0,
        )

    def _tile(self) -> Tile:
        """The register tile; with all rows, if these are few and the right operand is not near."""
        depth = min(self._depth, self._longest)
        is_low = isinstance(self.rows, int) and self.rows <= STREAMED_ROWS
        vectors = min(self._vectors, NEAR_VECTORS) if is_low else self._vectors
        tile = register_tile(self.target, self.dtype, self.rows, vectors, depth)
        most = usual_rows(self.rows)
        right_bytes = self._depth * self.columns * self.dtype.itemsize
        is_in_second = self.target.l1_bytes < right_bytes <= self.target.l2_bytes
        if most is None or not (is_in_second and self.right.runs_outer):
            return tile
        # Other kernels have the first-level cache in between, as in the loop of a recurrence.
        fitting = (self.target.vector_registers - 2) // (most + 1)
        are_few = tile.rows < most <= MOST_ROWS and fitting
        return replace(tile, rows=most, columns=fitting) if are_few else tile

    def _is_tall(self) -> bool:
        """Whether the right operand stays in a cache while the left one comes by."""
        has_many_rows = isinstance(self.rows, int) and self._exceeds(self.rows, self._depth, 1)
        return has_many_rows and not self._exceeds(self._depth, self.columns, 1)

    def _is_large_result(self) -> bool:
        """Whether the time goes into writing the result, and reading what the epilogue updates.

        Then one thread has whole rows, whose lines no other processor's cache fetches ahead.
        """
        has_many_rows = isinstance(self.rows, int) and self.rows >= MANY_ROWS
        return has_many_rows and self.rows > 2 * self._depth

    def _packs_left(self, tile: Tile) -> bool:
        if not isinstance(self.rows, int) or self.left.is_computed:
            return isinstance(self.rows, int)
        if self.rows < 4 * tile.rows or not self._exceeds(self.rows, self._depth, 1):
            return False
        is_far = self.left.has_far_steps(self.target, self.dtype)
        if self.left.runs_outer and not is_far:
            return False  # A step of a tile reads a line of its own, which a copy would, too.
        return is_far or not (self.left.runs_inner and self._is_tall())

    def _spreads_rows(self, tile: Tile) -> bool:
        """Whether the rows of a tile do not stay in the first-level cache side by side."""
        if not isinstance(self.rows, int) or self.left.is_computed or not self.left.runs_inner:
            return False
        way = self.target.l1_bytes // WAYS
        steps = (s * self.dtype.itemsize for s in self.left.outer if isinstance(s, int) and s)
        is_crowded = any(tile.rows * math.gcd(step, way) > way * WAYS // 2 for step in steps)
        return is_crowded and self.columns >= SPREAD_COLUMNS

    def _fetched(self, tile: Tile) -> int:
        """What a round of a tile fetches of the next panel, if panels come from a farther cache."""
        if not isinstance(self.rows, int) or self.rows < FETCHING_ROWS:
            return 0
        tiles, is_far = -(-self.rows // tile.rows), self._exceeds(self._depth, self.columns, 1)
        if tiles > FETCHING_TILES or not (is_far and self._is_ready(tile)):
            return 0
        return -(-steps_in_round(tile) * tile.width // tiles)

    def _packs_right(self, tile: Tile) -> bool:
        if self._is_ready(tile):
            return False
        if not self.right.runs_outer:
            return True
        if isinstance(self.rows, int) and self.rows < 4 * tile.rows:
            return False
        return self.right.is_computed or self._has_scattered_panels(tile)

    def _is_ready(self, tile: Tile) -> bool:
        """Whether it is packed beforehand; one panel of its own is packed as it is.

        Constants always are, others before a loop, if repetitions do not find them in a cache.
        """
        is_packed = self.right.runs_outer and not self.right.is_computed
        is_far = self.right.is_fixed and self._exceeds(self._depth, self.columns, 1)
        return (self.right.is_known or is_far) and not (is_packed and self.columns <= tile.width)

    def _has_scattered_panels(self, tile: Tile) -> bool:
        """Whether the columns of a tile are too far apart for the caches to keep up."""
        bytes_across = tile.width * self.dtype.itemsize
        is_narrow = bytes_across < NARROW_BYTES and tile.width < self.columns
        if is_narrow and self._depth * bytes_across > self.target.l1_bytes:
            return True
        is_large = self._exceeds(self._depth, self.columns, 1)
        return is_large and self.right.has_far_steps(self.target, self.dtype)

    def _panels_per_pass(self, panels: int) -> int:
        """Tiles side by side in a chunk that goes through several passes of a long sum."""
        if self._is_tall() or self._depth <= self._longest:
            return 1
        return max(min(PANELS_PER_PASS, panels // FEW_CHUNKS), 1)

    def _pass_length(self, tile: Tile, beside: int = 1) -> Size:
        """Passes of equal length, so that the columns of a tile fill a quarter of a cache.

        Those of several tiles, which stand side by side in a copy, fill an eighth: that is taken
        from the stack, and not from the system again and again.
        """
        # Sums that wait for another pass take the place of the result, which then cannot be that of
        # an operand of the epilogue. Few symbolic sums are so long that passes make up for it.
        if not isinstance(self.inner, int) or self.inner <= self._longest:
            return self.inner
        share = self.target.l2_bytes // (4 if beside == 1 else 8)
        fitting = share // (beside * tile.width * self.dtype.itemsize)
        fitting = min(fitting, self._longest // 2)
        passes = -(-self.inner // max(fitting, PASS_STEPS))
        return _rounded_up(-(-self.inner // passes), PASS_STEPS)

    # ------------------------------------------------------------------------------------ chunks

    def _panels(self, tile: Tile, panels: int, packs_left: bool) -> int:
        """Tiles side by side in a chunk."""
        if packs_left and panels >= 2 * PANELS_PER_COPY and not self._is_tall():
            return -(-panels // 2)
        if packs_left or self._is_tall() or self._is_large_result():
            return panels
        if not isinstance(self.rows, int):
            return -(-panels // CHUNKS)
        return self._chunk(panels, self.rows, tile.width, CHUNKS)

    def _stack(
        self, tile: Tile, panels: int, wide: int, packs_left: bool, packs_right: bool
    ) -> int | None:
        """Tiles one below the other in a chunk, with some of all panels side by side."""
        tiles = max(-(-self.rows // tile.rows), 1) if isinstance(self.rows, int) else None
        if tiles is not None and (packs_left or self._is_tall()):
            length = self._pass_length(tile)
            depth = length if isinstance(length, int) else self._longest
            row_bytes = max(depth, 1) * tile.rows * self.dtype.itemsize
            most = max(self.target.l2_bytes // 2 // row_bytes, 1)
            return -(-tiles // _rounded_up(-(-tiles // most), FEW_CHUNKS))
        chunks = -(-panels // wide)
        if packs_right or chunks >= ENOUGH_CHUNKS:
            return None
        return self._chunk(tiles, tile.rows, wide * tile.width, -(-CHUNKS // chunks))

    def _chunk(self, pieces: int | None, rows: int, columns: int, most: int) -> int:
        """How many pieces of so many rows and columns make one of at most so many chunks."""
        step = max(rows * columns / (2 * self._lanes), columns * self.dtype.itemsize / CACHE_BYTES)
        least = max(math.ceil(CHUNK_CYCLES / (step * max(self._depth, 1))), 1)
        return least if pieces is None else max(min(least, pieces), -(-pieces // most))


def _rounded_up(size: int, step: int) -> int:
    return -(-size // step) * step


def pass_count(inner: Size, length: Size) -> Size:
    """How many passes of some length there are; one over empty axes."""
    if inner == length or length == 0:
        return 1
    return dims.maximum(dims.ceil_div(inner, length), 1)
