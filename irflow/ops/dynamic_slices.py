"""Windows whose place is known at the call only: read, and written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from irflow import dims
from irflow.dims import Size
from irflow.errors import ShapeError
from irflow.ir.op import Lowering, Op, Sample, register
from irflow.ir.types import TensorType
from irflow.loops.nodes import Select
from irflow.ops.batch_indices import (
    from_start,
    window_depth,
    window_indices,
)
from irflow.ops.constants import concrete
from irflow.ops.index_map import (
    IndexMap,
    all_of,
    check_dtypes,
    check_rank,
    is_between,
    joint_jvp,
)
from irflow.ops.indexing import Gather, Scatter
from irflow.ops.positions import (
    check_window,
    loop_starts,
    numpy_window,
)

if TYPE_CHECKING:
    from irflow.ops.operand import GraphOperand


@register("dynamic_slice")
class DynamicSlice(IndexMap):
    """A window of `x` of the given sizes, beginning at `starts: i64[rank]`.

    A start is clipped so that the window lies inside. Gradient: written back into zeros.
    """

    sizes: tuple[Size, ...]
    linear_in: ClassVar[tuple[int, ...] | None] = (0,)

    def infer(self, x: TensorType, starts: TensorType) -> TensorType:
        check_rank("dynamic_slice", x, sizes=self.sizes)
        check_window("dynamic_slice", x, x.with_shape(self.sizes), starts)
        return x.with_shape(self.sizes)

    def numpy(self, x: np.ndarray, starts: np.ndarray) -> np.ndarray:
        return np.asarray(x[numpy_window(x.shape, concrete(self.sizes), starts)])

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        x, starts = inputs
        return [dynamic_update_slice(x.full(0, x.shape), cotangents[0], starts), None]

    def batch(
        self, context: Any, inputs: Sequence[Any], is_batched: Sequence[bool]
    ) -> Sequence[Any]:
        x, starts = inputs
        if not is_batched[1]:
            return [dynamic_slice(x, from_start(starts), (context.size, *self.sizes))]
        shape = x.shape[is_batched[0] :]
        if not window_depth(shape, self.sizes):
            return [context.front(x, is_batched[0])]
        indices = window_indices(starts, shape, self.sizes)
        return Gather().batch(context, [x, indices], is_batched)

    def element(self, context: Any, index: Sequence[Any], loads: Sequence[Any]) -> Any:
        begin = loop_starts(context, loads[1], loads[0].type.shape, self.sizes)
        return loads[0]([a if s is None else a + s for a, s in zip(index, begin, strict=True)])

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.arange(12, dtype=np.float32).reshape(3, 4)
        n = dims.symbol("n", lower=2)
        yield Sample(cls((2, 2)), (x, np.array([1, 1])), label="inside")
        yield Sample(cls((2, 3)), (x, np.array([-4, 9])), label="clipped")
        yield Sample(cls((1, 4)), (x[:, ::-1], np.array([2, 0])), label="row-of-strided")
        yield Sample(cls((0, 4)), (x, np.array([3, 1])), label="empty")
        yield Sample(cls(()), (x[0, 0, ...], np.zeros(0, np.int64)), label="scalar")
        yield Sample(cls((2, 3)), (x, np.array([5, 0])), ((n, 4), (2,)), label="symbolic")


@register("dynamic_update_slice")
class DynamicUpdateSlice(Op):
    """A copy of `x` with a window, beginning at `starts: i64[rank]`, replaced by `update`.

    A start is clipped so that the window lies inside. Gradient: the cotangent with zeros in the
    window, and the window of it.
    """

    lowering: ClassVar[Lowering] = Lowering.ELEMENT

    def infer(self, x: TensorType, update: TensorType, starts: TensorType) -> TensorType:
        check_dtypes("dynamic_update_slice", operand=x, update=update)
        if update.rank != x.rank:
            raise ShapeError(
                "dynamic_update_slice: ranks differ",
                facts=[("operand", x, f"rank {x.rank}"), ("update", update, f"rank {update.rank}")],
            )
        check_window("dynamic_update_slice", x, update, starts)
        return x

    def numpy(self, x: np.ndarray, update: np.ndarray, starts: np.ndarray) -> np.ndarray:
        result = np.array(x)
        result[numpy_window(x.shape, update.shape, starts)] = update
        return result

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        (_, update, starts), g = inputs, cotangents[0]
        zeros = update.full(0, update.shape)
        return [
            dynamic_update_slice(g, zeros, starts) if context.needs(0) else None,
            dynamic_slice(g, starts, update.shape) if context.needs(1) else None,
            None,
        ]

    def jvp(self, context: Any, inputs: Any, outputs: Any, tangents: Any) -> Sequence[Any]:
        return joint_jvp(self, inputs, tangents)

    def batch(
        self, context: Any, inputs: Sequence[Any], is_batched: Sequence[bool]
    ) -> Sequence[Any]:
        x, update, starts = inputs
        if not is_batched[2]:
            x, update = context.fronted(inputs[:2], is_batched[:2])
            return [dynamic_update_slice(x, update, from_start(starts))]
        shape, sizes = x.shape[is_batched[0] :], update.shape[is_batched[1] :]
        if not window_depth(shape, sizes):
            return [context.front(update, is_batched[1])]
        indices = window_indices(starts, shape, sizes)
        flags = is_batched[0], True, is_batched[1]
        return Scatter("set").batch(context, [x, indices, update], flags)

    def element(self, context: Any, index: Sequence[Any], loads: Sequence[Any]) -> Any:
        sizes = loads[1].type.shape
        begin = loop_starts(context, loads[2], loads[0].type.shape, sizes)
        conditions = []
        source = list(index)
        for axis, (size, start) in enumerate(zip(sizes, begin, strict=True)):
            if start is not None:
                source[axis] = index[axis] - start
                conditions.append(is_between(source[axis], 0, size))
        if not conditions:
            return loads[1](source)
        is_inside = context.let(all_of(conditions))
        with context.masked(is_inside):
            value = loads[1](source)
        return Select(is_inside, value, loads[0](index))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.arange(12, dtype=np.float32).reshape(3, 4)
        n = dims.symbol("n", lower=2)
        yield Sample(cls(), (x, -x[:2, :2], np.array([1, 1])), label="inside")
        yield Sample(cls(), (x, -x[:2, ::-2], np.array([9, -1])), label="clipped")
        yield Sample(cls(), (x, -x, np.array([1, 1])), label="whole")
        yield Sample(cls(), (x, x[:, :0], np.array([0, 0])), label="empty")
        yield Sample(cls(), (x[:1], -x[:1, 1:2], np.array([0, 3])), label="size-1")
        scalar = (x[0, 1, ...], x[0, 2, ...], np.zeros(0, np.int64))
        yield Sample(cls(), scalar, label="scalar")
        symbolic = ((n, 4), (2, 2), (2,))
        yield Sample(cls(), (x, -x[:2, :2], np.array([1, 2])), symbolic, label="symbolic")


# ------------------------------------------------------------------------------------ constructors


def dynamic_slice(x: GraphOperand, starts: GraphOperand, sizes: Sequence[Size]) -> Any:
    """The window of `sizes` at `starts`; `x` itself when the window is all of it."""
    return x if x.shape == tuple(sizes) else x.emit(DynamicSlice(tuple(sizes)), [x, starts])[0]


def dynamic_update_slice(x: GraphOperand, update: GraphOperand, starts: GraphOperand) -> Any:
    """`x` with the window at `starts` replaced; `update` itself when it covers all of `x`."""
    if x.shape == update.shape:
        return update
    return x.emit(DynamicUpdateSlice(), [x, update, starts])[0]
