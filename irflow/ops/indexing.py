"""Reading and writing at computed positions: gather, scatter, and windows with a dynamic start."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from irflow import dims, dtypes
from irflow.dims import Size
from irflow.errors import DTypeError, ShapeError
from irflow.ir.op import Lowering, Op, Sample, register
from irflow.ir.types import TensorType
from irflow.loops.nodes import Select
from irflow.ops.broadcast import expand, reshape
from irflow.ops.constants import Iota, concrete
from irflow.ops.elementwise import convert
from irflow.ops.index_map import (
    IndexMap,
    all_of,
    check_dtypes,
    check_rank,
    is_between,
    joint_jvp,
    zero_expr,
)
from irflow.ops.positions import (
    ALWAYS,
    check_choice,
    check_indices,
    check_same_shape,
    check_window,
    clipped,
    loop_places,
    loop_starts,
    numpy_places,
    numpy_window,
)
from irflow.scalars import find

if TYPE_CHECKING:
    from irflow.ops.operand import GraphOperand


@register("gather")
class Gather(IndexMap):
    """Slices of `x` at the index tuples in the last axis of `indices`.

    `result[b…, r…] = x[indices[b…, 0], …, indices[b…, k-1], r…]`, of shape
    `indices.shape[:-1] + x.shape[k:]`; indices are of any integer dtype. An index outside of `x`,
    also a negative one, reads the nearest element (`outside="clip"`) or gives 0 (`"drop"`); so does
    any index into an axis that turns out empty at run time.
    Gradient: `scatter` adds into zeros, with the same `outside`.
    """

    outside: str = "clip"
    linear_in: ClassVar[tuple[int, ...] | None] = (0,)

    def infer(self, x: TensorType, indices: TensorType) -> TensorType:
        depth = check_indices("gather", x, indices, self.outside)
        if self.outside == "clip" and 0 in x.shape[:depth] and indices.size != 0:
            axis = x.shape.index(0)
            raise ShapeError(
                "gather: nothing to read along an empty axis",
                facts=[("operand", x, f"axis {axis} = 0"), ("indices", indices)],
            )
        return x.with_shape(indices.shape[:-1] + x.shape[depth:])

    def numpy(self, x: np.ndarray, indices: np.ndarray) -> np.ndarray:
        places, is_inside = numpy_places(x.shape, indices)
        if self.outside == "drop" or 0 in x.shape[: len(places)]:
            result = np.zeros(indices.shape[:-1] + x.shape[indices.shape[-1] :], x.dtype)
            result[is_inside] = x[tuple(axis[is_inside] for axis in places)]
            return result
        return np.asarray(x[clipped(x.shape, places)])

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        x, indices = inputs
        return [scatter(x.full(0, x.shape), indices, cotangents[0], "add", self.outside), None]

    def element(self, context: Any, index: Sequence[Any], loads: Sequence[Any]) -> Any:
        batch = loads[1].type.rank - 1
        shape = loads[0].type.shape
        places, is_inside = loop_places(context, loads[1], index[:batch], shape, self.outside)
        if is_inside is ALWAYS:
            return loads[0]([*places, *index[batch:]])
        with context.masked(is_inside):
            value = loads[0]([*places, *index[batch:]])
        return Select(is_inside, value, zero_expr(value.dtype))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.random.default_rng(2).normal(size=(4, 3, 2)).astype(np.float32)
        n, b = dims.symbol("n"), dims.symbol("b")
        rows = np.array([[0], [3], [3], [1]])
        yield Sample(cls(), (x, rows), label="rows")
        yield Sample(cls(), (x, np.array([[[0, 2], [3, 1]]], np.int32)), label="two-deep")
        yield Sample(cls(), (x, np.array([[1, 2, 0], [1, 2, 0]], np.uint8)), label="elements")
        yield Sample(cls(), (x[:, ::-2], np.array([2], np.int8)), label="one-of-strided")
        wild = np.array([[-1, 1], [9, 2], [2, -5], [3, 0]])
        yield Sample(cls(), (x, wild), label="clipped")
        yield Sample(cls("drop"), (x, wild), label="dropped")
        yield Sample(cls(), (x, np.array([[2**64 - 1], [1]], np.uint64)), label="u64")
        yield Sample(cls(), (x[:1], rows), label="size-1")
        yield Sample(cls(), (x[:0], np.zeros((0, 1), np.int64)), label="empty")
        yield Sample(cls("drop"), (x[:0], rows), label="empty-dropped")
        yield Sample(cls(), (np.arange(5), np.array([[4], [0]])), label="i64")
        yield Sample(cls(), (x, rows), ((n, 3, 2), (b, 1)), label="symbolic")


@register("scatter")
class Scatter(Op):
    """A copy of `x` with slices written or added at the index tuples in the last axis of `indices`.

    The adjoint of `gather`: `updates` have the shape `indices.shape[:-1] + x.shape[k:]`. Duplicates
    accumulate in row-major order (`kind="add"`), or the last one wins (`"set"`). What goes outside
    of `x`, also to negative indices, is dropped, or goes to the nearest element (`outside="clip"`).
    Sums of 16-bit floats round at every addition; the constructor `scatter` widens them.

    Gradient of "add": the cotangent, and gathered from it. Of "set": the cotangent with zeros where
    something was written, and gathered from it where the update is the one that remained.
    """

    kind: str = "add"
    outside: str = "drop"
    lowering: ClassVar[Lowering] = Lowering.NEST

    def infer(self, x: TensorType, indices: TensorType, updates: TensorType) -> TensorType:
        check_choice("scatter", "kind", self.kind, ("add", "set"))
        depth = check_indices("scatter", x, indices, self.outside)
        check_dtypes("scatter", operand=x, updates=updates)
        if self.kind == "add" and x.dtype is dtypes.bool_:
            raise DTypeError("scatter: bools cannot be added", facts=[("operand", x, x.dtype)])
        wanted = x.with_shape(indices.shape[:-1] + x.shape[depth:])
        check_same_shape("scatter: updates do not fit operand and indices", wanted, updates)
        return x

    def numpy(self, x: np.ndarray, indices: np.ndarray, updates: np.ndarray) -> np.ndarray:
        result = np.array(x)
        places, is_inside = numpy_places(x.shape, indices)
        if self.outside == "clip" and 0 not in x.shape[: len(places)]:
            places, is_inside = clipped(x.shape, places), np.ones_like(is_inside)
        kept = tuple(axis[is_inside] for axis in places)
        with np.errstate(all="ignore"):
            if self.kind == "add":
                np.add.at(result, kept, updates[is_inside])
            else:
                result[kept] = updates[is_inside]
        return result

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        (x, indices, updates), g = inputs, cotangents[0]
        to_x, to_updates = g, None
        if self.kind == "set" and context.needs(0):
            to_x = scatter(g, indices, updates.full(0, updates.shape), "set", self.outside)
        if context.needs(2):
            to_updates = self._gathered(x, indices, g)
        return [to_x, None, to_updates]

    def jvp(self, context: Any, inputs: Any, outputs: Any, tangents: Any) -> Sequence[Any]:
        return joint_jvp(self, inputs, tangents)

    def _gathered(self, x: Any, indices: Any, g: Any) -> Any:
        # An update that was dropped gathers zero: with "drop" nothing is read outside.
        result = gather(g, indices, self.outside)
        if self.kind == "add":
            return result
        remained = self._remained(x, indices)
        kept = range(remained.ndim, result.ndim)
        return find("where")(expand(remained, result.shape, kept), result, 0)

    def _remained(self, x: Any, indices: Any) -> Any:
        """Which updates stayed: those whose number, written in the same way, is still there."""
        batch = indices.shape[:-1]
        total = dims.product(batch)
        number = reshape(x.emit(Iota((total,), 0, dtypes.i64), [])[0], batch)
        nobody = x.full(-1, x.shape[: indices.shape[-1]], dtypes.i64)
        owner = scatter(nobody, indices, number, "set", self.outside)
        return find("equal")(gather(owner, indices, self.outside), number)

    def nest(self, context: Any, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        x, indices, updates = inputs
        rest = x.type.shape[indices.type.shape[-1] :]
        context.for_each(x.type.shape, lambda index: context.store(0, index, x(index)))

        def write_slice(batch: Sequence[Any]) -> None:
            places, is_inside = loop_places(context, indices, batch, x.type.shape, self.outside)

            def write(index: Sequence[Any]) -> None:
                target = [*places, *index]
                value = updates([*batch, *index])
                if self.kind == "add":
                    value = context.load_output(0, target) + value
                context.store(0, target, value)

            if is_inside is ALWAYS:
                context.for_each(rest, write)
            else:
                context.if_(is_inside, lambda: context.for_each(rest, write))

        context.for_each(indices.type.shape[:-1], write_slice)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        generator = np.random.default_rng(3)
        x, u = (generator.normal(size=(4, 3)).astype(np.float32) for _ in range(2))
        n, b = dims.symbol("n"), dims.symbol("b")
        rows = np.array([[0], [2], [2], [3]])
        wild = np.array([[-1, 1], [9, 2], [2, -5], [3, 0]], np.int32)
        for kind in ("add", "set"):
            yield Sample(cls(kind), (x, rows, u), label=f"{kind}-duplicates")
            yield Sample(cls(kind), (x, wild, u[:, 0]), label=f"{kind}-dropped")
            yield Sample(cls(kind, "clip"), (x, wild, u[:, 0]), label=f"{kind}-clipped")
            yield Sample(cls(kind), (x, rows[:0], u[:0]), label=f"{kind}-empty")
            yield Sample(cls(kind), (x[:1], rows, u), label=f"{kind}-size-1")
            yield Sample(cls(kind), (x[:0], rows, u), label=f"{kind}-into-empty")
            yield Sample(cls(kind), (x, rows[1], u[1, ::-1]), label=f"{kind}-one-strided")
            symbolic = ((n, 3), (b, 1), (b, 3))
            yield Sample(cls(kind), (x, rows, u), symbolic, label=f"{kind}-symbolic")
        twice = np.array([[[0, 1], [0, 1]], [[2, 2], [0, 1]]], np.uint64)
        yield Sample(cls("set"), (x, twice, u[:2, :2]), label="set-elements")
        yield Sample(
            cls("add"), (np.arange(3), np.array([[1], [1]]), np.array([5, 6])), label="i64"
        )


@register("dynamic_slice")
class DynamicSlice(IndexMap):
    """A window of `x` of the given sizes, beginning at `starts: i64[rank]`.

    A start is clipped so that the window lies inside. Gradient: written back into zeros.
    """

    sizes: tuple[Size, ...]
    linear_in: ClassVar[tuple[int, ...] | None] = (0,)

    def infer(self, x: TensorType, starts: TensorType) -> TensorType:
        check_rank("dynamic_slice", x, sizes=self.sizes)
        check_window("dynamic_slice", x, x.with_shape(self.sizes), starts)
        return x.with_shape(self.sizes)

    def numpy(self, x: np.ndarray, starts: np.ndarray) -> np.ndarray:
        return np.asarray(x[numpy_window(x.shape, concrete(self.sizes), starts)])

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        x, starts = inputs
        return [dynamic_update_slice(x.full(0, x.shape), cotangents[0], starts), None]

    def element(self, context: Any, index: Sequence[Any], loads: Sequence[Any]) -> Any:
        begin = loop_starts(context, loads[1], loads[0].type.shape, self.sizes)
        return loads[0]([a if s is None else a + s for a, s in zip(index, begin, strict=True)])

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.arange(12, dtype=np.float32).reshape(3, 4)
        n = dims.symbol("n", lower=2)
        yield Sample(cls((2, 2)), (x, np.array([1, 1])), label="inside")
        yield Sample(cls((2, 3)), (x, np.array([-4, 9])), label="clipped")
        yield Sample(cls((1, 4)), (x[:, ::-1], np.array([2, 0])), label="row-of-strided")
        yield Sample(cls((0, 4)), (x, np.array([3, 1])), label="empty")
        yield Sample(cls(()), (x[0, 0, ...], np.zeros(0, np.int64)), label="scalar")
        yield Sample(cls((2, 3)), (x, np.array([5, 0])), ((n, 4), (2,)), label="symbolic")


@register("dynamic_update_slice")
class DynamicUpdateSlice(Op):
    """A copy of `x` with a window, beginning at `starts: i64[rank]`, replaced by `update`.

    A start is clipped so that the window lies inside. Gradient: the cotangent with zeros in the
    window, and the window of it.
    """

    lowering: ClassVar[Lowering] = Lowering.ELEMENT

    def infer(self, x: TensorType, update: TensorType, starts: TensorType) -> TensorType:
        check_dtypes("dynamic_update_slice", operand=x, update=update)
        if update.rank != x.rank:
            raise ShapeError(
                "dynamic_update_slice: ranks differ",
                facts=[("operand", x, f"rank {x.rank}"), ("update", update, f"rank {update.rank}")],
            )
        check_window("dynamic_update_slice", x, update, starts)
        return x

    def numpy(self, x: np.ndarray, update: np.ndarray, starts: np.ndarray) -> np.ndarray:
        result = np.array(x)
        result[numpy_window(x.shape, update.shape, starts)] = update
        return result

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        (_, update, starts), g = inputs, cotangents[0]
        zeros = update.full(0, update.shape)
        return [
            dynamic_update_slice(g, zeros, starts) if context.needs(0) else None,
            dynamic_slice(g, starts, update.shape) if context.needs(1) else None,
            None,
        ]

    def jvp(self, context: Any, inputs: Any, outputs: Any, tangents: Any) -> Sequence[Any]:
        return joint_jvp(self, inputs, tangents)

    def element(self, context: Any, index: Sequence[Any], loads: Sequence[Any]) -> Any:
        sizes = loads[1].type.shape
        begin = loop_starts(context, loads[2], loads[0].type.shape, sizes)
        conditions = []
        source = list(index)
        for axis, (size, start) in enumerate(zip(sizes, begin, strict=True)):
            if start is not None:
                source[axis] = index[axis] - start
                conditions.append(is_between(source[axis], 0, size))
        if not conditions:
            return loads[1](source)
        is_inside = context.let(all_of(conditions))
        with context.masked(is_inside):
            value = loads[1](source)
        return Select(is_inside, value, loads[0](index))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.arange(12, dtype=np.float32).reshape(3, 4)
        n = dims.symbol("n", lower=2)
        yield Sample(cls(), (x, -x[:2, :2], np.array([1, 1])), label="inside")
        yield Sample(cls(), (x, -x[:2, ::-2], np.array([9, -1])), label="clipped")
        yield Sample(cls(), (x, -x, np.array([1, 1])), label="whole")
        yield Sample(cls(), (x, x[:, :0], np.array([0, 0])), label="empty")
        yield Sample(cls(), (x[:1], -x[:1, 1:2], np.array([0, 3])), label="size-1")
        scalar = (x[0, 1, ...], x[0, 2, ...], np.zeros(0, np.int64))
        yield Sample(cls(), scalar, label="scalar")
        symbolic = ((n, 4), (2, 2), (2,))
        yield Sample(cls(), (x, -x[:2, :2], np.array([1, 2])), symbolic, label="symbolic")


# ------------------------------------------------------------------------------------ constructors


def gather(x: GraphOperand, indices: GraphOperand, outside: str = "clip") -> Any:
    """`x[indices[…, 0], …, indices[…, k-1]]` for index tuples of length k."""
    return x.emit(Gather(outside), [x, indices])[0]


def scatter(
    x: GraphOperand,
    indices: GraphOperand,
    updates: GraphOperand,
    kind: str = "add",
    outside: str = "drop",
) -> Any:
    """`x` with `updates` added or written at index tuples; 16-bit floats are summed in f32."""
    wide = dtypes.compute_dtype(x.dtype) if kind == "add" else x.dtype
    operands = [convert(x, wide), indices, convert(updates, wide)]
    return convert(x.emit(Scatter(kind, outside), operands)[0], x.dtype)


def dynamic_slice(x: GraphOperand, starts: GraphOperand, sizes: Sequence[Size]) -> Any:
    """The window of `sizes` at `starts`; `x` itself when the window is all of it."""
    return x if x.shape == tuple(sizes) else x.emit(DynamicSlice(tuple(sizes)), [x, starts])[0]


def dynamic_update_slice(x: GraphOperand, update: GraphOperand, starts: GraphOperand) -> Any:
    """`x` with the window at `starts` replaced; `update` itself when it covers all of `x`."""
    if x.shape == update.shape:
        return update
    return x.emit(DynamicUpdateSlice(), [x, update, starts])[0]
