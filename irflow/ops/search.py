"""Places in a sorted sequence, by bisection."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from irflow import dims, dtypes
from irflow.errors import DTypeError, ShapeError
from irflow.ir.op import Cost, Lowering, Op, Sample, register
from irflow.ir.types import TensorType
from irflow.loops.nodes import Expr, Select, integer, size_expr
from irflow.ops.index_map import check_dtypes
from irflow.ops.positions import check_choice, check_same_shape
from irflow.ops.sorting import MOST_PASSES, precedes

if TYPE_CHECKING:
    from irflow.ops.operand import GraphOperand


@register("search_sorted")
class SearchSorted(Op):
    """Where each element of `values` would be put into the ascending `sequence[n]`: `i64`.

    With `side="left"` in front of all elements that equal it, with `"right"` behind them; NaN
    stands behind all numbers. Both operands have one dtype, `values` any shape, which is that of
    the result. In a sequence that does not ascend, where bisection ends. No gradient.

    `sequence[*b, n]` is a batch of sequences, in each of which the values of its own are looked up:
    `values[*b, …]`.
    """

    side: str = "left"
    lowering: ClassVar[Lowering] = Lowering.REDUCTION

    def infer(self, sequence: TensorType, values: TensorType) -> TensorType:
        check_choice(self.name, "side", self.side, ("left", "right"))
        check_dtypes(self.name, sequence=sequence, values=values)
        if sequence.dtype.kind == "complex":
            raise DTypeError(f"{self.name}: {sequence.dtype} has no order")
        if not sequence.rank:
            raise ShapeError(
                f"{self.name}: the sequence has no axis", facts=[("sequence", sequence)]
            )
        batch = sequence.rank - 1
        check_same_shape(
            f"{self.name}: sequences and values are batches of different sizes",
            sequence.with_shape(sequence.shape[:batch]),
            sequence.with_shape(values.shape[:batch]),
        )
        return TensorType(dtypes.i64, values.shape)

    def numpy(self, sequence: np.ndarray, values: np.ndarray) -> np.ndarray:
        wide = dtypes.compute_dtype(dtypes.from_numpy(values.dtype)).numpy
        sequence, values = sequence.astype(wide), values.astype(wide)
        *batch, size = sequence.shape
        rows = np.indices((*batch, *(1,) * (values.ndim - len(batch))), sparse=True)[: len(batch)]
        low = np.zeros(values.shape, np.int64)
        high = np.full(values.shape, size, np.int64)
        # By the same steps as the loops, so that all agree on what does not ascend.
        for _ in range(size.bit_length()):
            middle = (low + high) // 2
            there = sequence[(*rows, np.minimum(middle, size - 1))]
            is_left = self.side == "left"
            goes_on = _before(there, values) if is_left else ~_before(values, there)
            is_open = low < high
            low, high = (
                np.where(is_open & goes_on, middle + 1, low),
                np.where(is_open & ~goes_on, middle, high),
            )
        return low

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        return [None, None]

    def jvp(self, context: Any, inputs: Any, outputs: Any, tangents: Any) -> Sequence[Any]:
        return [None]

    def element(self, context: Any, index: Sequence[Any], loads: Sequence[Any]) -> Any:
        sequence, values = loads
        *batch, size = sequence.type.shape
        row = index[: len(batch)]
        value = context.let(values(index))

        def body(_: Sequence[Expr], carried: Sequence[Expr]) -> tuple[Expr, Expr]:
            low, high = carried
            middle = context.let((low + high) // 2)
            is_open = context.let(low < high)
            with context.masked(is_open):
                there = context.let(sequence([*row, middle]))
            is_left = self.side == "left"
            goes_on = precedes(there, value) if is_left else ~precedes(value, there)
            return (
                Select(is_open & goes_on, middle + 1, low),
                Select(is_open & ~goes_on, middle, high),
            )

        rounds = size.bit_length() if isinstance(size, int) else MOST_PASSES
        return context.loop([rounds], (integer(0), size_expr(size)), body)[0]

    def batch(
        self, context: Any, inputs: Sequence[Any], is_batched: Sequence[bool]
    ) -> Sequence[Any]:
        if not is_batched[0] and inputs[0].ndim == 1:
            return list(inputs[0].emit(self, inputs))
        return list(inputs[0].emit(self, context.fronted(inputs, is_batched)))

    def cost(self, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Cost:
        return Cost(outputs[0].size * 10, inputs[1].nbytes + outputs[0].nbytes)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        sequence = np.array([-np.inf, -1, 0, 0, 0, 2, 5, np.inf, np.nan, np.nan], np.float32)
        values = np.array([[-2, -1, 0, 0.5], [9, np.inf, np.nan, -np.inf]], np.float32)
        n, m = dims.symbol("n", lower=0), dims.symbol("m")
        for side in ("left", "right"):
            yield Sample(cls(side), (sequence, values), label=side)
            yield Sample(cls(side), (sequence[:0], values), label=f"{side}-in-nothing")
            yield Sample(cls(side), (sequence[:1], values[:, ::-2]), label=f"{side}-size-1")
            yield Sample(
                cls(side), (sequence[::2], values), ((n,), (2, m)), label=f"{side}-symbolic"
            )
            yield Sample(cls(side), (np.arange(5), np.array(3)), label=f"{side}-i64")
            pair = np.stack([sequence, sequence - 1])
            yield Sample(cls(side), (pair, values), label=f"{side}-batch")
        yield Sample(cls(), (sequence, values[:0]), label="empty")


def _before(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Whether elements are less, or numbers before NaN."""
    return np.asarray((x < y) | ((x == x) & (y != y)))


def search_sorted(sequence: GraphOperand, values: GraphOperand, side: str = "left") -> Any:
    """Where each element of `values` would be put into an ascending sequence."""
    return values.emit(SearchSorted(side), [sequence, values])[0]
