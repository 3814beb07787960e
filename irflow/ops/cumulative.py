"""Scans along an axis: running sums, products and extremes, and linear recurrences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import ml_dtypes
import numpy as np

from irflow import dims, dtypes
from irflow.dims import Size
from irflow.errors import DTypeError, GradientError, ShapeError
from irflow.ir.op import Cost, Lowering, Op, Sample, register
from irflow.ir.types import TensorType
from irflow.loops.nodes import Expr, LoopKind, Select, integer, size_expr
from irflow.ops.broadcast import broadcast
from irflow.ops.constants import Iota
from irflow.ops.elementwise import ufunc_of
from irflow.ops.functions import size_of
from irflow.ops.index_map import check_dtypes, zero_expr
from irflow.ops.positions import check_same_shape
from irflow.ops.scratch import outer_loops, with_axis, without
from irflow.ops.shape import pad, slice_axis
from irflow.ops.sorting import add_along_axis, gather_along_axis
from irflow.scalars import Scalar, find

if TYPE_CHECKING:
    from irflow.ops.operand import GraphOperand


@register("cumulative")
class Cumulative(Op):
    """The elements so far, combined by an associative row: `y[i] = row(y[i-1], x[i])`.

    The result has the shape and dtype of `x`; `reverse` starts at the end of the axis. 16-bit
    floats are combined in f32 and rounded once an element. An empty axis stays empty. NaN passes
    on to all later elements.

    Gradient of add: the sum from the other end. Of multiply: by linear recurrences, exact also
    where elements are zero, to every order. Of maximum and minimum: to the position where the
    running extreme was reached first. Other rows have none.
    """

    row: Scalar
    axis: int
    reverse: bool = False
    lowering: ClassVar[Lowering] = Lowering.NEST

    def infer(self, x: TensorType) -> TensorType:
        if not self.row.associative or self.row.arity != 2:
            raise DTypeError(f"cumulative: {self.row.name} does not combine elements")
        _check_axis(self.name, x, self.axis)
        return x.with_dtype(self.row.infer([x.dtype, x.dtype]))

    def numpy(self, x: np.ndarray) -> np.ndarray:
        ufunc = ufunc_of(self.row)
        assert ufunc is not None, self.row
        dtype = dtypes.from_numpy(x.dtype)
        wide = dtypes.compute_dtype(dtype).numpy
        turned = np.flip(x, self.axis) if self.reverse else x
        with np.errstate(all="ignore"):
            result = ufunc.accumulate(
                turned.astype(wide, copy=False),
                axis=self.axis,
                dtype=wide if dtype.kind != "bool" else None,
            ).astype(x.dtype, copy=False)
        return np.flip(result, self.axis) if self.reverse else np.asarray(result)

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        (x,), (y,), (g,) = inputs, outputs, cotangents
        match self.row.name:
            case "add":
                return [cumulative(self.row, g, self.axis, not self.reverse)]
            case "multiply":
                # Backwards, the factor of a step is the element behind it.
                factors = shifted(x, self.axis, 1, not self.reverse)
                total = linear_recurrence(factors, g, self.axis, not self.reverse)
                return [total * shifted(y, self.axis, 1, self.reverse)]
            case "maximum" | "minimum":
                return [add_along_axis(g, self._positions(y), self.axis, x.shape)]
        raise GradientError(f"cumulative<{self.row.name}> has no gradient")

    def jvp(self, context: Any, inputs: Any, outputs: Any, tangents: Any) -> Sequence[Any]:
        (x,), (y,), (t,) = inputs, outputs, tangents
        if t is None:
            return [None]
        match self.row.name:
            case "add":
                return [cumulative(self.row, t, self.axis, self.reverse)]
            case "multiply":
                step = t * shifted(y, self.axis, 1, self.reverse)
                return [linear_recurrence(x, step, self.axis, self.reverse)]
            case "maximum" | "minimum":
                return [gather_along_axis(t, self._positions(y), self.axis)]
        raise GradientError(f"cumulative<{self.row.name}> has no gradient")

    def _positions(self, y: Any) -> Any:
        """Where the running extreme was reached first; of NaN, where the first one stands."""
        before = shifted(y, self.axis, 0, self.reverse)
        is_new = find("not_equal")(y, before) & find("equal")(before, before)
        places = y.emit(Iota(y.shape, self.axis, dtypes.i64), [])[0]
        # The first position counts whether its element differs from the filling or not.
        start = size_of(y, y.shape[self.axis] - 1 if self.reverse else 0, dtypes.i64)
        marked = find("where")(is_new, places, broadcast(start, y.shape, ()))
        latest = find("minimum" if self.reverse else "maximum")
        return cumulative(latest, marked, self.axis, self.reverse)

    def nest(self, context: Any, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        (x,) = inputs

        def step(place: Sequence[Expr], before: Expr, is_first: Expr) -> Expr:
            value = context.let(x(place))
            return Select(is_first, value, self.row(before, value))

        scan_nest(context, x.type, self.axis, self.reverse, step)

    def with_leading_axis(self, size: Size) -> Op:
        return Cumulative(self.row, self.axis + 1, self.reverse)

    def cost(self, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Cost:
        return Cost(inputs[0].size * self.row.flops, inputs[0].nbytes + outputs[0].nbytes)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.random.default_rng(1).normal(size=(3, 4, 5)).astype(np.float32)
        n = dims.symbol("n", lower=0)
        holes = np.array([[2, 0, 3, 4], [0, 5, 0, 2], [1, 2, 3, 0], [0, 0, 0, 0]], np.float32)
        tied = np.array([[1, 3, 3, 2, 3], [5, 5, 1, 7, 7]], np.float32)
        nan = np.array([[1, np.nan, 3, np.nan, -np.inf], [np.inf, 1, 2, np.nan, 0]], np.float32)
        for row in map(find, ("add", "multiply", "maximum", "minimum")):
            name = row.name
            yield Sample(cls(row, 1), (x,), label=name)
            yield Sample(cls(row, 2, True), (x,), label=f"{name}-reverse")
            yield Sample(cls(row, 0), (x[::-1, :, ::2],), label=f"{name}-strided")
            yield Sample(cls(row, 1), (x[:, :0],), label=f"{name}-empty")
            yield Sample(cls(row, 1), (x[:, :1],), label=f"{name}-size-1")
            yield Sample(cls(row, 1), (nan,), differentiable=(), label=f"{name}-nan")
            yield Sample(cls(row, 1, True), (x,), ((3, n, 5),), label=f"{name}-symbolic")
            yield Sample(cls(row, 1), (x,), ((n, 4, 5),), label=f"{name}-symbolic-batch")
            yield Sample(cls(row, 0), (np.arange(-3, 4),), label=f"{name}-i64")
        for row in map(find, ("maximum", "minimum")):
            yield Sample(cls(row, 1), (tied,), differentiable=(), label=f"{row.name}-ties")
        for reverse in (False, True):
            yield Sample(cls(find("multiply"), 1, reverse), (holes,), label=f"zeros-{reverse}")
        yield Sample(cls(find("logical_or"), 1), (tied > 2,), label="any")
        small = x.astype(ml_dtypes.bfloat16)
        yield Sample(cls(find("add"), 0), (small,), differentiable=(), label="bf16")


@register("linear_recurrence")
class LinearRecurrence(Op):
    """`y[i] = a[i] * y[i-1] + b[i]` along an axis, `y[0] = b[0]`; `reverse` starts at the end.

    Both operands have one shape and one float dtype, which are those of the result; 16-bit floats
    are carried in f32 and rounded once an element. `a[0]` is not read.
    Gradient: the recurrence run the other way.
    """

    axis: int
    reverse: bool = False
    lowering: ClassVar[Lowering] = Lowering.NEST

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        check_dtypes(self.name, a=a, b=b)
        if not a.dtype.is_float:
            raise DTypeError(f"{self.name}: operands are floats", facts=[("a", a, a.dtype)])
        check_same_shape(f"{self.name}: shapes differ", a, b)
        _check_axis(self.name, a, self.axis)
        return b

    def numpy(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        wide = dtypes.compute_dtype(dtypes.from_numpy(b.dtype)).numpy
        factors, result = np.moveaxis(a.astype(wide), self.axis, 0), b.astype(wide)
        rows = np.moveaxis(result, self.axis, 0)
        if self.reverse:
            factors, rows = factors[::-1], rows[::-1]
        with np.errstate(all="ignore"):
            for i in range(1, len(rows)):
                rows[i] += factors[i] * rows[i - 1]
        return result.astype(b.dtype, copy=False)

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        (a, _), (y,), (g,) = inputs, outputs, cotangents
        factors = shifted(a, self.axis, 0, not self.reverse)
        to_b = linear_recurrence(factors, g, self.axis, not self.reverse)
        return [to_b * shifted(y, self.axis, 0, self.reverse) if context.needs(0) else None, to_b]

    def jvp(self, context: Any, inputs: Any, outputs: Any, tangents: Any) -> Sequence[Any]:
        (a, _), (y,), (da, db) = inputs, outputs, tangents
        parts = [] if da is None else [da * shifted(y, self.axis, 0, self.reverse)]
        parts += [] if db is None else [db]
        if not parts:
            return [None]
        return [linear_recurrence(a, sum(parts[1:], parts[0]), self.axis, self.reverse)]

    def nest(self, context: Any, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        a, b = inputs

        def step(place: Sequence[Expr], before: Expr, is_first: Expr) -> Expr:
            value = context.let(b(place))
            return Select(is_first, value, a(place) * before + value)

        scan_nest(context, b.type, self.axis, self.reverse, step)

    def with_leading_axis(self, size: Size) -> Op:
        return LinearRecurrence(self.axis + 1, self.reverse)

    def cost(self, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Cost:
        return Cost(2 * outputs[0].size, 3 * outputs[0].nbytes)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        generator = np.random.default_rng(2)
        a, b = (generator.normal(size=(3, 4, 5)).astype(np.float32) for _ in range(2))
        n = dims.symbol("n", lower=0)
        yield Sample(cls(1), (a, b))
        yield Sample(cls(0, True), (a, b), label="reverse")
        yield Sample(cls(2), (a[:, ::-1], b), label="last")
        yield Sample(cls(1), (a[:, :0], b[:, :0]), label="empty")
        yield Sample(cls(1), (a[:, :1], b[:, :1]), label="size-1")
        yield Sample(cls(2, True), (a, b), ((3, 4, n), (3, 4, n)), label="symbolic")
        small = (a.astype(np.float16), b.astype(np.float16))
        yield Sample(cls(1), small, differentiable=(), label="f16")


def _check_axis(name: str, x: TensorType, axis: int) -> None:
    if not 0 <= axis < x.rank:
        raise ShapeError(f"{name}: no axis {axis}", facts=[("operand", x, f"rank {x.rank}")])


# -------------------------------------------------------------------------------------------- loops


def scan_nest(context: Any, type: TensorType, axis: int, reverse: bool, step: Any) -> None:
    """Write output 0 element by element along `axis`: `step(place, previous result, is_first)`.

    Where rows along the last axis can be computed at once they are, from the row written before;
    otherwise the previous result is carried in a register, in the type of the computation.
    """
    is_exact = dtypes.compute_dtype(type.dtype) is type.dtype
    if is_exact and axis != type.rank - 1:
        _scan_rows(context, type, axis, reverse, step)
    else:
        _scan_carried(context, type, axis, reverse, step)


def _scan_carried(context: Any, type: TensorType, axis: int, reverse: bool, step: Any) -> None:
    start = zero_expr(dtypes.compute_dtype(type.dtype))
    size = type.shape[axis]
    with outer_loops(context, without(type.shape, axis)) as outer:

        def body(index: Sequence[Expr], carried: Sequence[Expr]) -> tuple[Expr]:
            place = with_axis(outer, axis, _turned(index[0], size, reverse))
            value = context.builder.let(step(place, carried[0], _is_first(index[0])))
            context.store(0, place, value)
            return (value,)

        context.loop([size], (start,), body)


def _scan_rows(context: Any, type: TensorType, axis: int, reverse: bool, step: Any) -> None:
    shape, size = type.shape, type.shape[axis]
    with outer_loops(context, shape[:axis]) as outer, context.one_loop(size) as i:
        place = _turned(i, size, reverse)
        before = _turned(find("maximum")(i - 1, integer(0)), size, reverse)
        with (
            context.loops(shape[axis + 1 : -1]) as middle,
            context.one_loop(shape[-1], LoopKind.VECTOR) as last,
        ):
            inner = [*middle, last]
            old = context.load_output(0, [*outer, before, *inner])
            context.store(
                0, [*outer, place, *inner], step([*outer, place, *inner], old, _is_first(i))
            )


def _turned(i: Expr, size: Any, reverse: bool) -> Expr:
    return size_expr(size - 1) - i if reverse else i


def _is_first(i: Expr) -> Expr:
    first: Expr = find("equal")(i, integer(0))
    return first


# ------------------------------------------------------------------------------------ constructors


def cumulative(row: Scalar, x: GraphOperand, axis: int, reverse: bool = False) -> Any:
    """The elements of `x` so far along `axis`, combined by `row`."""
    return x.emit(Cumulative(row, axis, reverse), [x])[0]


def linear_recurrence(a: GraphOperand, b: GraphOperand, axis: int, reverse: bool = False) -> Any:
    """`y[i] = a[i] * y[i-1] + b[i]` along `axis`."""
    return b.emit(LinearRecurrence(axis, reverse), [a, b])[0]


def shifted(x: GraphOperand, axis: int, fill: float, reverse: bool = False) -> Any:
    """`x` moved by one place along `axis`, away from the start of a scan; `fill` enters there."""
    size = x.shape[axis]
    amount = [int(a == axis) for a in range(x.ndim)]
    none = [0] * x.ndim
    if reverse:
        return slice_axis(pad(x, none, amount, fill=fill), axis, 1, size + 1)
    return slice_axis(pad(x, amount, none, fill=fill), axis, 0, size)
