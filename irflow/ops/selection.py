"""Where the largest and the smallest elements stand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from irflow import dims, dtypes
from irflow.dims import Size
from irflow.errors import DTypeError, ShapeError
from irflow.ir.op import Cost, Lowering, Op, Sample, register
from irflow.ir.types import TensorType
from irflow.loops.nodes import Expr, Select, integer, size_expr
from irflow.ops.positions import check_choice, may_be_empty
from irflow.scalars import find

if TYPE_CHECKING:
    from irflow.ops.operand import GraphOperand


@register("arg_reduce")
class ArgReduce(Op):
    """The position along `axis` of the largest (`kind="max"`) or smallest (`"min"`) element: `i64`.

    The axis is dropped. The first of equal elements wins, and the first NaN over every number, as
    in NumPy. Over an empty axis there is no position: ShapeError; a symbolic axis must be declared
    to have an element. No gradient, as the result is an integer.
    """

    kind: str
    axis: int
    lowering: ClassVar[Lowering] = Lowering.REDUCTION

    def infer(self, x: TensorType) -> TensorType:
        check_choice("arg_reduce", "kind", self.kind, ("max", "min"))
        if x.dtype.kind == "complex":
            raise DTypeError(f"arg_reduce: {x.dtype} has no order")
        if not 0 <= self.axis < x.rank:
            raise ShapeError(
                f"arg_reduce: no axis {self.axis}", facts=[("operand", x, f"rank {x.rank}")]
            )
        if not x.shape[self.axis] >= 1:
            raise ShapeError(
                "arg_reduce: an empty axis has no largest or smallest element",
                facts=[("operand", x, f"axis {self.axis} = 0")],
            )
        return TensorType(dtypes.i64, x.shape[: self.axis] + x.shape[self.axis + 1 :])

    def numpy(self, x: np.ndarray) -> np.ndarray:
        if not x.shape[self.axis]:
            raise ShapeError("arg_reduce: an empty axis has no largest or smallest element")
        wide = x.astype(dtypes.compute_dtype(dtypes.from_numpy(x.dtype)).numpy, copy=False)
        position = np.argmax if self.kind == "max" else np.argmin
        return np.asarray(position(wide, self.axis)).astype(np.int64, copy=False)

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        return [None]

    def jvp(self, context: Any, inputs: Any, outputs: Any, tangents: Any) -> Sequence[Any]:
        return [None]

    def element(self, context: Any, index: Sequence[Any], loads: Sequence[Any]) -> Any:
        def load(position: Any) -> Any:
            return loads[0]([*index[: self.axis], position, *index[self.axis :]])

        def body(inner: Sequence[Any], carried: Sequence[Any]) -> tuple[Any, ...]:
            best, where = carried
            value = context.let(load(inner[0]))
            wins = context.let(self._wins(value, best))
            return Select(wins, value, best), Select(wins, inner[0], where)

        size = loads[0].type.shape[self.axis]
        with context.masked(size_expr(size) > 0) if may_be_empty(size) else nullcontext():
            first = load(integer(0))
        return context.loop([size], (first, integer(0)), body)[1]

    def _wins(self, value: Expr, best: Expr) -> Expr:
        wins: Expr = find("greater" if self.kind == "max" else "less")(value, best)
        if not value.dtype.is_float:
            return wins
        not_equal, equal = find("not_equal"), find("equal")
        is_first_nan = find("logical_and")(not_equal(value, value), equal(best, best))
        either: Expr = find("logical_or")(wins, is_first_nan)
        return either

    def with_leading_axis(self, size: Size) -> Op:
        return ArgReduce(self.kind, self.axis + 1)

    def cost(self, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Cost:
        return Cost(inputs[0].size, inputs[0].nbytes + outputs[0].nbytes)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.random.default_rng(4).normal(size=(3, 4, 5)).astype(np.float32)
        tied = np.array([[1, 3, 3, 0, 0]], np.float32)
        nan = np.array([[1, np.nan, 3, np.nan], [np.nan, -np.inf, 0, 1]], np.float32)
        infinite = np.array([[np.inf, np.inf], [-np.inf, -np.inf]], np.float32)
        n = dims.symbol("n")
        for kind in ("max", "min"):
            yield Sample(cls(kind, 1), (x,), label=kind)
            yield Sample(cls(kind, 2), (x[:, :, ::-2],), label=f"{kind}-strided")
            yield Sample(cls(kind, 1), (tied,), label=f"{kind}-ties")
            yield Sample(cls(kind, 1), (nan,), label=f"{kind}-nan")
            yield Sample(cls(kind, 1), (infinite,), label=f"{kind}-inf")
            yield Sample(cls(kind, 0), (x[:1],), label=f"{kind}-size-1")
            yield Sample(cls(kind, 1), (x[:0],), label=f"{kind}-empty")
            yield Sample(cls(kind, 0), (np.array([3, -7, 9, 9]),), label=f"{kind}-i64")
            yield Sample(cls(kind, 1), (x[0] > 0,), label=f"{kind}-bool")
            yield Sample(cls(kind, 0), (x,), ((n, 4, 5),), label=f"{kind}-symbolic")


# ------------------------------------------------------------------------------------ constructors


def argmax(x: GraphOperand, axis: int) -> Any:
    """The position of the first largest element along `axis`, which is dropped."""
    return x.emit(ArgReduce("max", axis), [x])[0]


def argmin(x: GraphOperand, axis: int) -> Any:
    """The position of the first smallest element along `axis`, which is dropped."""
    return x.emit(ArgReduce("min", axis), [x])[0]
