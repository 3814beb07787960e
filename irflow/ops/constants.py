"""Ops without inputs: constants, index ramps and the values of symbolic sizes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from irflow import dims, dtypes
from irflow.dims import Dim, Size
from irflow.dtypes import DType
from irflow.errors import DTypeError, ShapeError
from irflow.ir.attributes import DenseArray
from irflow.ir.op import Lowering, Op, Sample, register
from irflow.ir.types import TensorType
from irflow.loops.nodes import size_expr


class NoInputs(Op):
    """An op that reads nothing has no derivative to pass on."""

    lowering: ClassVar[Lowering] = Lowering.ELEMENT

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        return []

    def jvp(self, context: Any, inputs: Any, outputs: Any, tangents: Any) -> Sequence[Any]:
        return [None]


@register("constant")
class Constant(NoInputs):
    """An array known at compile time: `constant<dense(f32[2], [1.0, 2.0])> : f32[2]`."""

    value: DenseArray

    @classmethod
    def of(cls, array: Any) -> Constant:
        return cls(DenseArray(array))

    def infer(self) -> TensorType:
        return TensorType(dtypes.from_numpy(self.value.dtype), self.value.shape)

    def numpy(self) -> np.ndarray:
        return self.value.array

    def element(self, context: Any, index: Sequence[Any], loads: Sequence[Any]) -> Any:
        return context.constant(self.value, index)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls.of(np.float32(2.5)), (), label="scalar")
        yield Sample(cls.of(np.arange(40, dtype=np.int32).reshape(5, 8)), (), label="matrix")
        yield Sample(cls.of(np.zeros((0, 3), np.float32)), (), label="empty")


@register("iota")
class Iota(NoInputs):
    """`result[i0, i1, …] = i_axis`: the index along one axis, in an integer or float dtype."""

    shape: tuple[Size, ...]
    axis: int
    dtype: DType

    def infer(self) -> TensorType:
        if not 0 <= self.axis < len(self.shape):
            raise ShapeError(f"iota: axis {self.axis} of a tensor of rank {len(self.shape)}")
        if self.dtype.kind in ("bool", "complex"):
            raise DTypeError(f"iota: no index ramp in {self.dtype}")
        return TensorType(self.dtype, self.shape)

    def numpy(self) -> np.ndarray:
        shape = tuple(int(size) for size in self.shape)
        ramp = np.arange(shape[self.axis]).astype(self.dtype.numpy)
        column = ramp.reshape([-1 if axis == self.axis else 1 for axis in range(len(shape))])
        return np.broadcast_to(column, shape).copy()

    def element(self, context: Any, index: Sequence[Any], loads: Sequence[Any]) -> Any:
        return context.convert(index[self.axis], self.dtype)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls((3, 4), 0, dtypes.i64), ())
        yield Sample(cls((3, 4), 1, dtypes.f32), ())
        yield Sample(cls((0,), 0, dtypes.i32), (), label="empty")


@register("size_of")
class SizeOf(NoInputs):
    """The value of a size as an `i64` scalar: how `mean` divides by a symbolic batch."""

    size: Size

    def infer(self) -> TensorType:
        return TensorType(dtypes.i64, ())

    def numpy(self) -> np.ndarray:
        return np.asarray(int(self.size), np.int64)

    def element(self, context: Any, index: Sequence[Any], loads: Sequence[Any]) -> Any:
        return size_expr(self.size)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(12), ())


def is_symbolic(size: Size) -> bool:
    """Whether a size is not known before the call."""
    return isinstance(size, Dim)


def concrete(sizes: Sequence[Size]) -> tuple[int, ...]:
    """Sizes as ints, once symbols are bound."""
    return tuple(dims.evaluate(size, {}) for size in sizes)
