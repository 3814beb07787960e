"""What keeps equal computations apart, and in their order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from irflow import dims
from irflow.ir.op import Cost, Lowering, Op, Sample, register
from irflow.ir.types import TensorType

if TYPE_CHECKING:
    from irflow.ops.operand import GraphOperand

Types = Sequence[TensorType]


@register("optimization_barrier")
class OptimizationBarrier(Op):
    """The first operand itself, once the others are there.

    What is computed from the result is never merged with what is computed from the operand, nor
    moved before the other operands.
    """

    lowering: ClassVar[Lowering] = Lowering.ELEMENT
    linear_in: ClassVar[tuple[int, ...] | None] = (0,)

    def infer(self, x: TensorType, *after: TensorType) -> TensorType:
        return x

    def numpy(self, x: np.ndarray, *after: np.ndarray) -> np.ndarray:
        return x

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        return [cotangents[0], *[None] * (len(inputs) - 1)]

    def batch(self, context: Any, inputs: Any, is_batched: Sequence[bool]) -> Sequence[Any]:
        results: Sequence[Any] = inputs[0].emit(self, inputs)
        return results

    def element(self, context: Any, index: Sequence[Any], loads: Sequence[Any]) -> Any:
        return loads[0](index)

    def cost(self, inputs: Types, outputs: Types) -> Cost:
        return Cost(0, inputs[0].nbytes + outputs[0].nbytes)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.arange(6, dtype=np.float32).reshape(2, 3)
        after = np.ones(4, np.float32)
        yield Sample(cls(), (x,))
        yield Sample(cls(), (x, after), differentiable=(0,), label="after")
        yield Sample(cls(), (x,), ((dims.symbol("n"), 3),), label="symbolic")


def optimization_barrier(x: GraphOperand, *after: GraphOperand) -> Any:
    """`x`, kept apart from `x` where passes look for equal computations, once `after` is there."""
    return x.emit(OptimizationBarrier(), [x, *after])[0]
