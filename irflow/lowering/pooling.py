"""Pooling and what its derivatives are made of, as sums over windows (`sliding`)."""

from __future__ import annotations

from collections.abc import Sequence

from irflow.dtypes import DType, compute_dtype
from irflow.ir.graph import Node
from irflow.ir.types import TensorType
from irflow.loops import Broadcast, Const, Expr, Select
from irflow.lowering.combine import combined
from irflow.lowering.depthwise import vector_at
from irflow.lowering.group import Group
from irflow.lowering.nest import Built, NestContext
from irflow.lowering.sliding import Lanes, Shape, SlidingWriter, Windowed, spatial_index
from irflow.lowering.sliding_axes import Axis
from irflow.lowering.target import Target
from irflow.lowering.values import ZERO, equal, identity_of
from irflow.ops.pool_op import PoolOp
from irflow.ops.pools import Pool, PoolAdjoint, PoolHitsAdjoint
from irflow.scalars import Scalar, find

WIDE = 4
"""Vectors of channels side by side in a tile."""
ROWS = ("add", "maximum", "minimum")
"""What windows are reduced by."""


def pool_nest(group: Group, target: Target) -> Built | None:
    """The nest of a group with pooling or its adjoint at its end; None for others."""
    anchors = group.anchors()
    if len(anchors) != 1 or group.heavy() != [anchors[0]]:
        return None
    (anchor,) = anchors
    if not isinstance(anchor.op, PoolOp):
        return None
    dtype = compute_dtype(anchor.output.type.dtype)
    shape = pool_shape(anchor, target, dtype) if dtype.is_float else None
    row = anchor.op.row if isinstance(anchor.op, Pool) else find("add")
    if shape is None or not shape.fits or row.name not in ROWS:
        return None
    context = NestContext(group, target)
    windowed: Windowed = (
        _Windows(context, anchor, dtype, row)
        if isinstance(anchor.op, (Pool, PoolAdjoint))
        else _Hits(context, anchor, dtype)
    )
    SlidingWriter(context, anchor, shape, windowed).write()
    return context.finish()


def pool_shape(anchor: Node, target: Target, dtype: DType) -> Shape | None:
    """The sizes of windows and image; None where one is symbolic or empty."""
    op, result = anchor.op, anchor.output.type
    assert isinstance(op, PoolOp)
    source = _source(anchor)
    batch, *sizes, channels = result.shape
    numbers = [*sizes, channels, *source.shape[1:]]
    if len(sizes) > 2 or batch == 0 or not all(isinstance(n, int) and n > 0 for n in numbers):
        return None
    axes = [Axis(1, 1, 1, 1, 1, 0)] * (2 - len(sizes)) + [
        Axis(int(count), int(size), window, stride, dilation, low, op.is_adjoint)
        for count, size, window, stride, dilation, (low, _) in zip(
            sizes,
            source.shape[1:-1],
            op.window,
            op.strides,
            op.dilations,
            op.padding,
            strict=True,
        )
    ]
    most = target.vector_registers // 4
    return Shape(target, dtype, batch, axes[0], axes[1], int(channels), most=most, wide=WIDE)


def _source(anchor: Node) -> TensorType:
    """The type of what elements are seen of."""
    return anchor.inputs[1 if isinstance(anchor.op, PoolHitsAdjoint) else 0].type


class _Windows:
    """All elements of a window combined by a row (`Windowed`)."""

    rounds = 1
    turn: Expr = ZERO

    def __init__(self, context: NestContext, anchor: Node, dtype: DType, row: Scalar) -> None:
        self.context = context
        self.x = anchor.inputs[0]
        self.row = row
        self.dtype = dtype

    @property
    def identity(self) -> Const:
        return identity_of(self.row, self.dtype)

    def prepare(self) -> None:
        pass

    def held(self, index: tuple[Expr, ...], channels: Lanes) -> Expr | None:
        return None

    def factors(self, ky: Expr, kx: int, channels: Lanes) -> Sequence[Expr]:
        return ()

    def source(self, index: tuple[Expr, ...], channels: Lanes) -> Sequence[tuple[Expr, ...]]:
        place = spatial_index(index, self.x.type.rank)
        return [(vector_at(self.context, self.x, place, channels),)]

    def combine(
        self, before: Expr, held: Expr | None, factor: Expr | None, source: tuple[Expr, ...]
    ) -> Expr:
        return combined(self.row, self.context.builder.let(before, "before"), source[0])


class _Hits:
    """The elements summed whose window has chosen them (`Windowed`)."""

    rounds = 1
    turn: Expr = ZERO

    def __init__(self, context: NestContext, anchor: Node, dtype: DType) -> None:
        self.context = context
        self.dtype = dtype
        x, y, *values = anchor.inputs
        is_adjoint = isinstance(anchor.op, PoolHitsAdjoint)
        self.kept, self.compared = (x, y) if is_adjoint else (y, x)
        self.value = values[0] if values else None

    @property
    def identity(self) -> Const:
        return Const(0.0, self.dtype)

    def prepare(self) -> None:
        pass

    def held(self, index: tuple[Expr, ...], channels: Lanes) -> Expr | None:
        place = spatial_index(index, self.kept.type.rank)
        return vector_at(self.context, self.kept, place, channels)

    def factors(self, ky: Expr, kx: int, channels: Lanes) -> Sequence[Expr]:
        return ()

    def source(self, index: tuple[Expr, ...], channels: Lanes) -> Sequence[tuple[Expr, ...]]:
        place = spatial_index(index, self.compared.type.rank)
        compared = vector_at(self.context, self.compared, place, channels)
        if self.value is None:
            return [(compared, Broadcast(Const(1.0, self.dtype), channels.lanes))]
        return [(compared, vector_at(self.context, self.value, place, channels))]

    def combine(
        self, before: Expr, held: Expr | None, factor: Expr | None, source: tuple[Expr, ...]
    ) -> Expr:
        assert held is not None
        compared, value = source
        nothing = Broadcast(self.identity, value.lanes)
        result: Expr = before + Select(equal(compared, held), value, nothing)
        return result
