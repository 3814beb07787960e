"""Sorting along an axis, the largest elements, reading and adding at positions along an axis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import ml_dtypes
import numpy as np

from irflow import dims, dtypes
from irflow.dims import Size
from irflow.errors import DTypeError, ShapeError
from irflow.ir.op import Cost, Lowering, Op, Sample, register
from irflow.ir.types import TensorType
from irflow.loops.nodes import Expr, Select, integer, size_expr
from irflow.ops.constants import Iota
from irflow.ops.functions import stack
from irflow.ops.indexing import gather, scatter
from irflow.ops.positions import check_same_shape
from irflow.ops.scratch import Scratch, outer_loops, with_axis, without
from irflow.scalars import find

if TYPE_CHECKING:
    from irflow.ops.operand import GraphOperand

MOST_PASSES = 41
"""Passes of a merge sort over an axis of the largest size there is."""


MOST_INSERTED = 32
"""More largest elements than these are found by sorting all of them."""


@register("sort")
class Sort(Op):
    """The first operand in ascending order along `axis`; the others are rearranged in the same way.

    All operands have one shape; each result has its operand's type. Equal elements keep their
    order, 0.0 equals -0.0, and NaN comes last, as in NumPy. Sorting `(x, iota)` gives the
    permutation.
    Gradient: rearranged back; at ties, that of the order that was chosen.
    """

    axis: int
    lowering: ClassVar[Lowering] = Lowering.NEST

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        if not types:
            raise ShapeError("sort: no operands")
        keys, *others = types
        _check_ordered(self.name, keys, self.axis)
        for number, other in enumerate(others, 1):
            check_same_shape(f"sort: operand {number} has another shape than the keys", keys, other)
        return types

    def numpy(self, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        order = _order(inputs[0], self.axis)
        return tuple(np.take_along_axis(x, order, self.axis) for x in inputs)

    def forward(self, context: Any, inputs: Sequence[Any], regions: Any) -> tuple[Any, Any]:
        """The results, and the permutation as what the gradient needs."""
        *outputs, order = _sort_with_order(inputs, self.axis)
        return outputs, order

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        return [
            None if g is None else add_along_axis(g, context.residuals, self.axis, x.shape)
            for x, g in zip(inputs, cotangents, strict=True)
        ]

    def jvp(self, context: Any, inputs: Any, outputs: Any, tangents: Any) -> Sequence[Any]:
        if all(t is None for t in tangents):
            return [None] * len(outputs)
        order = _sort_with_order(inputs[:1], self.axis)[1]
        return [t if t is None else gather_along_axis(t, order, self.axis) for t in tangents]

    def nest(self, context: Any, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        """Merges neighbouring runs of doubling length between the two halves of a scratch row."""
        keys, shape, axis = inputs[0], inputs[0].type.shape, self.axis
        size = shape[axis]
        with outer_loops(context, without(shape, axis)) as outer:
            sorted_keys = Scratch(context, keys.type.dtype, (2, size), "keys")
            order = Scratch(context, dtypes.i64, (2, size), "order") if inputs[1:] else None
            with context.one_loop(size) as i:
                sorted_keys.set((integer(0), i), keys(with_axis(outer, axis, i)))
                if order:
                    order.set((integer(0), i), i)
            half = _merge_passes(context, size, sorted_keys, order)
            with context.one_loop(size) as i:
                place = with_axis(outer, axis, i)
                context.store(0, place, sorted_keys.get(half, i))
                if order:
                    source = with_axis(outer, axis, order.get(half, i))
                    for number, load in enumerate(inputs[1:], 1):
                        context.store(number, place, load(source))

    def with_leading_axis(self, size: Size) -> Op:
        return Sort(self.axis + 1)

    def cost(self, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Cost:
        traffic = sum((t.nbytes for t in (*inputs, *outputs)), 0)
        size = inputs[0].shape[self.axis]
        rounds = size.bit_length() if isinstance(size, int) else 10
        return Cost(inputs[0].size * rounds, traffic)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.random.default_rng(5).normal(size=(3, 5, 4)).astype(np.float32)
        tied = np.array([[2, 1, 2, 1, 1, 0], [0.0, -0.0, 3, -0.0, 0.0, 3]], np.float32)
        nan = np.array([[np.nan, 1, np.inf, np.nan, -np.inf], [3, np.nan, -1, 0, 2]], np.float32)
        n, b = dims.symbol("n", lower=0), dims.symbol("b")
        ramp = np.broadcast_to(np.arange(5)[:, None], x.shape).copy()
        yield Sample(cls(1), (x,))
        yield Sample(cls(2), (x, -x, x > 0), label="several")
        yield Sample(cls(1), (x, ramp), label="order")
        yield Sample(cls(1), (tied, np.arange(12).reshape(2, 6)), differentiable=(), label="ties")
        yield Sample(cls(1), (nan, -nan), differentiable=(), label="nan")
        yield Sample(cls(0), (x[:, ::-1, ::2], x[:, :, ::2]), label="strided")
        yield Sample(cls(1), (x[:, :0], x[:, :0]), label="empty")
        yield Sample(cls(0), (x[:1],), label="size-1")
        yield Sample(cls(1), (x, ramp), ((3, n, 4), (3, n, 4)), label="symbolic")
        yield Sample(cls(1), (x,), ((b, 5, 4),), label="symbolic-batch")
        yield Sample(cls(0), (np.array([3, -7, 9, 9, 2**62, -(2**63)]),), label="i64")
        yield Sample(cls(0), (np.array([3, 2**64 - 1, 0], np.uint64),), label="u64")
        yield Sample(cls(2), (x > 0, ramp), label="bool")
        small = x.astype(ml_dtypes.bfloat16)
        yield Sample(cls(1), (small, small), differentiable=(), label="bf16")
        long = np.random.default_rng(6).permutation(37).astype(np.float32) % 11
        yield Sample(cls(0), (long, np.arange(37)), differentiable=(), label="long")


@register("top_k")
class TopK(Op):
    """The `k` largest elements along the last axis, descending, and their positions as `i64`.

    Of equal elements the one that stands first comes first. NaN counts as larger than all numbers.
    The axis has at least `k` elements. Gradient: to the elements that were chosen.
    """

    k: int
    lowering: ClassVar[Lowering] = Lowering.NEST

    def infer(self, x: TensorType) -> tuple[TensorType, TensorType]:
        _check_ordered(self.name, x, x.rank - 1)
        if self.k < 0 or not x.shape[-1] >= self.k:
            raise ShapeError(
                f"top_k: {self.k} of too few elements",
                facts=[("operand", x, f"axis {x.rank - 1} = {x.shape[-1]}"), ("k", self.k)],
            )
        shape = (*x.shape[:-1], self.k)
        return x.with_shape(shape), TensorType(dtypes.i64, shape)

    def numpy(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # Reversed twice, a stable ascending order becomes a stable descending one.
        backwards = _order(x[..., ::-1], x.ndim - 1)[..., ::-1]
        order = np.ascontiguousarray(x.shape[-1] - 1 - backwards[..., : self.k])
        return np.take_along_axis(x, order, -1), order

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        (x,), (_, order) = inputs, outputs
        return [add_along_axis(cotangents[0], order, x.ndim - 1, x.shape)]

    def jvp(self, context: Any, inputs: Any, outputs: Any, tangents: Any) -> Sequence[Any]:
        (x,), (_, order), (t,) = inputs, outputs, tangents
        return [t if t is None else gather_along_axis(t, order, x.ndim - 1), None]

    def nest(self, context: Any, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        """For a small `k`, inserts what is larger than the last of the best so far among them."""
        (x,) = inputs
        if self.k > MOST_INSERTED:
            self._sort_all(context, x)
        elif self.k:
            self._insert_each(context, x)

    def _sort_all(self, context: Any, x: Any) -> None:
        *batch, size = x.type.shape
        with outer_loops(context, batch) as outer:
            keys = Scratch(context, x.type.dtype, (2, size), "keys")
            order = Scratch(context, dtypes.i64, (2, size), "order")
            with context.one_loop(size) as i:
                # Read backwards, and written backwards at the end, so that ties keep their order.
                source = context.let(size_expr(size - 1) - i)
                keys.set((integer(0), i), x([*outer, source]))
                order.set((integer(0), i), source)
            half = _merge_passes(context, size, keys, order)
            with context.one_loop(self.k) as i:
                source = context.let(size_expr(size - 1) - i)
                context.store(0, [*outer, i], keys.get(half, source))
                context.store(1, [*outer, i], order.get(half, source))

    def _insert_each(self, context: Any, x: Any) -> None:
        *batch, size = x.type.shape
        with outer_loops(context, batch) as outer, context.one_loop(size) as i:
            value = context.let(x([*outer, i]))
            worst = context.load_output(0, [*outer, integer(self.k - 1)])
            enters = context.let((i < self.k) | precedes(worst, value))
            context.if_(enters, lambda: self._insert(context, outer, i, value))

    def _insert(self, context: Any, outer: Sequence[Expr], i: Expr, value: Expr) -> None:
        """Put `value` in its place; what stands from there on moves down by one."""
        filled = find("minimum")(i, integer(self.k - 1)) + 1

        def body(index: Sequence[Expr], carried: Sequence[Expr]) -> tuple[Expr, Expr]:
            moving, number = carried
            place = [*outer, index[0]]
            old, old_number = (context.load_output(o, place) for o in (0, 1))
            # What moves down stays in front of its equals, which stood behind it.
            is_end = find("equal")(index[0], i)
            goes = context.let(is_end | precedes(old, moving) | (old_number > number))
            return self._exchange(context, place, goes, (old, old_number), (moving, number))

        context.loop([filled], (value, i), body)

    def _exchange(
        self, context: Any, place: Any, goes: Expr, old: Sequence[Expr], new: Sequence[Expr]
    ) -> tuple[Expr, Expr]:
        for output, (there, here) in enumerate(zip(old, new, strict=True)):
            context.store(output, place, Select(goes, here, there))
        first, second = (Select(goes, a, b) for a, b in zip(old, new, strict=True))
        return first, second

    def with_leading_axis(self, size: Size) -> Op:
        return self

    def cost(self, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Cost:
        return Cost(inputs[0].size, inputs[0].nbytes + 2 * outputs[1].nbytes)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.random.default_rng(7).normal(size=(3, 2, 6)).astype(np.float32)
        tied = np.array([[1, 3, 2, 3, 3, 1], [0, 0, 0, 0, 0, 0], [1, 2, 3, 4, 5, 6]], np.float32)
        nan = np.array([[np.nan, 1, np.inf, np.nan, 2], [0, -np.inf, 1, 2, np.nan]], np.float32)
        n, b = dims.symbol("n", lower=3), dims.symbol("b")
        yield Sample(cls(2), (x,))
        yield Sample(cls(6), (x,), label="all")
        yield Sample(cls(0), (x,), label="none")
        yield Sample(cls(4), (tied,), differentiable=(), label="ties")
        yield Sample(cls(3), (nan,), differentiable=(), label="nan")
        yield Sample(cls(3), (x[::2, :, ::-1],), label="strided")
        yield Sample(cls(0), (x[..., :0],), label="empty")
        yield Sample(cls(1), (x[..., :1],), label="size-1")
        yield Sample(cls(3), (x,), ((b, 2, n),), label="symbolic")
        yield Sample(cls(2), (np.array([3, -7, 9, 9]),), label="i64")
        yield Sample(cls(33), (np.tile(nan, 8),), differentiable=(), label="many")
        yield Sample(cls(2), (x > 0,), label="bool")
        yield Sample(cls(3), (x.astype(np.float16),), differentiable=(), label="f16")


def _check_ordered(name: str, x: TensorType, axis: int) -> None:
    if x.dtype.kind == "complex":
        raise DTypeError(f"{name}: {x.dtype} has no order")
    if not 0 <= axis < x.rank:
        raise ShapeError(f"{name}: no axis {axis}", facts=[("operand", x, f"rank {x.rank}")])


def _order(x: np.ndarray, axis: int) -> np.ndarray:
    """The stable permutation that sorts `x`."""
    wide = x.astype(dtypes.compute_dtype(dtypes.from_numpy(x.dtype)).numpy, copy=False)
    return np.argsort(wide, axis, kind="stable").astype(np.int64, copy=False)


def _sort_with_order(inputs: Sequence[Any], axis: int) -> tuple[Any, ...]:
    """The operands sorted by the first one, and the permutation behind them."""
    keys = inputs[0]
    places = keys.emit(Iota(keys.shape, axis, dtypes.i64), [])[0]
    sorted_: tuple[Any, ...] = keys.emit(Sort(axis), [*inputs, places])
    return sorted_


# -------------------------------------------------------------------------------------------- loops


def precedes(x: Expr, y: Expr) -> Expr:
    """Whether `x` has to stand before `y`: it is less, or a number before NaN."""
    result: Expr = find("less")(x, y)
    if x.dtype.is_float:
        result = result | (find("equal")(x, x) & find("not_equal")(y, y))
    return result


def _merge_passes(context: Any, size: Size, keys: Scratch, order: Scratch | None) -> Expr:
    """Sort what stands in half 0 of the scratch rows; the half in which it stands then."""
    passes = _pass_count(context, size)
    with context.one_loop(passes) as number:
        source = context.let(number % 2)
        width = context.let(find("left_shift")(integer(1), number))
        length = size_expr(size)
        with context.one_loop((length + width * 2 - 1) // (width * 2)) as block:
            low = context.let(block * width * 2)
            middle = context.let(find("minimum")(low + width, length))
            high = context.let(find("minimum")(low + width * 2, length))
            _merge(context, source, (low, middle, high), length, keys, order)
    return integer(passes % 2) if isinstance(passes, int) else context.let(passes % 2)


def _pass_count(context: Any, size: Size) -> int | Expr:
    """How often 1 is doubled to reach `size`."""
    if isinstance(size, int):
        return max(size - 1, 0).bit_length()

    def body(index: Sequence[Expr], carried: Sequence[Expr]) -> tuple[Expr]:
        is_short = find("left_shift")(integer(1), index[0]) < size_expr(size)
        return (carried[0] + Select(is_short, integer(1), integer(0)),)

    count: Expr = context.loop([MOST_PASSES], (integer(0),), body)[0]
    return count


def _merge(
    context: Any,
    source: Expr,
    run: tuple[Expr, Expr, Expr],
    length: Expr,
    keys: Scratch,
    order: Scratch | None,
) -> None:
    """Merge the sorted `low … middle` and `middle … high` of one half into the other."""
    low, middle, high = run
    target = context.let(integer(1) - source)

    def body(index: Sequence[Expr], carried: Sequence[Expr]) -> tuple[Expr, Expr]:
        a, b = carried
        # One of the runs may be used up; what is read in its place is not taken.
        left, right = (context.let(find("minimum")(i, length - 1)) for i in (a, b))
        pair = keys.get(source, left), keys.get(source, right)
        is_right = context.let((b < high) & ((a >= middle) | precedes(pair[1], pair[0])))
        place = target, low + index[0]
        keys.set(place, Select(is_right, pair[1], pair[0]))
        if order:
            order.set(place, order.get(source, context.let(Select(is_right, right, left))))
        return Select(is_right, a, a + 1), Select(is_right, b + 1, b)

    context.loop([high - low], (low, middle), body)


# ------------------------------------------------------------------------------------ constructors


def sort(operands: Sequence[GraphOperand], axis: int) -> tuple[Any, ...]:
    """Operands rearranged along `axis` so that the first one ascends."""
    return operands[0].emit(Sort(axis), list(operands))


def argsort(x: GraphOperand, axis: int) -> Any:
    """The positions along `axis` in stable ascending order, `i64`."""
    return _sort_with_order([x], axis)[1]


def top_k(x: GraphOperand, k: int) -> tuple[Any, Any]:
    """The `k` largest elements along the last axis, descending, and their positions."""
    values, order = x.emit(TopK(k), [x])
    return values, order


def gather_along_axis(x: GraphOperand, order: GraphOperand, axis: int) -> Any:
    """`x` at positions along `axis` that lie inside: `take_along_axis` without negative ones."""
    return gather(x, _index_tuples(order, axis))


def add_along_axis(g: GraphOperand, order: GraphOperand, axis: int, shape: Sequence[Size]) -> Any:
    """Zeros of `shape` with `g` added at positions along `axis`: the adjoint of the gathering."""
    return scatter(g.full(0, shape), _index_tuples(order, axis), g, "add")


def _index_tuples(order: Any, axis: int) -> Any:
    places = [order.emit(Iota(order.shape, a, dtypes.i64), [])[0] for a in range(order.ndim)]
    places[axis] = order
    return stack(places, -1)
