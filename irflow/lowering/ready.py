"""Right operands of products that are constants: packed once, when code is made.

Their panels stand one behind the other, as tiles read them (`packing`). The array as the graph has
it is then no part of the program, unless something else reads it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from weakref import WeakValueDictionary

import numpy as np

from irflow.dtypes import DType
from irflow.ir.attributes import DenseArray
from irflow.ir.graph import Value
from irflow.loops import Buffer, Expr, Load
from irflow.loops.intrinsics import Dot
from irflow.lowering.nest import NestContext
from irflow.lowering.tile import Pass, Spot
from irflow.lowering.values import is_uniform, widened
from irflow.ops import Broadcast, Convert, Reshape, Transpose

_made: WeakValueDictionary[str, DenseArray] = WeakValueDictionary()
"""What programs hold at the moment, by digest: versions of a program for other sizes share it."""


@dataclass(frozen=True, slots=True)
class Known:
    """An operand whose content is known.

    Attributes:
        array: `[*batch, k, n]`, or `[k, n]` where it is the same for the whole batch.
        name: tells it from all others.
    """

    array: np.ndarray
    name: str


def known(context: NestContext, operand: Value) -> Known | None:
    """An operand's content; None where it is computed, and for one number all over."""
    found = _content(context, operand)
    if found is None or found.array.ndim < 2 or not found.array.size or is_uniform(found.array):
        return None
    return found


def _content(context: NestContext, value: Value) -> Known | None:
    if value in context.literals:
        dense = context.literals[value]
        return Known(dense.array, dense.digest)
    node = value.node
    if value in context.buffers or node is None or len(node.inputs) != 1:
        return None
    if isinstance(node.op, Broadcast) and _repeats_matrix(value, node.inputs[0], node.op):
        return _content(context, node.inputs[0])
    if not isinstance(node.op, Broadcast | Convert | Reshape | Transpose):
        return None
    inner = _content(context, node.inputs[0])
    # A matrix that stands for a batch of equal ones has lost its place among the axes.
    if inner is None or inner.array.shape != node.inputs[0].type.shape:
        return None
    return Known(node.op.numpy(inner.array), f"{inner.name} {node.op}")


def _repeats_matrix(value: Value, matrix: Value, op: Broadcast) -> bool:
    """Whether a broadcast repeats a whole matrix along the axes of the batch."""
    rank = value.type.rank
    return op.axes == (rank - 2, rank - 1) and value.type.shape[-2:] == matrix.type.shape


@dataclass(frozen=True, slots=True)
class ReadyPack:
    """Panels of columns that are there when a program starts.

    Attributes:
        context: where code goes.
        buffer: `[*batch, panel * k * column]`; columns behind the last one are 0.
        inner: reduced elements, or words of them.
        width: columns of a panel.
    """

    context: NestContext
    buffer: Buffer
    inner: int
    width: int

    @classmethod
    def make(cls, context: NestContext, content: Known, kind: DType | Dot, width: int) -> ReadyPack:
        """Pack an operand for tiles of some width, and let the kernel take it as a constant.

        Args:
            context: where code goes.
            content: the operand.
            kind: the type of the elements, or what words are made of them.
            width: of a tile.
        """
        *_, inner, columns = content.array.shape
        dtype = kind.right if isinstance(kind, Dot) else kind
        name = f"{content.name} panels {width} {columns} {dtype} {isinstance(kind, Dot)}"
        digest = hashlib.sha256(name.encode()).hexdigest()
        dense = _made.get(digest)
        if dense is None:
            array = content.array.astype(dtype.numpy, copy=False)
            array = words_of(array, kind.length) if isinstance(kind, Dot) else array
            dense = _made[digest] = DenseArray(panels(array, width), digest)
        count = inner if isinstance(kind, DType) else -(-inner // kind.length)
        return cls(context, context.constant_buffer(dense), count, width)

    def read(self, spot: Spot, part: Pass, k: Expr, offset: Expr) -> Expr:
        """An element, by its number in the pass and its column in the tile."""
        return widened(Load(self.buffer, self._place(spot, part.start + k, offset)))

    def fetch(self, spot: Spot, k: Expr, offset: Expr) -> None:
        """Bring a line nearer, by a row of a panel and the elements behind its first one."""
        place = self._place(spot, k, offset)
        self.context.builder.let(Load(self.buffer, place, hint="prefetch"), "fetched")

    def _place(self, spot: Spot, k: Expr, offset: Expr) -> tuple[Expr, ...]:
        batch = spot.batch[: len(self.buffer.shape) - 1]
        return (*batch, self.context.index(spot.column * self.inner + k * self.width + offset))


def words_of(array: np.ndarray, length: int) -> np.ndarray:
    """`[*batch, k, n]` of narrow elements as `[*batch, word, n]`, the last word filled with 0."""
    *batch, inner, columns = array.shape
    count = -(-inner // length)
    room = np.zeros((*batch, count * length, columns), array.dtype)
    room[..., :inner, :] = array
    parts = room.reshape(*batch, count, length, columns)
    return np.ascontiguousarray(np.swapaxes(parts, -1, -2)).view(np.uint32)[..., 0]


def panels(array: np.ndarray, width: int) -> np.ndarray:
    """`[*batch, k, n]` as `[*batch, panel * k * column]`, with 0 behind the last column."""
    *batch, inner, columns = array.shape
    count = -(-columns // width)
    if count * width > columns:
        room = np.zeros((*batch, inner, count * width), array.dtype)
        room[..., :columns] = array
        array = room
    turned = np.swapaxes(array.reshape(*batch, inner, count, width), -2, -3)
    return turned.reshape(*batch, count * inner * width)
