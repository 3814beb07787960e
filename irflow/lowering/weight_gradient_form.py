"""The shape of the weight gradient of a convolution, and how it is cut into parts.

As in `schedule`, every choice is a function of shapes and of the `Target`. Blocks and chunks of
positions, which decide about the order of sums, are functions of what is known whether the batch is
a number or not.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

from irflow import dims
from irflow.dims import Size
from irflow.dtypes import DType, compute_dtype
from irflow.ir.graph import Node
from irflow.lowering.schedule import Tile, register_tile
from irflow.lowering.target import Target
from irflow.ops.convolution import ConvolutionWeightGradient
from irflow.records import dataclass

BLOCK_POSITIONS = 224
"""About so many positions are summed up between two visits to the sums in memory."""
FEW_POSITIONS = 112
"""Smaller images are taken several at once."""
CHUNK_POSITIONS = 1024
"""The least of a chunk: combining it with others costs a hundredth of it."""
MOST_CHUNKS = 16
"""Chunks of positions."""
CHUNK_ELEMENTS = 1 << 21
"""Elements of the sums of all chunks at most."""
ENOUGH_PARTS = 8
"""With fewer chunks, threads share the channels."""


@dataclass(frozen=True, slots=True)
class BlockCut:
    """How the positions of all images are cut into blocks.

    Attributes:
        batch: how many images.
        height: rows of positions of an image.
        images, rows: of a block, at most: several images only with all of their rows.
    """

    batch: Size
    height: int
    images: int
    rows: int

    @property
    def per_image(self) -> int:
        """Blocks one below the other in an image."""
        return -(-self.height // self.rows)

    @property
    def count(self) -> Size:
        """How many blocks there are."""
        return dims.ceil_div(self.batch, self.images) * self.per_image

    def chunks(self, width: int, positions: int, area: int) -> Size:
        """How many chunks of blocks.

        Args:
            width: positions of a row.
            positions: of a chunk at least.
            area: elements of the sums of a chunk.
        """
        most = max(min(MOST_CHUNKS, CHUNK_ELEMENTS // area), 1)
        least = -(-positions // (self.images * self.rows * width))
        return dims.maximum(dims.minimum(self.count // least, most), 1)


@dataclass(frozen=True)
class Form:
    """The shape of a weight gradient with two spatial axes, and how it is cut.

    Attributes:
        target: the machine.
        dtype: in which sums are taken.
        batch: how many images.
        image, out, kernel: sizes along rows and columns.
        strides, dilations, lows: of the convolution; `lows` zeros stand before an image.
        groups: of channels.
        channels, columns: of the image, and of the result, in a group.
    """

    target: Target
    dtype: DType
    batch: Size
    image: tuple[int, int]
    out: tuple[int, int]
    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    lows: tuple[int, int]
    groups: int
    channels: int
    columns: int

    @classmethod
    def of(cls, anchor: Node, target: Target) -> Form | None:
        """The form of a node; None where the template is no gain, or a size is symbolic."""
        op, (x, g) = anchor.op, anchor.inputs
        assert isinstance(op, ConvolutionWeightGradient)
        dtype = compute_dtype(x.type.dtype)
        batch, *image = x.type.shape
        out, sizes = g.type.shape[1:-1], (*image, *g.type.shape[1:])
        is_known = all(isinstance(size, int) and size > 0 for size in sizes)
        if not dtype.is_float or len(op.kernel) > 2 or not is_known or batch == 0:
            return None
        lows = tuple(low for low, _ in op.padding)
        channels, columns = int(image.pop()) // op.groups, int(g.type.shape[-1]) // op.groups
        if 2 * columns < target.lanes(dtype):
            return None
        return cls(
            target,
            dtype,
            batch,
            image=_pair(tuple(map(int, image)), 1),
            out=_pair(tuple(map(int, out)), 1),
            kernel=_pair(op.kernel, 1),
            strides=_pair(op.strides, 1),
            dilations=_pair(op.dilations, 1),
            lows=_pair(lows, 0),
            groups=op.groups,
            channels=channels,
            columns=columns,
        )

    # ------------------------------------------------------------------------------------ positions

    @cached_property
    def rows(self) -> int:
        """Rows of positions in a block."""
        height, width = self.out
        blocks = -(-height // max(BLOCK_POSITIONS // width, 1))
        return -(-height // blocks)

    @cached_property
    def images(self) -> int:
        """Images in a block."""
        positions = self.out[0] * self.out[1]
        return 1 if self.rows < self.out[0] else max(-(-FEW_POSITIONS // positions), 1)

    @property
    def cut(self) -> BlockCut:
        """The blocks."""
        return BlockCut(self.batch, self.out[0], self.images, self.rows)

    @cached_property
    def chunks(self) -> Size:
        """How many chunks of blocks."""
        return self.cut.chunks(self.out[1], CHUNK_POSITIONS, self.area)

    @property
    def unrolled(self) -> int:
        """Positions in one round of the innermost loop."""
        width = self.out[1]
        return max((n for n in range(4, 9) if width % n == 0), default=4)

    @property
    def area(self) -> int:
        """Elements of the result."""
        return self.kernel[0] * self.kernel[1] * self.channels * self.columns * self.groups

    def seen(self, axis: int, count: int) -> int:
        """How many positions of an image so many neighbours see along an axis."""
        return (count - 1) * self.strides[axis] + self.dilations[axis] * (self.kernel[axis] - 1) + 1

    # ----------------------------------------------------------------------------------------- rows

    @cached_property
    def part(self) -> int:
        """Channels of a block of channels: all, unless threads share them or a cache is small."""
        known = self.chunks if isinstance(self.chunks, int) else ENOUGH_PARTS
        wanted = -(-ENOUGH_PARTS // (known * self.groups))
        seen = self.images * self.seen(0, self.rows) * self.seen(1, self.out[1])
        fitting = self.target.l2_bytes // 4 // (seen * self.dtype.itemsize)
        most = min(self.channels // wanted, fitting)
        lanes = self.target.lanes(self.dtype)
        sizes = [n for n in range(lanes, self.channels, lanes) if self.channels % n == 0]
        if self.channels <= most or not sizes:
            return self.channels
        return max((n for n in sizes if n <= most), default=sizes[0])

    @property
    def is_joined(self) -> bool:
        """Whether the channels of neighbouring offsets follow each other in memory."""
        return self.dilations[1] == 1

    @property
    def run(self) -> int:
        """Rows of the product that are neighbours in memory."""
        return self.kernel[1] * self.part if self.is_joined else self.part

    @property
    def runs(self) -> int:
        """How many such runs there are."""
        return self.kernel[0] * (1 if self.is_joined else self.kernel[1])

    @cached_property
    def tile(self) -> Tile:
        """What is held in registers: a part of a run, or several whole ones."""
        lanes = self.target.lanes(self.dtype)
        vectors = -(-self.columns // lanes)
        inner = min(BLOCK_POSITIONS, self.rows * self.out[1])
        tile = register_tile(self.target, self.dtype, self.run, vectors, inner)
        if tile.rows < self.run:
            return tile
        whole = register_tile(self.target, self.dtype, self.run * self.runs, vectors, inner)
        several = max(whole.rows // self.run, 1)
        return tile if several == 1 else replace(whole, rows=several * self.run)


def _pair(numbers: tuple[int, ...], fill: int) -> tuple[int, int]:
    return (fill, *numbers)[-2:]  # type: ignore[return-value]
