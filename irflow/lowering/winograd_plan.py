"""When and how a convolution is computed by Winograd's products, by shapes and the `Target` alone.

Nothing depends on the number of images, so that for a symbolic one sums are the same.
"""

from __future__ import annotations

from irflow import dtypes
from irflow.dtypes import DType
from irflow.lowering.convolution_axes import Form, product
from irflow.lowering.schedule import Tile, register_tile
from irflow.lowering.target import Target
from irflow.lowering.winograd_transform import LARGE, SMALL, TAPS, Transform
from irflow.records import dataclass

TRANSFORMS = (SMALL, LARGE)
"""What is chosen from where weights are constants."""
EXACT_TRANSFORMS = (SMALL,)
"""Where they are not: gradients and what is trained keep the error of the direct form."""
MEMORY_BYTES = 4
"""Weights that come from memory in a cycle: those of a network are too many for the caches."""
TRANSFORM_CYCLES = 6
"""What a vector at a point costs in the transforms of image and result."""
GAIN = 0.8
"""Of the cycles of the direct form must be left at most."""
WEIGHT_CYCLES = 5
"""What a vector of weights at a point costs where the kernel transforms them."""
FAR_CYCLES = 16
"""The same where they are too many for the second-level cache."""
FAR_CACHES = 4
"""From so many of these caches on: what is left over then is more than what stays."""
TRAINED_IMAGES = 4
"""So many images at least share weights that are transformed in each call: a batch of training.

With only one, small images with many channels would do better in the direct form.
"""
LEAST_CYCLES = 100_000
"""Shorter convolutions of an image are not worth the code."""
LEAST_TRAINED_CYCLES = 30_000
"""The same where weights are transformed in each call, mostly for many images."""
CHUNK_ROWS = 14
"""Tiles of a chunk at least: each weight is loaded once for so many."""
ENOUGH_CHUNKS = 8
"""With fewer, columns are cut."""
CHUNK_COLUMNS = 128
"""Into so many at least: each chunk of them transforms the image anew."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a convolution is cut. Its tiles are squares of results.

    Attributes:
        transform: of an axis.
        counts: tiles along both axes.
        tile: what is held in registers of a product; its rows are tiles.
        lines: lines of tiles that it takes.
        stack: lines of tiles in a chunk.
        panels: register tiles side by side in a chunk of columns.
    """

    transform: Transform
    counts: tuple[int, int]
    tile: Tile
    lines: int
    stack: int
    panels: int

    @property
    def points(self) -> int:
        """Products for a tile, a channel and a column."""
        return self.transform.size**2

    @property
    def slabs(self) -> int:
        """Chunks of lines of tiles."""
        return -(-self.counts[0] // self.stack)

    @property
    def chunk(self) -> int:
        """Tiles in one of them."""
        return self.stack * self.counts[1]


def plan_of(target: Target, dtype: DType, form: Form, is_known: bool) -> Plan | None:
    """The plan of a convolution, whose weights are constants if they are known.

    None where the direct form is as good, for element types but f32, and where channels do not
    fill whole vectors.
    """
    (axes, *others) = form.phases
    steps = [(axis.taps, axis.in_step, axis.tap_step, axis.out_step) for axis in axes]
    if others or steps != [(TAPS, 1, 1, 1)] * 2 or dtype is not dtypes.f32:
        return None
    lanes = target.lanes(dtype)
    if form.depth % lanes or form.columns % lanes:
        return None
    results = axes[0].count, axes[1].count
    images = 1 if is_known else TRAINED_IMAGES
    shape = _Shape(target, dtype, results, form.depth, form.columns, images)
    costs = {t: shape.cycles(t) for t in (TRANSFORMS if is_known else EXACT_TRANSFORMS)}
    if not is_known:
        costs = {t: cost + shape.weights(t) for t, cost in costs.items()}
    transform = min(costs, key=costs.__getitem__)
    direct, least = shape.direct(), LEAST_CYCLES if is_known else LEAST_TRAINED_CYCLES
    if direct < least * images or costs[transform] > GAIN * direct:
        return None
    return shape.plan(transform)


@dataclass(frozen=True, slots=True)
class _Shape:
    """Sizes of a convolution.

    Attributes:
        target: the machine.
        dtype: in which sums are taken.
        results: along both axes.
        depth, columns: channels of the image and of the result.
        images: how many there are at least.
    """

    target: Target
    dtype: DType
    results: tuple[int, int]
    depth: int
    columns: int
    images: int

    @property
    def _lanes(self) -> int:
        return self.target.lanes(self.dtype)

    # ---------------------------------------------------------------------------------------- costs

    def direct(self) -> float:
        """Cycles of the direct form."""
        return self._products(product(self.results), TAPS**2)

    def cycles(self, transform: Transform) -> float:
        """Cycles by way of a transform, with weights that are transformed already."""
        tiles, points = product(self._counts(transform)), transform.size**2
        around = self.images * tiles * (self.depth + self.columns) * TRANSFORM_CYCLES
        return self._products(tiles, points) + around * points / self._lanes

    def weights(self, transform: Transform) -> float:
        """Cycles for transforming the weights; the direct form would turn them, too."""
        area, points = self.depth * self.columns, transform.size**2
        is_far = area * points * self.dtype.itemsize > FAR_CACHES * self.target.l2_bytes
        return area * points * (FAR_CYCLES if is_far else WEIGHT_CYCLES) / self._lanes

    def _products(self, rows: int, points: int) -> float:
        """Cycles of matrix products whose right operands come from memory."""
        weights = points * self.depth * self.columns
        return weights * (self.images * rows / self._lanes + self.dtype.itemsize / MEMORY_BYTES)

    # ----------------------------------------------------------------------------------------- cuts

    def _counts(self, transform: Transform) -> tuple[int, int]:
        first, last = (-(-count // transform.results) for count in self.results)
        return first, last

    def plan(self, transform: Transform) -> Plan:
        """How it is cut."""
        counts = self._counts(transform)
        tile, lines = self._tile(counts)
        least = -(-CHUNK_ROWS // (counts[1] * lines))
        stack = min(least, -(-counts[0] // lines)) * lines
        slabs, panels = -(-counts[0] // stack), -(-self.columns // tile.width)
        across = min(-(-ENOUGH_CHUNKS // slabs), max(self.columns // CHUNK_COLUMNS, 1))
        return Plan(transform, counts, tile, lines, stack, -(-panels // across))

    def _tile(self, counts: tuple[int, int]) -> tuple[Tile, int]:
        """The register tile, and how many lines it takes: more than one where lines are short."""
        vectors = self.columns // self._lanes
        pieces = -(-counts[0] // max(CHUNK_ROWS // counts[1], 1))
        lines = -(-counts[0] // pieces)
        rows = lines * counts[1]
        tile = register_tile(self.target, self.dtype, rows, vectors, self.depth)
        if tile.rows == rows:
            return tile, lines
        return register_tile(self.target, self.dtype, counts[1], vectors, self.depth), 1
