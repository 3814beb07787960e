"""Right operands of products that are packed once: constants when code is made, and what is the
same in all repetitions of a loop before it (`preheaders`).

Their panels stand one behind the other, as tiles read them (`packing`). The array as the graph has
it is then no part of the program, unless something else reads it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from weakref import WeakValueDictionary

import numpy as np

from irflow import dtypes
from irflow.dtypes import DType
from irflow.ir.attributes import DenseArray
from irflow.ir.elements import Moved, Moves, empty_on_line
from irflow.ir.graph import Value
from irflow.ir.types import TensorType
from irflow.loops import Buffer, Expr, Load
from irflow.loops.intrinsics import Dot
from irflow.lowering.nest import NestContext
from irflow.lowering.preheaders import Panels
from irflow.lowering.tile import Pass, Spot
from irflow.lowering.values import widened
from irflow.ops import Broadcast, Convert, Reshape, Transpose
from irflow.records import dataclass

_made: WeakValueDictionary[str, DenseArray] = WeakValueDictionary()
"""What programs hold at the moment, by digest: versions of a program for other sizes share it."""


Move = Broadcast | Convert | Reshape | Transpose


@dataclass(frozen=True, slots=True)
class Known:
    """An operand whose content is known: that of a constant, after some ops.

    Attributes:
        constant: whose content it is.
        ops: from the constant to the operand.
        types: of the constant, and what each op gives: at last `[*batch, k, n]`, or `[k, n]` where
            it is the same for the whole batch.
    """

    constant: DenseArray
    ops: tuple[Move, ...]
    types: tuple[TensorType, ...]

    @classmethod
    def of(cls, constant: DenseArray) -> Known:
        """The constant itself."""
        return cls(constant, (), (TensorType(dtypes.from_numpy(constant.dtype), constant.shape),))

    def after(self, op: Move) -> Known:
        """What one more op makes of it."""
        return Known(self.constant, (*self.ops, op), (*self.types, op.infer(self.types[-1])))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the operand."""
        return self.types[-1].static_shape

    @property
    def name(self) -> str:
        """Tells the content from all others."""
        return " ".join([self.constant.digest, *map(str, self.ops)])

    @property
    def array(self) -> np.ndarray:
        """The content; a view, as far as nothing is converted."""
        array = self.constant.array
        for op in self.ops:
            array = op.numpy(array)
        return array

    @property
    def back(self) -> Moves | None:
        """From the content to that of the constant; None where an op does more than move it."""
        moves: list[tuple[str, Sequence[int]]] = []
        for op, before in zip(reversed(self.ops), reversed(self.types[:-1]), strict=True):
            match op:
                case Reshape():
                    moves.append(("reshape", before.static_shape))
                case Transpose(perm):
                    moves.append(("transpose", [perm.index(axis) for axis in range(len(perm))]))
                case _:
                    return None
        return moves


def known(context: NestContext, operand: Value) -> Known | None:
    """An operand's content; None where it is computed, and for one number all over."""
    found = _content(context, operand)
    if found is None or len(found.shape) < 2 or not found.constant.size:
        return None
    return None if found.constant.is_uniform else found


def _content(context: NestContext, value: Value) -> Known | None:
    if value in context.literals:
        return Known.of(context.literals[value])
    node = value.node
    if value in context.buffers or node is None or len(node.inputs) != 1:
        return None
    if isinstance(node.op, Broadcast) and _repeats_matrix(value, node.inputs[0], node.op):
        return _content(context, node.inputs[0])
    if not isinstance(node.op, Move) or not value.type.is_static:
        return None
    inner = _content(context, node.inputs[0])
    # A matrix that stands for a batch of equal ones has lost its place among the axes.
    if inner is None or inner.shape != node.inputs[0].type.shape:
        return None
    return inner.after(node.op)


def _repeats_matrix(value: Value, matrix: Value, op: Broadcast) -> bool:
    """Whether a broadcast repeats a whole matrix along the axes of the batch."""
    rank = value.type.rank
    return op.axes == (rank - 2, rank - 1) and value.type.shape[-2:] == matrix.type.shape


@dataclass(frozen=True, slots=True)
class ReadyPack:
    """Panels of columns that are there when a program, or a loop, starts.

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
        *_, inner, columns = content.shape
        dtype = kind.right if isinstance(kind, Dot) else kind
        name = f"{content.name} panels {width} {columns} {dtype} {isinstance(kind, Dot)}"
        digest = hashlib.sha256(name.encode()).hexdigest()
        dense = _made.get(digest)
        if dense is None:
            array = content.array.astype(dtype.numpy, copy=False)
            array = words_of(array, kind.length) if isinstance(kind, Dot) else array
            dense = _made[digest] = DenseArray(panels(array, width), digest, is_fixed=True)
        _move(content, dense, unpacking(content.shape, width))
        count = inner if isinstance(kind, DType) else -(-inner // kind.length)
        return cls(context, context.constant_buffer(dense), count, width)

    @classmethod
    def before_loop(cls, context: NestContext, matrix: Value, width: int) -> ReadyPack:
        """Let the kernel take a matrix that is packed before the loop around it."""
        inner, _ = matrix.type.static_shape
        return cls(context, context.panel_buffer(Panels(matrix, width)), inner, width)

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


def _move(content: Known, packed: DenseArray, moves: Moves) -> None:
    """Let a constant be where its packed form is, if that has all of it."""
    constant, back = content.constant, content.back
    if back is not None and packed.dtype == constant.dtype:
        constant.elements.move(Moved(packed.elements, [*moves, *back]))


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
    full, rest = divmod(columns, width)
    count = full + (rest > 0)
    room = empty_on_line((*batch, count, inner, width), array.dtype)
    whole = array[..., : full * width].reshape(*batch, inner, full, width)
    room[..., :full, :, :] = np.swapaxes(whole, -2, -3)
    if rest:
        room[..., full, :, :rest] = array[..., full * width :]
        room[..., full, :, rest:] = 0
    return room.reshape(*batch, count * inner * width)


def unpacking(shape: Sequence[int], width: int) -> Moves:
    """From `panels` back to `[*batch, k, n]`."""
    *batch, inner, columns = shape
    count, axes = -(-columns // width), range(len(shape) + 1)
    return (
        ("reshape", (*batch, count, inner, width)),
        ("transpose", (*axes[:-3], axes[-2], axes[-3], axes[-1])),
        ("reshape", (*batch, inner, count * width)),
        ("columns", (columns,)),
    )
