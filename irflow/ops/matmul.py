"""The product of matrices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import ml_dtypes
import numpy as np

from irflow import dims, dtypes
from irflow.errors import DTypeError, ShapeError
from irflow.ir.op import Cost, Lowering, Op, Sample, register
from irflow.ir.types import TensorType
from irflow.ops.batch_merging import merged, parted
from irflow.ops.shape import transpose
from irflow.scalars import find

if TYPE_CHECKING:
    from irflow.ops.operand import GraphOperand


@register("matmul")
class Matmul(Op):
    """`result[*b, i, j] = sum over k of left[*b, i, k] * right[*b, k, j]`.

    Both operands have rank 2 or more, equal batch sizes and one dtype, not bool. Integers wrap
    around; 16-bit floats are multiplied and summed in f32 and rounded once. Over an empty inner
    axis the result is 0. Gradient: a product with the other operand transposed.
    """

    lowering: ClassVar[Lowering] = Lowering.CONTRACTION
    linear_in: ClassVar[tuple[int, ...] | None] = (0, 1)

    def infer(self, left: TensorType, right: TensorType) -> TensorType:
        check_factors(self.name, ("left", left), ("right", right))
        _check_ranks(left, right)
        for axis in range(left.rank - 2):
            if not dims.decide_equal(left.shape[axis], right.shape[axis]):
                raise _mismatch("matmul: batch sizes differ", left, axis, right, axis, None)
        if not dims.decide_equal(left.shape[-1], right.shape[-2]):
            hint = _transposed_hint(left, right)
            inner = left.rank - 1, right.rank - 2
            raise _mismatch("matmul: inner sizes differ", left, inner[0], right, inner[1], hint)
        return left.with_shape((*left.shape[:-1], right.shape[-1]))

    def numpy(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        wide = accumulator(left.dtype)
        product: np.ndarray = np.matmul(
            left.astype(wide, copy=False), right.astype(wide, copy=False)
        )
        return np.asarray(product.astype(left.dtype, copy=False))

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        (left, right), (g,) = inputs, cotangents
        return [
            matmul(g, matrix_transpose(right)) if context.needs(0) else None,
            matmul(matrix_transpose(left), g) if context.needs(1) else None,
        ]

    def batch(
        self, context: Any, inputs: Sequence[Any], is_batched: Sequence[bool]
    ) -> Sequence[Any]:
        left, right = inputs
        if all(is_batched):
            return [matmul(left, right)]
        if is_batched[0]:
            return [_with_more_rows(left, right)]
        turned = _with_more_rows(matrix_transpose(right), matrix_transpose(left))
        return [matrix_transpose(turned)]

    def element(self, context: Any, index: Sequence[Any], loads: Sequence[Any]) -> Any:
        left, right = loads
        *batch, row, column = index

        def product(inner: Sequence[Any]) -> Any:
            return left([*batch, row, inner[0]]) * right([*batch, inner[0], column])

        return context.reduce(find("add"), left.type.dtype, [left.type.shape[-1]], product)

    def cost(self, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Cost:
        traffic = sum((t.nbytes for t in (*inputs, *outputs)), 0)
        return Cost(2 * outputs[0].size * inputs[0].shape[-1], traffic)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        generator = np.random.default_rng(2)
        a = generator.normal(size=(3, 4)).astype(np.float32)
        b = generator.normal(size=(4, 5)).astype(np.float32)
        batch = generator.normal(size=(2, 3, 4)).astype(np.float32)
        n = dims.symbol("n")
        yield Sample(cls(), (a, b))
        yield Sample(cls(), (a.astype(np.float64), b.astype(np.float64)), label="f64")
        yield Sample(cls(), (batch, np.stack([b, b + 1])), label="batch")
        yield Sample(cls(), (batch[None], np.stack([b, b - 1])[None]), label="two-batch-axes")
        yield Sample(cls(), (a[:1], b[:, :1]), label="vectors")
        yield Sample(cls(), (a[:, :0], b[:0]), label="empty-inner")
        yield Sample(cls(), (a[:0], b), label="empty-outer")
        yield Sample(cls(), (a, b), ((n, 4), (4, 5)), label="symbolic")
        yield Sample(cls(), (a.T, b.T[:, :3].T), ((4, n), (n, 5)), label="symbolic-inner")
        yield Sample(cls(), (np.arange(6).reshape(2, 3), np.arange(12).reshape(3, 4)), label="i64")
        for small in (np.float16, ml_dtypes.bfloat16):
            pair = (a.astype(small), b.astype(small))
            yield Sample(cls(), pair, differentiable=(), label=np.dtype(small).name)


def _with_more_rows(left: Any, right: Any) -> Any:
    """`left[B, *b, m, k] @ right[*b, k, n]` by one product of `[*b, B * m, k]`."""
    rows = right.ndim - 2
    product = matmul(merged(left, rows), right)
    return parted(product, rows, left.shape[0], left.shape[-2])


def check_factors(name: str, *operands: tuple[str, TensorType]) -> None:
    """Check that operands given with their labels have one dtype, of numbers.

    Raises:
        DTypeError: the dtypes differ or are bool.
    """
    (_, first), *others = operands
    if any(other.dtype is not first.dtype for _, other in others):
        raise DTypeError(f"{name}: operands of different dtypes", facts=operands)
    if first.dtype is dtypes.bool_:
        raise DTypeError(f"{name} is not defined for bool", hint="convert to a number first")


def accumulator(dtype: np.dtype[Any]) -> np.dtype[np.generic]:
    """The NumPy dtype in which sums of products of `dtype` are taken."""
    return dtypes.compute_dtype(dtypes.from_numpy(dtype)).numpy


def _check_ranks(left: TensorType, right: TensorType) -> None:
    if left.rank < 2 or right.rank < 2:
        raise ShapeError(
            "matmul: an operand has fewer than two axes",
            facts=[("left", left, f"rank {left.rank}"), ("right", right, f"rank {right.rank}")],
        )
    if left.rank != right.rank:
        raise ShapeError(
            "matmul: ranks differ",
            facts=[("left", left, f"rank {left.rank}"), ("right", right, f"rank {right.rank}")],
            hint="broadcast the batch axes to equal sizes first",
        )


def _mismatch(
    summary: str, left: TensorType, i: int, right: TensorType, j: int, hint: str | None
) -> ShapeError:
    facts = [
        ("left", left, f"axis {i} = {left.shape[i]}"),
        ("right", right, f"axis {j} = {right.shape[j]}"),
    ]
    return ShapeError(summary, facts=facts, hint=hint)


def _transposed_hint(left: TensorType, right: TensorType) -> str | None:
    if left.shape[-1] != right.shape[-1]:
        return None
    return f"w looks transposed; w.{'T' if right.rank == 2 else 'mT'} would fit"


# ------------------------------------------------------------------------------------ constructors


def matmul(left: GraphOperand, right: GraphOperand) -> Any:
    """The product `[*b, m, k] @ [*b, k, n] -> [*b, m, n]` of operands with equal batch sizes."""
    return left.emit(Matmul(), [left, right])[0]


def matrix_transpose(x: GraphOperand) -> Any:
    """`x` with its last two axes exchanged."""
    return transpose(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))
