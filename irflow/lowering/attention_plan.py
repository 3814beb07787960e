"""Sizes of attention's blocks: known here only, from shapes and the `Target`."""

from __future__ import annotations

from dataclasses import replace

from irflow import dims
from irflow.dims import Size
from irflow.dtypes import DType, compute_dtype
from irflow.ir.graph import Node
from irflow.lowering.target import Target
from irflow.ops import Attention, AttentionGradient
from irflow.records import dataclass

MOST_ROWS = 8
"""Rows of a tile: each has an address of its own."""
UNROLLED = 2
"""Steps of a product that are written out."""
ENOUGH_PARTS = 8
"""So many parts of a gradient are enough for threads to end together."""
CHUNK_QUERIES = 256
"""Queries of a part at least, so that adding up the parts takes little."""
LEAST_CHUNK = 16
"""Keys that one query goes through at once come in multiples of this number."""
SHORT = 1.5
"""So many times the usual number of keys still make one block: then nothing is ever rescaled."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Register tiles of a product with some columns.

    Attributes:
        rows: of a tile.
        tiles: the widths of the vectors of each tile, next to each other.
        lanes: of a vector.
    """

    rows: int
    tiles: tuple[tuple[int, ...], ...]
    lanes: int

    @property
    def padded(self) -> int:
        """The columns in whole vectors."""
        return sum(len(widths) for widths in self.tiles) * self.lanes


@dataclass(frozen=True, slots=True)
class Plan:
    """The blocks of one node.

    Attributes:
        dtype: in which is computed.
        lanes: of a vector.
        batch: sizes of the leading axes.
        length, keys: how many queries and keys.
        heads, groups: of queries, and of keys.
        features, width: sizes of a query and of a value.
        vectors: of queries in a block.
        rows: keys of a tile of scores.
        block: keys of a block; a multiple of `rows`.
        scale, is_causal: of the op.
        is_bounded: whether every query surely sees a key.
        registers: vector registers there are.
    """

    dtype: DType
    lanes: int
    batch: tuple[Size, ...]
    length: Size
    keys: Size
    heads: int
    groups: int
    features: int
    width: int
    vectors: int
    rows: int
    block: int
    scale: float
    is_causal: bool
    is_bounded: bool
    registers: int

    @classmethod
    def of(cls, node: Node, target: Target) -> Plan:
        """The blocks for a node of either op."""
        op = node.op
        assert isinstance(op, (Attention, AttentionGradient))
        q, k, v, *others = (value.type for value in node.inputs)
        terms = others if isinstance(op, Attention) else others[4:]
        dtype = compute_dtype(q.dtype)
        *batch, length, heads, features = q.shape
        keys, groups, width = k.shape[-3], k.shape[-2], v.shape[-1]
        assert isinstance(heads, int), "checked by the op"
        assert isinstance(groups, int), "checked by the op"
        assert isinstance(features, int), "checked by the op"
        assert isinstance(width, int), "checked by the op"
        lanes = target.lanes(dtype)
        # The smaller a block is, the more keys that none of its queries may see are left out.
        widest = max(target.vector_registers // (16 if op.is_causal else 8), 1)
        vectors = _vectors(length, lanes, widest)
        rows = _key_rows(keys, vectors, target.vector_registers)
        # The gradient needs two blocks of the size of the scores.
        blocks = 1 if isinstance(op, Attention) else 2
        fitting = target.l1_bytes // (vectors * target.vector_bytes * blocks)
        block = _key_block(keys, rows, max(fitting // rows * rows, rows))
        is_bounded = not terms and _is_at_most(length, keys)
        return cls(
            dtype, lanes, tuple(batch), length, keys, heads, groups, features, width,
            vectors, rows, block,
            op.scale, op.is_causal, is_bounded, target.vector_registers,
        )  # fmt: skip

    def with_heads_in_lanes(self, target: Target) -> Plan:
        """The plan for one query, whose place in the blocks its heads take; it sees all keys."""
        bytes_of_key = self.groups * (self.features + self.width) * self.dtype.itemsize
        chunk = _rounded_up(-(-target.l2_bytes // 4 // max(bytes_of_key, 1)), LEAST_CHUNK)
        vectors = -(-self.heads // self.lanes)
        return replace(self, vectors=vectors, block=chunk, is_causal=False)

    @property
    def queries(self) -> int:
        """How many queries make a block."""
        return self.vectors * self.lanes

    @property
    def shared(self) -> int:
        """Heads of queries that a head of keys serves."""
        return self.heads // self.groups

    @property
    def query_blocks(self) -> Size:
        return dims.ceil_div(self.length, self.queries)

    @property
    def chunks(self) -> int:
        """Into how many chunks the queries are cut that add to the gradients of the same keys.

        Whatever the batch is, so that sums are the same for a symbolic one.
        """
        if not isinstance(self.length, int) or not isinstance(self.query_blocks, int):
            return 1
        wanted = min(-(-ENOUGH_PARTS // self.groups), self.length // CHUNK_QUERIES)
        return max(min(wanted, self.query_blocks), 1)

    @property
    def has_few_heads(self) -> bool:
        """Whether there are surely too few heads of keys for all threads."""
        count = dims.product((*self.batch, self.groups))
        return isinstance(count, int) and count < ENOUGH_PARTS

    @property
    def has_partial_queries(self) -> bool:
        """Whether the last block of queries may not be full."""
        return self.length % self.queries != 0

    @property
    def is_even(self) -> bool:
        """Whether products are added up in whole rounds, wherever a block begins or ends."""
        sizes = self.length, self.keys, self.queries, self.block
        return all(size % UNROLLED == 0 for size in sizes)

    @property
    def is_single(self) -> bool:
        """Whether all keys are one block."""
        return isinstance(self.keys, int) and self.keys <= self.block

    @property
    def skips(self) -> bool:
        """Whether keys that no query of a block may see are left out, at first at least."""
        return self.is_causal and (self.is_bounded or not self.is_single)

    def grid(self, columns: int, along: int) -> Grid:
        """Tiles of a product with some columns, of which rows come in runs of `along`."""
        count = -(-columns // self.lanes)
        widest = max(self.registers // 8, 1)
        tiles = -(-count // widest)
        vectors = -(-count // tiles) if tiles else 0
        widths = [min(self.lanes, columns - i * self.lanes) for i in range(count)]
        cut = [tuple(widths[i : i + vectors]) for i in range(0, count, max(vectors, 1))]
        fitting = [r for r in range(1, MOST_ROWS + 1) if along % r == 0]
        rows = max(r for r in fitting if r == 1 or _fits(r, vectors, self.registers))
        return Grid(rows, tuple(cut), self.lanes)


def _fits(rows: int, vectors: int, registers: int) -> bool:
    """Whether the sums of a tile stay in registers beside the loads of a step."""
    return rows * vectors + min(rows, vectors) + 1 < registers


def _vectors(length: Size, lanes: int, widest: int) -> int:
    """Vectors of queries in a block, so that few lanes of the last block are idle."""
    if not isinstance(length, int):
        return widest
    needed = max(-(-length // lanes), 1)
    return -(-needed // -(-needed // widest))


def _key_rows(keys: Size, vectors: int, registers: int) -> int:
    """Keys of a tile: a divisor of their number, if there is one of about the most that fit."""
    most = max(r for r in range(1, MOST_ROWS + 1) if r == 1 or _fits(r, vectors, registers))
    dividing = [r for r in range(-(-most // 2), most + 1) if keys % r == 0]
    return max(dividing, default=most)


def _key_block(keys: Size, rows: int, usual: int) -> int:
    """Keys of a block: all, if they are few, else equal shares."""
    if not isinstance(keys, int):
        return usual
    blocks = 1 if keys <= SHORT * usual else -(-keys // usual)
    share = -(-keys // blocks)
    return -(-share // rows) * rows


def _rounded_up(size: int, step: int) -> int:
    return -(-size // step) * step


def _is_at_most(a: Size, b: Size) -> bool:
    """Whether a size is known to be no larger than another."""
    low = dims.bounds(b - a)[0]
    return a == b or (low is not None and low >= 0)
