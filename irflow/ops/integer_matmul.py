"""The product of matrices of bytes, exact."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from irflow import dims, dtypes
from irflow.errors import DTypeError
from irflow.ir.op import Cost, Lowering, Op, Sample, register
from irflow.ir.types import TensorType
from irflow.loops.nodes import Cast
from irflow.ops.matmul import Matmul
from irflow.scalars import find

if TYPE_CHECKING:
    from irflow.ops.operand import GraphOperand


@register("integer_matmul")
class IntegerMatmul(Op):
    """`result[*b, i, j] = sum over k of left[*b, i, k] * right[*b, k, j]`, in `i32`.

    `left` is `u8` and `right` is `i8`, as processors multiply bytes. Sums wrap around, which takes
    more than 66,000 summands. Shapes are those of `matmul`; over an empty inner axis the result is
    0. No gradient.
    """

    lowering: ClassVar[Lowering] = Lowering.CONTRACTION

    def infer(self, left: TensorType, right: TensorType) -> TensorType:
        if (left.dtype, right.dtype) != (dtypes.u8, dtypes.i8):
            facts = [("left", left, "u8 is wanted"), ("right", right, "i8 is wanted")]
            raise DTypeError("integer_matmul: operands of other dtypes", facts=facts)
        wide = [value.with_dtype(dtypes.i32) for value in (left, right)]
        return Matmul().infer(*wide)

    def numpy(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        product: np.ndarray = np.matmul(left.astype(np.int32), right.astype(np.int32))
        return np.asarray(product)

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        return [None, None]

    def jvp(self, context: Any, inputs: Any, outputs: Any, tangents: Any) -> Sequence[Any]:
        return [None]

    def element(self, context: Any, index: Sequence[Any], loads: Sequence[Any]) -> Any:
        left, right = loads
        *batch, row, column = index

        def product(inner: Sequence[Any]) -> Any:
            factors = left([*batch, row, inner[0]]), right([*batch, inner[0], column])
            a, b = (Cast(dtypes.i32, factor) for factor in factors)
            return a * b

        return context.reduce(find("add"), dtypes.i32, [left.type.shape[-1]], product)

    def with_leading_axis(self, size: dims.Size) -> Op:
        return self

    def cost(self, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Cost:
        traffic = sum((t.nbytes for t in (*inputs, *outputs)), 0)
        return Cost(2 * outputs[0].size * inputs[0].shape[-1], traffic)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        generator = np.random.default_rng(2)
        a = generator.integers(0, 256, (3, 9)).astype(np.uint8)
        b = generator.integers(-128, 128, (9, 20)).astype(np.int8)
        n = dims.symbol("n")
        yield Sample(cls(), (a, b))
        yield Sample(cls(), (np.full((2, 4), 255, np.uint8), np.full((4, 3), -128, np.int8)))
        yield Sample(cls(), (np.stack([a, a[::-1]]), np.stack([b, -b])), label="batch")
        yield Sample(cls(), (a[:, :0], b[:0]), label="empty-inner")
        yield Sample(cls(), (a, b), ((n, 9), (9, 20)), label="symbolic")


def integer_matmul(left: GraphOperand, right: GraphOperand) -> Any:
    """The product `u8[*b, m, k] @ i8[*b, k, n] -> i32[*b, m, n]` of equal batch sizes."""
    return left.emit(IntegerMatmul(), [left, right])[0]
