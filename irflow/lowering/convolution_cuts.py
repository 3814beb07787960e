"""How convolutions are cut into chunks, passes and tiles.

As in `schedule` and `blocks`, every choice is a function of shapes, of how loads move through
memory, and of the `Target`. Sums are in the order of the taps and then of the channels whatever is
chosen.
"""

from __future__ import annotations

from irflow.dims import Size
from irflow.dtypes import DType
from irflow.lowering.blocks import Factor
from irflow.lowering.convolution_axes import Axis, product
from irflow.lowering.schedule import Tile, register_tile, steps_in_round
from irflow.lowering.target import Target
from irflow.records import dataclass

UNROLLED_TAPS = 12
"""Up to so many summands are written out one by one."""
LOW_TILE = 6
"""From so many results in a line on, a tile does not go on in the next line."""
MOST_TILE = 14
"""Rows of a tile that takes several lines."""
DOT_ROWS = 8
"""Rows of a tile of few columns: the loads of the next one start before its sums are done."""
CHUNKS = 16
"""Into so many chunks a result is cut at most, so that threads end together."""
ENOUGH_CHUNKS = 8
"""With fewer, columns are cut where the weights are large."""
COLUMN_CHUNKS = 4
"""Into so many of columns at most: each copies the image anew."""
STREAMED_ROWS = 48
"""For so many results at least, large weights come from a farther cache."""
CHUNK_CYCLES = 30_000
"""The least of a chunk: lines at its edges are copied for the next one, too."""


@dataclass(frozen=True, slots=True)
class Cuts:
    """How a phase of a convolution is cut.

    Attributes:
        tile: what is held in registers.
        lines: lines of results that a tile takes.
        slab: tiles along the first axis in a chunk.
        panels: tiles side by side in a chunk of columns.
        is_packed: whether the weights are copied in the order in which tiles read them.
        is_ready: whether they are constants, which are packed when code is made.
        by_taps: whether taps of the first axis are passes of their own, since the weights of all
            of them would not stay in a cache.
        gap: elements between the channels of neighbouring positions of the copied image.
        unrolled: channels in one round of their loop.
        is_short: whether all summands, `unrolls_line` whether those of a line of taps, are written
            out.
        prefetches: whether a tile of the result is fetched before it is needed.
        fetches_weights: whether weights, where they are, are fetched before they are needed.
    """

    tile: Tile
    lines: int
    slab: int
    panels: int
    is_packed: bool
    is_ready: bool
    by_taps: bool
    gap: int
    unrolled: int
    is_short: bool
    unrolls_line: bool
    prefetches: bool
    fetches_weights: bool


@dataclass(frozen=True, slots=True)
class Shape:
    """A phase for which cuts are chosen.

    Attributes:
        target: the machine.
        dtype: in which sums are taken; of words, their own.
        batch: images.
        axes: spatial axes.
        depth, columns: channels of the image, or words of them, and of the result.
        weights: how loads of the weights move along columns and along the channels of the image.
        is_packed: whether weights must be copied, since they are not in memory as tiles need them.
    """

    target: Target
    dtype: DType
    batch: Size
    axes: tuple[Axis, ...]
    depth: int
    columns: int
    weights: Factor
    is_packed: bool

    def cuts(self) -> Cuts:
        """How it is cut."""
        tile, lines = self._tile()
        is_ready = self.weights.is_known and not tile.is_inner
        is_packed = not is_ready and (self.is_packed or self._is_scattered())
        slab, panels = self._chunks(tile, lines)
        by_taps = self._by_taps(tile)
        line_taps = max(self.axes[-1].taps, 1)
        is_fixed = all(axis.split is None for axis in self.axes)
        return Cuts(
            tile,
            lines,
            slab,
            panels,
            is_packed,
            is_ready,
            by_taps,
            self._gap(),
            self._unrolled(tile),
            is_fixed and self._taps * self.depth <= UNROLLED_TAPS,
            is_fixed and line_taps * self.depth <= UNROLLED_TAPS,
            self._fetches(),
            self._is_large and not (is_packed or is_ready or tile.is_inner),
        )

    # ------------------------------------------------------------------------------------- sizes

    @property
    def _taps(self) -> int:
        return product([axis.taps for axis in self.axes])

    @property
    def _inner(self) -> int:
        return self._taps * self.depth

    @property
    def _lanes(self) -> int:
        return self.target.lanes(self.dtype)

    # ------------------------------------------------------------------------------------- choices

    def _tile(self) -> tuple[Tile, int]:
        """The tile, and how many lines it takes: more than one where lines are short.

        With few columns and whole vectors of channels, vectors run along those instead.
        """
        are_few = 2 * self.columns < self._lanes and self.depth % self._lanes == 0
        if are_few and self.dtype.is_float:
            most = min((self.target.vector_registers - 1) // self.columns - 1, DOT_ROWS)
            rows = _near_divisor(self.axes[-1].count, most)
            return Tile(rows, self.columns, self._lanes, is_inner=True), 1
        width, vectors = self.axes[-1].count, -(-self.columns // self._lanes)
        if len(self.axes) > 1 and width < LOW_TILE:
            lines = _near_divisor(self.axes[-2].count, MOST_TILE // width)
            tile = register_tile(self.target, self.dtype, lines * width, vectors, self._inner)
            if tile.rows == lines * width:
                return tile, lines
        return register_tile(self.target, self.dtype, width, vectors, self._inner), 1

    def _is_scattered(self) -> bool:
        """Whether the weights of a tile are too far apart for the caches to keep up."""
        is_large = self._inner * self.columns * self.dtype.itemsize > self.target.l2_bytes
        return is_large and self.weights.has_far_steps(self.target, self.dtype)

    def _fetches(self) -> bool:
        """Whether the result is more than a cache holds, or may be."""
        if not isinstance(self.batch, int):
            return True
        results = product([axis.count * axis.phases for axis in self.axes]) * self.batch
        return results * self.columns * self.dtype.itemsize > self.target.l2_bytes

    def _by_taps(self, tile: Tile) -> bool:
        bytes_of_panel = self._inner * tile.width * self.dtype.itemsize
        is_whole = self.axes[0].split is None and len(self.axes) > 1
        return is_whole and self.axes[0].taps > 1 and self.target.l2_bytes < bytes_of_panel

    def _chunks(self, tile: Tile, lines: int) -> tuple[int, int]:
        """Tiles along the first axis, and panels side by side, in a chunk.

        Few enough tiles for what they see to fill half a cache at most, and enough to be worth the
        copy of it. Columns are cut only where there would be too few chunks: each chunk of them
        copies the image anew.
        """
        first, panels = self.axes[0], -(-self.columns // tile.width)
        height = (tile.rows, lines)[len(self.axes) - 1] if len(self.axes) < 3 else 1
        total = -(-first.count // height)
        rows = product([axis.count for axis in self.axes[1:]]) * height
        images = self.batch if isinstance(self.batch, int) else 1
        images = max(images * product([axis.phases for axis in self.axes]), 1)
        steps = tile.columns / tile.lanes if tile.is_inner else panels * tile.columns
        least = int(CHUNK_CYCLES / max(rows * self._inner * steps, 1)) + 1
        if self._is_large:
            least = max(least, -(-STREAMED_ROWS // rows))
        most = max(self._fitting_lines() // height, 1)
        slab = max(1, min(max(least, -(-total // -(-CHUNKS // images))), most, total))
        slabs = -(-total // slab)
        across = 1
        if self._is_large:
            across = min(-(-ENOUGH_CHUNKS // (images * slabs)), COLUMN_CHUNKS)
        return -(-total // slabs), -(-panels // across)

    @property
    def _is_large(self) -> bool:
        """Whether the weights come from a farther cache for every slab."""
        return self._inner * self.columns * self.dtype.itemsize > self._half_cache

    @property
    def _half_cache(self) -> int:
        return self.target.l2_bytes // 2

    def _fitting_lines(self) -> int:
        """Lines of results whose part of the image fills less than half a cache."""
        first, *others = self.axes
        line = product([axis.span(axis.count) for axis in others])
        nbytes = line * (self.depth + self._gap()) * self.dtype.itemsize
        return (self._half_cache // nbytes - first.span(1)) // first.pitch + 1

    def _gap(self) -> int:
        """Keeps neighbouring rows of a tile out of each other's cache lines."""
        step = self.depth * self.axes[-1].pitch * self.dtype.itemsize
        return self._lanes if step % (self.target.l1_bytes // 16) == 0 else 0

    def _unrolled(self, tile: Tile) -> int:
        """A divisor of the number of channels, or vectors of them, so that none are left over."""
        steps, wanted = (
            self.depth // tile.lanes if tile.is_inner else self.depth,
            steps_in_round(tile),
        )
        return next((n for n in (wanted, wanted + 1) if steps % n == 0), wanted)


def _near_divisor(size: int, most: int) -> int:
    """The largest divisor of `size` up to `most`, or `most` if that is less than half of it."""
    most = max(min(most, size), 1)
    largest = max(n for n in range(1, most + 1) if size % n == 0)
    return largest if 2 * largest >= most else most
