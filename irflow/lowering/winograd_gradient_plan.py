"""When and how a weight gradient is computed by Winograd's products, as in `winograd_plan`.

Whether it is depends on one image, not on how many there are, so that for a symbolic number of them
sums are the same.
"""

from __future__ import annotations

from irflow import dtypes
from irflow.dims import Size
from irflow.lowering.schedule import Tile, register_tile
from irflow.lowering.weight_gradient_form import BlockCut, Form
from irflow.lowering.winograd_transform import SMALL, TAPS, Transform
from irflow.records import dataclass

GAIN = 0.8
"""Of the cycles of the direct form must be left at most."""
LEAST_CYCLES = 20_000
"""Shorter gradients of an image are not worth the code."""
TRANSFORM_CYCLES = 5
"""What a vector at a point costs in the transforms of the image and of the result's gradient."""
SUM_CYCLES = 3
"""What a vector at a point costs where sums are transformed."""
BLOCK_TILES = 28
"""About so many tiles are summed up between two visits to the sums in memory."""
MOST_TILES = 2 * BLOCK_TILES
"""Images of no more tiles are not cut."""
CHUNK_POSITIONS = 768
"""The least of a chunk: transforming its sums costs a twentieth of it."""
ENOUGH_PARTS = 4
"""With fewer chunks, threads share the channels and columns."""
CACHES = 1.5
"""So many second-level caches a block may fill: most of it is written and read in order."""
LEAST_PART = 32
"""The least of channels and columns in a part: each transforms all that its tiles see anew."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a weight gradient is cut.

    Attributes:
        transform: of an axis.
        counts: tiles of an image along both axes.
        cut: blocks of positions.
        chunks: of blocks.
        channels, columns: of a part.
        tile: what is held in registers of a product; its rows are channels.
    """

    transform: Transform
    counts: tuple[int, int]
    cut: BlockCut
    chunks: Size
    channels: int
    columns: int
    tile: Tile

    @property
    def points(self) -> int:
        """Products for a tile, a channel and a column."""
        return self.transform.size**2

    @property
    def lines(self) -> int:
        """Lines of tiles in a block, at most."""
        return -(-self.cut.rows // self.transform.results)

    @property
    def tiles(self) -> int:
        """Tiles in a block, at most."""
        return self.cut.images * self.lines * self.counts[1]

    @property
    def spans(self) -> tuple[int, int]:
        """Rows and positions of an image that the tiles of a block see."""
        step, more = self.transform.results, TAPS - 1
        return self.lines * step + more, self.counts[1] * step + more


def plan_of(form: Form) -> Plan | None:
    """The plan of a weight gradient.

    None where the direct form is as good, for element types but f32, and where channels do not
    fill whole vectors.
    """
    lanes = form.target.lanes(form.dtype)
    is_square = form.kernel == (TAPS, TAPS) and form.strides == form.dilations == (1, 1)
    if not is_square or form.groups != 1 or form.dtype is not dtypes.f32:
        return None
    if form.channels % lanes or form.columns % lanes:
        return None
    plan = _plan(form, SMALL)
    direct = form.out[0] * form.out[1] * TAPS**2 * form.channels * form.columns / lanes
    if direct < LEAST_CYCLES or _cycles(form, plan) > GAIN * direct:
        return None
    return plan


def _cycles(form: Form, plan: Plan) -> float:
    """Cycles for an image that is all there is."""
    lanes = form.target.lanes(form.dtype)
    tiles = plan.counts[0] * plan.counts[1]
    area = form.channels * form.columns
    seen = area / plan.columns + area / plan.channels
    around = tiles * seen * TRANSFORM_CYCLES + area * SUM_CYCLES
    return plan.points * (tiles * area + around) / lanes


def _plan(form: Form, transform: Transform) -> Plan:
    step = transform.results
    first, last = (-(-count // step) for count in form.out)
    lines = first if first * last <= MOST_TILES else max(BLOCK_TILES // last, 1)
    lines = -(-first // -(-first // lines))
    images = max(BLOCK_TILES // (lines * last), 1) if lines == first else 1
    cut = BlockCut(form.batch, form.out[0], images, min(lines * step, form.out[0]))
    chunks = cut.chunks(form.out[1], CHUNK_POSITIONS, form.area)
    parts = -(-ENOUGH_PARTS // (chunks if isinstance(chunks, int) else ENOUGH_PARTS))
    channels, columns = _parts(form, images * lines * last, parts)
    vectors = columns // form.target.lanes(form.dtype)
    tile = register_tile(form.target, form.dtype, channels, vectors, lines * last)
    return Plan(transform, (first, last), cut, chunks, channels, columns, tile)


def _parts(form: Form, tiles: int, wanted: int) -> tuple[int, int]:
    """Channels and columns of a part.

    The largest for which all that belongs to a block stays in a cache, and that make as many parts
    as are wanted; smaller ones than `LEAST_PART` are no gain.
    """
    lanes = form.target.lanes(form.dtype)
    room = CACHES * form.target.l2_bytes / (form.dtype.itemsize * SMALL.size**2)

    def cost(part: tuple[int, int]) -> tuple[bool, bool, float]:
        channels, columns = part
        nears = channels * columns + tiles * (channels + columns) <= room
        parts = form.channels // channels * (form.columns // columns)
        return not nears, parts < wanted, 1 / channels + 1 / columns

    def sizes(size: int) -> list[int]:
        least = min(size, LEAST_PART)
        return [n for n in range(lanes, size + 1, lanes) if size % n == 0 and n >= least]

    return min(((c, k) for c in sizes(form.channels) for k in sizes(form.columns)), key=cost)
