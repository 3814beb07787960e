"""Things that ops can be applied to: a common face for graph values and for the user's tensors.

Gradient rules, composites and the array namespace are written against `GraphOperand`. A `Handle`
emits nodes through a builder; the frontend's `Tensor` runs an op at once or traces it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from irflow.dims import Size
from irflow.dtypes import DType
from irflow.ir.builder import Builder
from irflow.ir.graph import Graph, Value
from irflow.ir.op import Op
from irflow.ir.types import TensorType
from irflow.ops.broadcast import Broadcast
from irflow.ops.constants import Constant
from irflow.ops.elementwise import Elementwise
from irflow.scalars import Operand, Scalar


class GraphOperand(Operand):
    """A tensor of known type on which ops can be applied."""

    __slots__ = ()

    @property
    @abstractmethod
    def type(self) -> TensorType:
        """The element type and shape."""

    @abstractmethod
    def emit(
        self, op: Op, operands: Sequence[Any], regions: Sequence[Graph] = ()
    ) -> tuple[Self, ...]:
        """Apply `op` to operands of the same kind as self."""

    @abstractmethod
    def constant(self, array: np.ndarray) -> Self:
        """An operand of the same kind with the value of `array`."""

    @property
    def shape(self) -> tuple[Size, ...]:
        return self.type.shape

    @property
    def dtype(self) -> DType:
        return self.type.dtype

    @property
    def ndim(self) -> int:
        return self.type.rank

    def full(self, value: Any, shape: Sequence[Size], dtype: DType | None = None) -> Self:
        """A tensor of one value, with this operand's dtype unless another is given."""
        scalar = self.constant(np.asarray(value, (dtype or self.dtype).numpy))
        return scalar.emit(Broadcast(tuple(shape), ()), [scalar])[0] if shape else scalar

    def apply_row(self, row: Scalar, operands: Sequence[Any]) -> Self:
        """One elementwise node; Python numbers take the type of the operand beside them."""
        like = next((o for o in operands[row.selects :] if isinstance(o, GraphOperand)), self)
        tensors = [o if isinstance(o, GraphOperand) else like.full(o, like.shape) for o in operands]
        return self.emit(Elementwise(row), tensors)[0]


class Handle(GraphOperand):
    """A value of a graph, with the builder that emits what is computed from it."""

    __slots__ = ("builder", "value")

    def __init__(self, builder: Builder, value: Value) -> None:
        self.builder = builder
        self.value = value

    def __repr__(self) -> str:
        return f"<handle {self.value!r}>"

    @property
    def type(self) -> TensorType:
        return self.value.type

    def emit(
        self, op: Op, operands: Sequence[Handle], regions: Sequence[Graph] = ()
    ) -> tuple[Handle, ...]:
        values = self.builder.emit(op, [operand.value for operand in operands], regions)
        return tuple(Handle(self.builder, value) for value in values)

    def constant(self, array: np.ndarray) -> Handle:
        return Handle(self.builder, constant_value(self.builder, array))


def constant_value(builder: Builder, array: np.ndarray) -> Value:
    """Emit a constant."""
    return builder.emit(Constant.of(array), ())[0]
