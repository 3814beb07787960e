"""Broadcasting and its adjoint, reduction; and reshape, on which the gradient of both leans."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from irflow import dims, dtypes
from irflow.dims import Size
from irflow.errors import DTypeError, GradientError, ShapeError, UndecidableSizeError
from irflow.ir.op import Cost, Lowering, Op, Sample, register
from irflow.ir.types import TensorType
from irflow.loops.nodes import integer, size_expr
from irflow.ops.constants import concrete
from irflow.ops.elementwise import convert, ufunc_of
from irflow.ops.index_map import one_further
from irflow.scalars import Scalar, find

if TYPE_CHECKING:
    from irflow.ops.operand import GraphOperand


@register("broadcast")
class Broadcast(Op):
    """Repeat along new or size-1 axes: input axis `i` becomes output axis `axes[i]`.

    `axes` ascends. Each input size equals the output size there, or is 1. Gradient: the sum over
    the repeats.
    """

    shape: tuple[Size, ...]
    axes: tuple[int, ...]
    lowering: ClassVar[Lowering] = Lowering.ELEMENT
    linear_in: ClassVar[tuple[int, ...] | None] = (0,)

    def infer(self, x: TensorType) -> TensorType:
        rank = len(self.shape)
        if (
            len(self.axes) != x.rank
            or list(self.axes) != sorted(set(self.axes))
            or any(not 0 <= a < rank for a in self.axes)
        ):
            raise ShapeError(f"broadcast: axes {self.axes} do not place {x} in rank {rank}")
        for i, axis in enumerate(self.axes):
            size = x.shape[i]
            if (
                size != 1
                and size != self.shape[axis]
                and not dims.decide_equal(size, self.shape[axis])
            ):
                raise ShapeError(
                    "broadcast: sizes differ and the first is not 1",
                    facts=[
                        ("operand", x, f"axis {i} = {size}"),
                        (
                            "result",
                            TensorType(x.dtype, self.shape),
                            f"axis {axis} = {self.shape[axis]}",
                        ),
                    ],
                )
        return x.with_shape(self.shape)

    def numpy(self, x: np.ndarray) -> np.ndarray:
        shape = concrete(self.shape)
        aligned = [1] * len(shape)
        for i, axis in enumerate(self.axes):
            aligned[axis] = x.shape[i]
        return np.broadcast_to(x.reshape(aligned), shape)

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        (x,) = inputs
        repeated = self.repeated_axes(x.shape)
        summed = reduce_sum(cotangents[0], repeated)
        return [reshape(summed, x.shape)]

    def with_leading_axis(self, size: Size) -> Op:
        return Broadcast((size, *self.shape), (0, *one_further(self.axes)))

    def repeated_axes(self, shape: Sequence[Size]) -> tuple[int, ...]:
        """Output axes along which an operand of `shape` is repeated."""
        kept = {
            axis for size, axis in zip(shape, self.axes, strict=True) if size == self.shape[axis]
        }
        return tuple(axis for axis in range(len(self.shape)) if axis not in kept)

    def element(self, context: Any, index: Sequence[Any], loads: Sequence[Any]) -> Any:
        shape = loads[0].type.shape
        kept = [size == self.shape[axis] for size, axis in zip(shape, self.axes, strict=True)]
        return loads[0](
            [
                index[axis] if keep else integer(0)
                for keep, axis in zip(kept, self.axes, strict=True)
            ]
        )

    def cost(self, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Cost:
        return Cost(0, inputs[0].nbytes + outputs[0].nbytes)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.arange(6, dtype=np.float32).reshape(2, 3)
        n = dims.symbol("n")
        yield Sample(cls((4, 2, 3), (1, 2)), (x,), label="new-axis")
        yield Sample(cls((2, 4, 3), (0, 2)), (x,), label="between")
        yield Sample(cls((2, 5), (0, 1)), (x[:, :1],), label="size-1")
        yield Sample(cls((3, 2), ()), (np.array(1.5, np.float32),), label="scalar")
        yield Sample(cls((0, 3), (1,)), (x[0],), label="empty")
        yield Sample(cls((4, n, 3), (1, 2)), (x,), ((n, 3),), label="symbolic")


@register("reshape")
class Reshape(Op):
    """The same elements in row-major order under another shape. Gradient: reshaped back."""

    shape: tuple[Size, ...]
    lowering: ClassVar[Lowering] = Lowering.ELEMENT
    linear_in: ClassVar[tuple[int, ...] | None] = (0,)

    def infer(self, x: TensorType) -> TensorType:
        if not dims.decide_equal(x.size, dims.product(self.shape)):
            raise ShapeError(
                "reshape: numbers of elements differ",
                facts=[
                    ("operand", x, f"{x.size} elements"),
                    (
                        "result",
                        TensorType(x.dtype, self.shape),
                        f"{dims.product(self.shape)} elements",
                    ),
                ],
            )
        return x.with_shape(self.shape)

    def numpy(self, x: np.ndarray) -> np.ndarray:
        return x.reshape(concrete(self.shape))

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        return [reshape(cotangents[0], inputs[0].shape)]

    def jvp(self, context: Any, inputs: Any, outputs: Any, tangents: Any) -> Sequence[Any]:
        return [None if tangents[0] is None else reshape(tangents[0], self.shape)]

    def with_leading_axis(self, size: Size) -> Op:
        return Reshape((size, *self.shape))

    def element(self, context: Any, index: Sequence[Any], loads: Sequence[Any]) -> Any:
        return loads[0](reshape_index(context, index, self.shape, loads[0].type.shape))

    def cost(self, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Cost:
        return Cost(0, inputs[0].nbytes + outputs[0].nbytes)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
        n = dims.symbol("n")
        yield Sample(cls((6, 4)), (x,), label="merge")
        yield Sample(cls((2, 12)), (x,), label="merge-tail")
        yield Sample(cls((4, 6)), (x,), label="regroup")
        yield Sample(cls((2, 1, 3, 4, 1)), (x,), label="ones")
        yield Sample(cls(()), (x[:1, :1, :1],), label="to-scalar")
        yield Sample(cls((0, 5)), (x[:0],), label="empty")
        yield Sample(cls((n, 12)), (x,), ((n, 3, 4),), label="symbolic")


def reshape_index(
    context: Any, index: Sequence[Any], outer: Sequence[Size], inner: Sequence[Size]
) -> list[Any]:
    """The index under shape `inner` of the element at `index` under shape `outer`.

    Runs of axes with equal products are matched first, so that most reshapes need no division.
    """
    result: list[Any] = []
    i = j = 0
    while i < len(outer) or j < len(inner):
        start_i, start_j = i, j
        i, left = _take(outer, i, 1)
        j, right = _take(inner, j, 1)
        while left != right:
            if j < len(inner) and (i >= len(outer) or _is_smaller(right, left)):
                j, right = _take(inner, j, right)
            elif i < len(outer):
                i, left = _take(outer, i, left)
            else:
                break
        result.extend(_regroup(context, index[start_i:i], outer[start_i:i], inner[start_j:j]))
    return result


def _take(shape: Sequence[Size], position: int, product: Size) -> tuple[int, Size]:
    return (
        (position + 1, product * shape[position]) if position < len(shape) else (position, product)
    )


def _is_smaller(a: Size, b: Size) -> bool:
    try:
        return bool(a < b)
    except UndecidableSizeError:
        return True


def _regroup(
    context: Any, index: Sequence[Any], outer: Sequence[Size], inner: Sequence[Size]
) -> list[Any]:
    wide_outer = [k for k, size in enumerate(outer) if size != 1]
    wide_inner = [k for k, size in enumerate(inner) if size != 1]
    parts = [integer(0)] * len(inner)
    if len(wide_outer) <= 1 and len(wide_inner) <= 1:
        if wide_inner and wide_outer:
            parts[wide_inner[0]] = index[wide_outer[0]]
        return parts
    flat: Any = integer(0)
    for position, size in zip(index, outer, strict=True):
        flat = flat * size_expr(size) + position
    flat = context.let(flat)
    for k in reversed(range(len(inner))):
        if inner[k] == 1:
            continue
        is_last = all(size == 1 for size in inner[:k])
        parts[k] = flat if is_last else flat % size_expr(inner[k])
        if not is_last:
            flat = context.let(flat // size_expr(inner[k]))
    return parts


@register("reduce")
class Reduce(Op):
    """Combine all elements along `axes` by an associative row; the axes are dropped.

    `add`, `multiply`, `maximum`, `minimum`, logical and bitwise rows. Over an empty axis the result
    is the row's identity. 16-bit floats are accumulated in f32. Gradient of maximum and minimum:
    shared evenly among ties. Gradient of multiply: exact to first order also where factors are
    zero.
    """

    row: Scalar
    axes: tuple[int, ...]
    lowering: ClassVar[Lowering] = Lowering.REDUCTION

    def infer(self, x: TensorType) -> TensorType:
        if self.row.identity is None or self.row.arity != 2:
            raise DTypeError(f"reduce: {self.row.name} cannot reduce")
        if list(self.axes) != sorted(set(self.axes)) or any(
            not 0 <= axis < x.rank for axis in self.axes
        ):
            raise ShapeError(
                f"reduce: axes {self.axes} of {x}", hint="axes ascend and count from 0"
            )
        dtype = self.row.infer([x.dtype, x.dtype])
        return TensorType(
            dtype, tuple(size for axis, size in enumerate(x.shape) if axis not in self.axes)
        )

    def numpy(self, x: np.ndarray) -> np.ndarray:
        dtype = dtypes.from_numpy(x.dtype)
        assert self.row.identity is not None
        ufunc = ufunc_of(self.row)
        assert ufunc is not None, self.row
        wide = dtypes.compute_dtype(dtype).numpy
        with np.errstate(all="ignore"):
            result = ufunc.reduce(
                x.astype(wide, copy=False),
                axis=self.axes,
                dtype=wide if dtype.kind != "bool" else None,
                initial=self.row.identity(dtype),
            )
        return np.asarray(result).astype(x.dtype, copy=False)

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        g = expand(cotangents[0], inputs[0].shape, self.axes)
        factor = self._derivative(inputs[0], outputs[0])
        return [g if factor is None else g * factor]

    def jvp(self, context: Any, inputs: Any, outputs: Any, tangents: Any) -> Sequence[Any]:
        (t,) = tangents
        if t is None:
            return [None]
        factor = self._derivative(inputs[0], outputs[0])
        return [reduce_sum(t if factor is None else t * factor, self.axes)]

    def _derivative(self, x: Any, y: Any) -> Any:
        """D result / d x at every element; None for 1."""
        if self.row.name == "add":
            return None
        full = expand(y, x.shape, self.axes)
        if self.row.name in ("maximum", "minimum"):
            hit = convert(find("equal")(x, full), x.dtype)
            return hit / expand(reduce_sum(hit, self.axes), x.shape, self.axes)
        if self.row.name == "multiply":
            return self._product_derivative(x, full)
        raise GradientError(f"reduce<{self.row.name}> has no gradient")

    def _product_derivative(self, x: Any, product: Any) -> Any:
        where, equal = find("where"), find("equal")
        is_zero = equal(x, 0)
        zeros = expand(reduce_sum(convert(is_zero, x.dtype), self.axes), x.shape, self.axes)
        others = expand(
            reduce(find("multiply"), where(is_zero, 1, x), self.axes), x.shape, self.axes
        )
        at_zero = where(equal(zeros, 1), others, 0)
        return where(is_zero, at_zero, product / where(is_zero, 1, x))

    def element(self, context: Any, index: Sequence[Any], loads: Sequence[Any]) -> Any:
        shape = loads[0].type.shape
        extents = [shape[axis] for axis in self.axes]

        def body(inner: Sequence[Any]) -> Any:
            outer, reduced = iter(index), iter(inner)
            return loads[0](
                [next(reduced) if axis in self.axes else next(outer) for axis in range(len(shape))]
            )

        return context.reduce(self.row, loads[0].type.dtype, extents, body)

    def with_leading_axis(self, size: Size) -> Op:
        return Reduce(self.row, one_further(self.axes))

    def cost(self, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Cost:
        return Cost(inputs[0].size * self.row.flops, inputs[0].nbytes + outputs[0].nbytes)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        generator = np.random.default_rng(1)
        x = generator.normal(size=(3, 4, 5)).astype(np.float32)
        n = dims.symbol("n")
        for name in ("add", "multiply", "maximum", "minimum"):
            yield Sample(cls(find(name), (1,)), (x,), label=name)
            yield Sample(cls(find(name), (0, 2)), (x,), label=f"{name}-two")
            yield Sample(cls(find(name), (0,)), (x[:0],), label=f"{name}-empty", differentiable=())
        yield Sample(cls(find("add"), (0, 1, 2)), (x,), label="all")
        yield Sample(cls(find("add"), ()), (x,), label="no-axes")
        yield Sample(cls(find("add"), (0,)), (x,), ((n, 4, 5),), label="symbolic")
        tied = np.array([[1.0, 2.0, 2.0]], np.float32)
        yield Sample(cls(find("maximum"), (1,)), (tied,), label="ties", differentiable=())
        yield Sample(
            cls(find("maximum"), (1,)),
            (np.array([[1.0, np.nan, 2.0]], np.float32),),
            label="nan",
            differentiable=(),
        )
        yield Sample(cls(find("add"), (1,)), (np.arange(12).reshape(3, 4),), label="i64")
        yield Sample(cls(find("logical_or"), (0,)), (x[:, :, 0] > 1,), label="any")


# ------------------------------------------------------------------------------------ constructors


def broadcast(x: GraphOperand, shape: Sequence[Size], axes: Sequence[int]) -> Any:
    """`x` repeated to `shape`; its axis `i` becomes `axes[i]`."""
    if x.shape == tuple(shape):
        return x
    return x.emit(Broadcast(tuple(shape), tuple(axes)), [x])[0]


def broadcast_to(x: GraphOperand, shape: Sequence[Size]) -> Any:
    """NumPy's `broadcast_to`: axes are aligned at the end."""
    return broadcast(x, shape, range(len(shape) - x.ndim, len(shape)))


def reshape(x: GraphOperand, shape: Sequence[Size]) -> Any:
    """`x` under another shape; `x` itself when it has that shape."""
    return x if x.shape == tuple(shape) else x.emit(Reshape(tuple(shape)), [x])[0]


def reduce(row: Scalar, x: GraphOperand, axes: Sequence[int]) -> Any:
    """`x` combined along `axes`, which are dropped."""
    return x.emit(Reduce(row, tuple(axes)), [x])[0] if axes else x


def reduce_sum(x: GraphOperand, axes: Sequence[int]) -> Any:
    """The sum along `axes`, which are dropped; `x` itself when there are none."""
    return reduce(find("add"), x, axes)


def expand(x: GraphOperand, shape: Sequence[Size], axes: Sequence[int]) -> Any:
    """The adjoint of dropping `axes`: repeat `x` along them to reach `shape`."""
    return broadcast(x, shape, [axis for axis in range(len(shape)) if axis not in set(axes)])
