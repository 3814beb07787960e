"""Rearranging elements: permuted axes, slices, reversal, padding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from irflow import dims, dtypes
from irflow.dims import Size
from irflow.errors import ShapeError
from irflow.ir.op import Lowering, Op, Sample, register
from irflow.ir.types import TensorType
from irflow.loops.nodes import Select, size_expr
from irflow.ops.broadcast import broadcast, reduce_sum
from irflow.ops.constants import concrete
from irflow.ops.index_map import (
    IndexMap,
    affine,
    all_of,
    check_dtypes,
    check_rank,
    is_between,
    joint_jvp,
    one_further,
    replaced,
)
from irflow.ops.positions import may_be_empty
from irflow.scalars import find

if TYPE_CHECKING:
    from irflow.ops.operand import GraphOperand


@register("transpose")
class Transpose(IndexMap):
    """Permute the axes: result axis `i` is input axis `perm[i]`. Gradient: permuted back."""

    perm: tuple[int, ...]
    linear_in: ClassVar[tuple[int, ...] | None] = (0,)

    def infer(self, x: TensorType) -> TensorType:
        if sorted(self.perm) != list(range(x.rank)):
            raise ShapeError(
                "transpose: not a permutation of the axes",
                facts=[("operand", x, f"rank {x.rank}"), ("perm", self.perm)],
            )
        return x.with_shape(tuple(x.shape[axis] for axis in self.perm))

    def numpy(self, x: np.ndarray) -> np.ndarray:
        return np.transpose(x, self.perm)

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        return [transpose(cotangents[0], inverse_permutation(self.perm))]

    def element(self, context: Any, index: Sequence[Any], loads: Sequence[Any]) -> Any:
        return loads[0]([index[place] for place in inverse_permutation(self.perm)])

    def with_leading_axis(self, size: Size) -> Op:
        return Transpose((0, *one_further(self.perm)))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
        n = dims.symbol("n")
        yield Sample(cls((2, 0, 1)), (x,), label="rotate")
        yield Sample(cls((0, 2, 1)), (x[:, ::-2],), label="strided")
        yield Sample(cls((1, 0)), (x[:, :1, 0],), label="size-1")
        yield Sample(cls(()), (x[1, 2, 3, ...],), label="scalar")
        yield Sample(cls((1, 0)), (x[0, :0],), label="empty")
        yield Sample(cls((2, 0, 1)), (x,), ((n, 3, 4),), label="symbolic")


@register("slice")
class Slice(IndexMap):
    """The elements `start, start + step, …` below `stop` of every axis: `x[start:stop:step]`.

    `0 <= start <= stop <= size` and `step >= 1`; NumPy's negative steps are a `reverse` of a slice.
    Gradient: padded back with zeros, `step - 1` of them between neighbours.
    """

    start: tuple[Size, ...]
    stop: tuple[Size, ...]
    step: tuple[int, ...]
    linear_in: ClassVar[tuple[int, ...] | None] = (0,)

    def infer(self, x: TensorType) -> TensorType:
        check_rank("slice", x, start=self.start, stop=self.stop, step=self.step)
        for axis, (start, stop, step) in enumerate(self._bounds()):
            problem = _slice_problem(start, stop, step, x.shape[axis])
            if problem:
                raise ShapeError(
                    f"slice: {problem}",
                    facts=[
                        ("operand", x, f"axis {axis} = {x.shape[axis]}"),
                        ("slice", f"{start} to {stop} by {step}", f"axis {axis}"),
                    ],
                    hint="reverse the slice instead" if step < 0 else None,
                )
        return x.with_shape(
            tuple(dims.ceil_div(stop - start, step) for start, stop, step in self._bounds())
        )

    def numpy(self, x: np.ndarray) -> np.ndarray:
        bounds = zip(concrete(self.start), concrete(self.stop), self.step, strict=True)
        return np.asarray(x[tuple(slice(*bound) for bound in bounds)])

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        g = cotangents[0]
        interior = tuple(step - 1 for step in self.step)
        high = tuple(
            size - start - spread(kept, gap)
            for size, start, kept, gap in zip(
                inputs[0].shape, self.start, g.shape, interior, strict=True
            )
        )
        return [pad(g, self.start, high, interior)]

    def element(self, context: Any, index: Sequence[Any], loads: Sequence[Any]) -> Any:
        places = zip(index, self.start, self.step, strict=True)
        return loads[0]([affine(i, start, step) for i, start, step in places])

    def with_leading_axis(self, size: Size) -> Op:
        return Slice((0, *self.start), (size, *self.stop), (1, *self.step))

    def _bounds(self) -> Iterable[tuple[Size, Size, int]]:
        return zip(self.start, self.stop, self.step, strict=True)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.arange(40, dtype=np.float32).reshape(5, 8)
        n = dims.symbol("n", lower=2)
        yield Sample(cls((1, 2), (4, 7), (1, 1)), (x,), label="window")
        yield Sample(cls((0, 1), (5, 8), (2, 3)), (x,), label="steps")
        yield Sample(cls((4, 0), (5, 8), (7, 8)), (x,), label="step-beyond")
        yield Sample(cls((2, 0), (2, 8), (1, 3)), (x,), label="empty")
        yield Sample(cls((5, 8), (5, 8), (2, 1)), (x,), label="empty-end")
        yield Sample(cls((0,), (1,), (2,)), (x[:1, 0],), label="size-1")
        yield Sample(cls((), (), ()), (x[0, 0, ...],), label="scalar")
        yield Sample(cls((1, 0), (n, 8), (1, 2)), (x,), ((n, 8),), label="symbolic")
        yield Sample(cls((1, 0), (n, n), (2, 3)), (x[:, :5],), ((n, n),), label="symbolic-steps")


def _slice_problem(start: Size, stop: Size, step: int, size: Size) -> str:
    if step < 1:
        return "steps are positive"
    if stop < start:
        return "it ends before it starts"
    return "outside the operand" if start < 0 or size < stop else ""


@register("reverse")
class Reverse(IndexMap):
    """The elements in opposite order along `axes`. Gradient: reversed back."""

    axes: tuple[int, ...]
    linear_in: ClassVar[tuple[int, ...] | None] = (0,)

    def infer(self, x: TensorType) -> TensorType:
        ascending = list(self.axes) == sorted(set(self.axes))
        if not ascending or any(not 0 <= axis < x.rank for axis in self.axes):
            raise ShapeError(
                "reverse: axes ascend and count from 0",
                facts=[("operand", x, f"rank {x.rank}"), ("axes", self.axes)],
            )
        return x

    def numpy(self, x: np.ndarray) -> np.ndarray:
        return np.flip(x, self.axes)

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        return [reverse(cotangents[0], self.axes)]

    def element(self, context: Any, index: Sequence[Any], loads: Sequence[Any]) -> Any:
        last = [size_expr(size - 1) for size in loads[0].type.shape]
        return loads[0]([last[a] - i if a in self.axes else i for a, i in enumerate(index)])

    def with_leading_axis(self, size: Size) -> Op:
        return Reverse(one_further(self.axes))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.arange(6, dtype=np.float32).reshape(2, 3)
        n = dims.symbol("n")
        yield Sample(cls((1,)), (x,), label="last")
        yield Sample(cls((0, 1)), (x[:, ::-1],), label="all-of-strided")
        yield Sample(cls(()), (x,), label="none")
        yield Sample(cls((1,)), (x[:, :1],), label="size-1")
        yield Sample(cls((0,)), (x[:0],), label="empty")
        yield Sample(cls((0,)), (x,), ((n, 3),), label="symbolic")


@register("pad")
class Pad(Op):
    """Surround with a fill value: `low` before, `high` behind, `interior` between neighbours.

    The fill value is the second operand, a scalar. Amounts are not negative; `slice` removes.
    Gradient: the elements that come from `x`, and the sum of all others for the fill value.
    """

    low: tuple[Size, ...]
    high: tuple[Size, ...]
    interior: tuple[int, ...]
    lowering: ClassVar[Lowering] = Lowering.ELEMENT

    def infer(self, x: TensorType, fill: TensorType) -> TensorType:
        check_rank("pad", x, low=self.low, high=self.high, interior=self.interior)
        check_dtypes("pad", operand=x, fill=fill)
        if fill.rank:
            raise ShapeError("pad: the fill value is a scalar", facts=[("fill", fill)])
        for axis, amounts in enumerate(zip(self.low, self.high, self.interior, strict=True)):
            if any(amount < 0 for amount in amounts):
                raise ShapeError(
                    "pad: amounts are not negative",
                    facts=[
                        ("operand", x, f"axis {axis} = {x.shape[axis]}"),
                        ("low, high, interior", amounts, f"axis {axis}"),
                    ],
                    hint="slice the operand first",
                )
        inner = map(spread, x.shape, self.interior)
        sizes = zip(self.low, inner, self.high, strict=True)
        return x.with_shape(tuple(low + size + high for low, size, high in sizes))

    def numpy(self, x: np.ndarray, fill: np.ndarray) -> np.ndarray:
        low, high = concrete(self.low), concrete(self.high)
        inner = [int(size) for size in map(spread, x.shape, self.interior)]
        shape = [a + size + b for a, size, b in zip(low, inner, high, strict=True)]
        result = np.full(shape, fill, x.dtype)
        places = zip(low, inner, self.interior, strict=True)
        result[tuple(slice(a, a + size, gap + 1) for a, size, gap in places)] = x
        return result

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        x, g = inputs[0], cotangents[0]
        return [self._without(g, x), self._sum_of_filled(x, g) if context.needs(1) else None]

    def _without(self, g: Any, x: Any) -> Any:
        """The elements of `g` where those of `x` stand in the result."""
        # Of a size that may be 0, `spread` holds a maximum, which no slice turns into the size.
        gaps = [
            gap if may_be_empty(size) else 0
            for size, gap in zip(x.shape, self.interior, strict=True)
        ]
        longer = pad(g, [0] * g.ndim, gaps) if any(gaps) else g
        axes = zip(self.low, x.shape, self.interior, gaps, strict=True)
        stop = [
            low + (size * (gap + 1) if more else spread(size, gap)) for low, size, gap, more in axes
        ]
        return slice_(longer, self.low, stop, [gap + 1 for gap in self.interior])

    def jvp(self, context: Any, inputs: Any, outputs: Any, tangents: Any) -> Sequence[Any]:
        return joint_jvp(self, inputs, tangents)

    def batch(
        self, context: Any, inputs: Sequence[Any], is_batched: Sequence[bool]
    ) -> Sequence[Any]:
        x, fill = context.front(inputs[0], is_batched[0]), inputs[1]
        op = Pad((0, *self.low), (0, *self.high), (0, *self.interior))
        if not is_batched[1]:
            return list(x.emit(op, [x, fill]))
        (result,) = x.emit(op, [x, x.full(0, ())])
        values = broadcast(fill, result.shape, [0])
        return [find("where")(op._is_filled(x), values, result)]

    def _sum_of_filled(self, x: Any, g: Any) -> Any:
        # Not the difference of two sums: an infinity in the other part would make it NaN.
        return reduce_sum(find("where")(self._is_filled(x), g, 0), range(g.ndim))

    def _is_filled(self, x: Any) -> Any:
        """Where in the result the fill value stands."""
        inside = x.full(False, x.shape, dtypes.bool_)
        return pad(inside, self.low, self.high, self.interior, True)

    def element(self, context: Any, index: Sequence[Any], loads: Sequence[Any]) -> Any:
        shape = loads[0].type.shape
        conditions: list[Any] = []
        source: list[Any] = []
        for i, size, low, high, gap in zip(
            index, shape, self.low, self.high, self.interior, strict=True
        ):
            if low == high == gap == 0:
                source.append(i)
                continue
            place = affine(i, -low, 1)
            conditions.append(is_between(place, 0, spread(size, gap)))
            if gap:
                conditions.append(find("equal")(place % (gap + 1), 0))
                place = place // (gap + 1)
            source.append(place)
        if not conditions:
            return loads[0](source)
        is_inside = context.let(all_of(conditions))
        with context.masked(is_inside):
            value = loads[0](source)
        return Select(is_inside, value, loads[1](()))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.arange(1, 7, dtype=np.float32).reshape(2, 3)
        fill = np.array(0.5, np.float32)
        n = dims.symbol("n")
        yield Sample(cls((1, 0), (0, 2), (0, 0)), (x, fill), label="edges")
        yield Sample(cls((0, 1), (1, 0), (2, 1)), (x, fill), label="interior")
        yield Sample(cls((0, 0), (0, 0), (0, 0)), (x, fill), label="nothing")
        yield Sample(cls((1, 2), (1, 0), (3, 0)), (x[:1, ::-1], fill), label="size-1")
        yield Sample(cls((2, 0), (1, 1), (2, 0)), (x[:0], fill), label="empty")
        yield Sample(cls((), (), ()), (x[0, 0, ...], fill), label="scalar")
        yield Sample(cls((1,), (2,), (0,)), (np.arange(3), np.array(-7)), label="i64")
        yield Sample(cls((1,), (1,), (1,)), (x[0] > 1, np.array(True)), label="bool")
        yield Sample(cls((1, n), (0, 1), (1, 0)), (x, fill), ((n, 3), ()), label="symbolic")
        m = dims.symbol("m", lower=0)
        for part, label in ((x, "may-be-empty"), (x[:0], "is-empty")):
            yield Sample(cls((1, 0), (0, 0), (2, 0)), (part, fill), ((m, 3), ()), label=label)


def inverse_permutation(perm: Sequence[int]) -> tuple[int, ...]:
    """Where each axis went: `inverse[perm[i]] = i`."""
    return tuple(sorted(range(len(perm)), key=perm.__getitem__))


def spread(size: Size, gap: int) -> Size:
    """The length of `size` elements with `gap` others between neighbours."""
    return size + gap * dims.maximum(size - 1, 0) if gap else size


# ------------------------------------------------------------------------------------ constructors


def transpose(x: GraphOperand, perm: Sequence[int]) -> Any:
    """`x` with axes permuted; `x` itself for the identity."""
    return x if list(perm) == list(range(x.ndim)) else x.emit(Transpose(tuple(perm)), [x])[0]


def slice_(
    x: GraphOperand,
    start: Sequence[Size],
    stop: Sequence[Size],
    step: Sequence[int] | None = None,
) -> Any:
    """`x[start:stop:step]` on every axis; `x` itself when that is all of it."""
    steps = tuple(step) if step is not None else (1,) * x.ndim
    if all(s == 0 for s in start) and tuple(stop) == x.shape and all(s == 1 for s in steps):
        return x
    return x.emit(Slice(tuple(start), tuple(stop), steps), [x])[0]


def slice_axis(x: GraphOperand, axis: int, start: Size, stop: Size, step: int = 1) -> Any:
    """`x` cut along one axis."""
    zeros, ones = (0,) * x.ndim, (1,) * x.ndim
    stops = replaced(x.shape, axis, stop)
    return slice_(x, replaced(zeros, axis, start), stops, replaced(ones, axis, step))


def reverse(x: GraphOperand, axes: Sequence[int]) -> Any:
    """`x` in opposite order along `axes`."""
    return x.emit(Reverse(tuple(sorted(axes))), [x])[0] if axes else x


def pad(
    x: GraphOperand,
    low: Sequence[Size],
    high: Sequence[Size],
    interior: Sequence[int] | None = None,
    fill: Any = 0,
) -> Any:
    """`x` surrounded by `fill`, a number or a scalar operand; `x` itself when nothing is added."""
    gaps = tuple(interior) if interior is not None else (0,) * x.ndim
    if all(amount == 0 for amount in (*low, *high, *gaps)):
        return x
    value = x.full(fill, ()) if isinstance(fill, (bool, int, float, np.generic)) else fill
    return x.emit(Pad(tuple(low), tuple(high), gaps), [x, value])[0]
