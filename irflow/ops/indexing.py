"""Reading and writing at computed positions: gather and scatter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from irflow import dims, dtypes
from irflow.errors import ShapeError
from irflow.ir.op import Lowering, Op, Sample, register
from irflow.ir.types import TensorType
from irflow.loops.nodes import Select
from irflow.ops.batch_axes import inwards, outwards
from irflow.ops.batch_indices import (
    with_batch_number,
)
from irflow.ops.broadcast import expand, reshape
from irflow.ops.constants import Iota
from irflow.ops.elementwise import convert, ufunc_of
from irflow.ops.index_map import (
    IndexMap,
    check_dtypes,
    joint_jvp,
    zero_expr,
)
from irflow.ops.positions import (
    ALWAYS,
    check_choice,
    check_indices,
    check_same_shape,
    clipped,
    loop_places,
    numpy_places,
)
from irflow.ops.scatter_kinds import (
    ARITHMETIC,
    KINDS,
    Scattered,
    check_joins,
    factors,
    joined_tangent,
    row_of,
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

    def batch(
        self, context: Any, inputs: Sequence[Any], is_batched: Sequence[bool]
    ) -> Sequence[Any]:
        x, indices = inputs
        if not is_batched[0]:
            return [gather(x, indices, self.outside)]
        if is_batched[1]:
            return [gather(x, with_batch_number(indices), self.outside)]
        result = gather(inwards(x, indices.shape[-1]), indices, self.outside)
        return [outwards(result, indices.ndim - 1)]

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
    """A copy of `x` with slices joined to it at the index tuples in the last axis of `indices`.

    The adjoint of `gather`: `updates` have the shape `indices.shape[:-1] + x.shape[k:]`. `kind` is
    "add", "multiply", "min" or "max", where duplicates accumulate in row-major order and NaN wins,
    or "set", where the last one wins. What goes outside of `x`, also to negative indices, is
    dropped, or goes to the nearest element (`outside="clip"`). Sums and products of 16-bit floats
    round at every step; the constructor `scatter` widens them.

    Gradient of "add": the cotangent, and gathered from it. Of "set": the cotangent with zeros where
    something was written, and gathered from it where the update is the one that remained. Of "min"
    and "max": shared evenly among the elements of `x` and `updates` that equal the result. Of
    "multiply": times the product of all other factors, zeros among them counted exactly.
    """

    kind: str = "add"
    outside: str = "drop"
    lowering: ClassVar[Lowering] = Lowering.NEST

    def infer(self, x: TensorType, indices: TensorType, updates: TensorType) -> TensorType:
        check_choice("scatter", "kind", self.kind, KINDS)
        depth = check_indices("scatter", x, indices, self.outside)
        check_dtypes("scatter", operand=x, updates=updates)
        check_joins(self.kind, x)
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
            if row := row_of(self.kind):
                ufunc = ufunc_of(row)
                assert ufunc is not None, row
                ufunc.at(result, kept, updates[is_inside])
            else:
                result[kept] = updates[is_inside]
        return result

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        (x, indices, updates), g = inputs, cotangents[0]
        if self.kind not in ("add", "set"):
            own, others = self._factors(inputs, outputs[0])
            return [g * own, None, gather(g, indices, self.outside) * others]
        to_x, to_updates = g, None
        if self.kind == "set" and context.needs(0):
            to_x = scatter(g, indices, updates.full(0, updates.shape), "set", self.outside)
        if context.needs(2):
            to_updates = self._gathered(x, indices, g)
        return [to_x, None, to_updates]

    def jvp(self, context: Any, inputs: Any, outputs: Any, tangents: Any) -> Sequence[Any]:
        if self.kind in ("add", "set"):
            return joint_jvp(self, inputs, tangents)
        both = tangents[0], tangents[2]
        if both == (None, None):
            return [None]
        return [joined_tangent(self._factors(inputs, outputs[0]), both, self._to(inputs[1]))]

    def _factors(self, inputs: Any, y: Any) -> tuple[Any, Any]:
        x, indices, updates = inputs
        to = self._to(indices)
        return factors(self.kind, x, updates, y, to, lambda x: gather(x, indices, self.outside))

    def _to(self, indices: Any) -> Scattered:
        return lambda kind, x, updates: scatter(x, indices, updates, kind, self.outside)

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

    def batch(
        self, context: Any, inputs: Sequence[Any], is_batched: Sequence[bool]
    ) -> Sequence[Any]:
        indices = inputs[1]
        x, updates = (context.front(inputs[i], is_batched[i]) for i in (0, 2))
        if is_batched[1]:
            return list(x.emit(self, [x, with_batch_number(indices), updates]))
        depth = indices.shape[-1]
        (result,) = x.emit(self, [inwards(x, depth), indices, inwards(updates, indices.ndim - 1)])
        return [outwards(result, depth)]

    def nest(self, context: Any, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        x, indices, updates = inputs
        row = row_of(self.kind)
        rest = x.type.shape[indices.type.shape[-1] :]
        context.for_each(x.type.shape, lambda index: context.store(0, index, x(index)))

        def write_slice(batch: Sequence[Any]) -> None:
            places, is_inside = loop_places(context, indices, batch, x.type.shape, self.outside)

            def write(index: Sequence[Any]) -> None:
                target = [*places, *index]
                value = updates([*batch, *index])
                if row:
                    value = row(context.load_output(0, target), value)
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
        for kind in KINDS:
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
        zeros = np.array([[0, 2, 0], [0, 5, 3]], np.float32)
        yield Sample(
            cls("multiply"), (x, rows[1:3], zeros), label="multiply-zeros", is_smooth=False
        )
        tied = np.array([[1, 1, np.nan], [2, 1, 0]], np.float32)
        yield Sample(
            cls("max"), (tied, rows[:2] * 0, tied), label="max-ties-nan", differentiable=()
        )
        ints = np.arange(3), np.array([[1], [1]]), np.array([5, 6])
        for kind in KINDS:
            yield Sample(cls(kind), ints, label=f"{kind}-i64")


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
    """`x` with `updates` joined to it at index tuples; 16-bit sums and products are in f32."""
    wide = dtypes.compute_dtype(x.dtype) if kind in ARITHMETIC else x.dtype
    operands = [convert(x, wide), indices, convert(updates, wide)]
    return convert(x.emit(Scatter(kind, outside), operands)[0], x.dtype)
