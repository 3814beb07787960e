"""The convolution of bytes, exact."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from irflow import dims, dtypes
from irflow.errors import DTypeError
from irflow.ir.op import Cost, Sample, register
from irflow.ir.types import TensorType
from irflow.loops.nodes import Cast
from irflow.ops.convolution import Convolution
from irflow.ops.convolution_form import (
    CASES,
    ConvolutionOp,
    convolution_cost,
    small_case,
)
from irflow.ops.windows import Ints, Padding, only_where

if TYPE_CHECKING:
    from irflow.ops.operand import GraphOperand


@register("integer_convolution")
class IntegerConvolution(ConvolutionOp):
    """The sums of `convolution`, in `i32`, of an image in `u8` and weights in `i8`.

    Padding adds `zero`, the byte that stands for 0 in the image, so the sums of all results are too
    large by `zero` times that of the weights alone, at the edges, too. Sums wrap around, which
    takes more than 66,000 summands. No gradient.
    """

    strides: Ints
    padding: Padding
    dilations: Ints
    groups: int = 1
    zero: int = 0
    linear_in: ClassVar[tuple[int, ...] | None] = None
    roles: ClassVar[tuple[str, str, str]] = ("x", "w", "y")

    def infer(self, x: TensorType, w: TensorType) -> TensorType:
        if (x.dtype, w.dtype) != (dtypes.u8, dtypes.i8):
            facts = [("x", x, "u8 is wanted"), ("w", w, "i8 is wanted")]
            raise DTypeError("integer_convolution: operands of other dtypes", facts=facts)
        wide = [value.with_dtype(dtypes.i32) for value in (x, w)]
        return Convolution(*self.geometry).infer(*wide)

    def numpy(self, x: np.ndarray, w: np.ndarray) -> np.ndarray:
        # Numbers of 53 bits hold every sum, and their products are those of a fast library.
        image = x.astype(np.float64) - self.zero
        sums = Convolution(*self.geometry).numpy(image, w.astype(np.float64))
        shift = self.zero * w.astype(np.int64).sum(axis=tuple(range(w.ndim - 1)))
        return np.asarray((sums.astype(np.int64) + shift).astype(np.int32))

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        return [None, None]

    def jvp(self, context: Any, inputs: Any, outputs: Any, tangents: Any) -> Sequence[Any]:
        return [None]

    def element(self, context: Any, index: Sequence[Any], loads: Sequence[Any]) -> Any:
        def product(conditions: list[Any], pixel: Callable[[], Any], weight: Any) -> Any:
            def above_zero() -> Any:
                return Cast(dtypes.i32, pixel()) - self.zero

            shifted = only_where(context, conditions, above_zero) + self.zero
            return shifted * Cast(dtypes.i32, weight)

        return self.sum_over_taps(context, index, loads, dtypes.i32, product)

    def cost(self, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Cost:
        *kernel, per_group, _ = inputs[1].shape
        return convolution_cost(inputs, outputs, outputs[0], kernel, per_group)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        generator = np.random.default_rng(8)

        def pair(x: Sequence[int], w: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
            image = generator.integers(0, 256, x).astype(np.uint8)
            return image, generator.integers(-128, 128, w).astype(np.int8)

        for zero, (label, (x, w, geometry)) in enumerate(CASES.items()):
            yield Sample(cls(*geometry, zero * 20), pair(x, w), label=label)
        image, weights, geometry = small_case()
        n = dims.symbol("n")
        operands = pair(image.shape, weights.shape)
        declared = (n, *image.shape[1:]), weights.shape
        yield Sample(cls(*geometry, 128), operands, declared, label="symbolic-batch")


def integer_convolution(
    x: GraphOperand,
    w: GraphOperand,
    strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    dilations: Sequence[int],
    groups: int = 1,
    zero: int = 0,
) -> Any:
    """The convolution `u8[N, *spatial, C], i8[*kernel, C/groups, O] -> i32[N, *out, O]`.

    `zero` is the byte that padding adds.
    """
    geometry = tuple(strides), tuple(padding), tuple(dilations), groups
    return x.emit(IntegerConvolution(*geometry, zero), [x, w])[0]
