"""The pseudoinverse, computed by the host.

The derivative follows G. Golub and V. Pereyra, "The Differentiation of Pseudo-Inverses and
Nonlinear Least Squares Problems Whose Variables Separate" (1973).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from irflow import dims, dtypes
from irflow.ir.op import Sample, register
from irflow.ir.types import TensorType
from irflow.ops.decompositions import HostMatrixOp, check_matrix
from irflow.ops.index_map import check_dtypes
from irflow.ops.linalg_numpy import each_matrix, wide_copy
from irflow.ops.linalg_parts import matrices_of_spectrum
from irflow.ops.matmul import matmul, matrix_transpose
from irflow.ops.positions import check_same_shape

if TYPE_CHECKING:
    from irflow.ops.operand import GraphOperand


@register("pinv")
class PseudoInverse(HostMatrixOp):
    """The Moore-Penrose inverse of `x[*b, m, n]`, `[*b, n, m]`.

    Singular values up to `tolerance[*b]` times the largest count as zero.
    Gradient, where the rank does not change: with `p` the result,
    `-p^T g p^T + (1 - x p) g^T p p^T + p^T p g^T (1 - p x)`; of equal singular values too.
    """

    def infer(self, x: TensorType, tolerance: TensorType) -> TensorType:
        check_matrix(self.name, x)
        real = TensorType(dtypes.to_real(x.dtype), x.shape[:-2])
        check_dtypes(self.name, tolerance=tolerance, singular_values=real)
        check_same_shape("pinv: the tolerance does not fit the batch", real, tolerance)
        return x.with_shape((*x.shape[:-2], x.shape[-1], x.shape[-2]))

    def numpy(self, x: np.ndarray, tolerance: np.ndarray) -> np.ndarray:
        u, s, vh = each_matrix(lambda a: np.linalg.svd(a, False), wide_copy(x))
        largest = s.max(-1, keepdims=True, initial=0)
        is_kept = ~(s <= tolerance.astype(s.dtype)[..., None] * largest)
        inverse = np.where(is_kept, 1 / np.where(is_kept, s, 1), 0).astype(s.dtype)
        turned = np.swapaxes(u, -1, -2).conj()
        result = np.swapaxes(vh, -1, -2).conj() @ (inverse[..., None] * turned)
        return np.asarray(result.astype(x.dtype, copy=False))

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        (x, _), (p,), (g,) = inputs, outputs, cotangents
        turned, gt = matrix_transpose(p), matrix_transpose(g)
        left = matmul(gt, matmul(p, turned))
        right = matmul(matmul(turned, p), gt)
        result = left - matmul(x, matmul(p, left)) + right - matmul(matmul(right, p), x)
        return [result - matmul(matmul(turned, g), turned), None]

    def jvp(self, context: Any, inputs: Any, outputs: Any, tangents: Any) -> Sequence[Any]:
        (x, _), (p,), (t, _) = inputs, outputs, tangents
        if t is None:
            return [None]
        turned, tt = matrix_transpose(p), matrix_transpose(t)
        left = matmul(matmul(p, turned), tt)
        right = matmul(tt, matmul(turned, p))
        result = left - matmul(matmul(left, x), p) + right - matmul(p, matmul(x, right))
        return [result - matmul(matmul(p, t), p)]

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x, wide = matrices_of_spectrum(13, 2, 4, 3), matrices_of_spectrum(14, 2, 3, 5)
        small = np.full(2, 1e-6, np.float32)
        b, n = dims.symbol("b"), dims.symbol("n")
        yield Sample(cls(), (x, small), differentiable=(0,))
        yield Sample(cls(), (wide, small), differentiable=(0,), label="wide")
        yield Sample(cls(), (x[0, :3], small[:1].reshape(())), differentiable=(0,), label="square")
        yield Sample(cls(), (x[:0], small[:0]), differentiable=(0,), label="empty-batch")
        yield Sample(cls(), (x[:, :0], small), differentiable=(0,), label="empty")
        cut = np.full(2, 0.5, np.float32)
        yield Sample(cls(), (x, cut), differentiable=(), label="cut")
        yield Sample(cls(), (x, small), ((b, n, 3), (b,)), (0,), label="symbolic")
        complex_ = x.astype(np.complex64) * np.complex64(1 + 2j)
        yield Sample(cls(), (complex_, small), differentiable=(), label="complex")


def pseudo_inverse(x: GraphOperand, tolerance: GraphOperand) -> Any:
    """The pseudoinverse of `x[*b, m, n]`; `tolerance[*b]` is relative to the largest value."""
    return x.emit(PseudoInverse(), [x, tolerance])[0]
