"""Elementwise functions and conversion between element types."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from irflow import dtypes
from irflow.dims import Size
from irflow.dtypes import DType
from irflow.errors import DTypeError, ShapeError
from irflow.ir.op import Cost, Lowering, Op, Sample, register
from irflow.ir.types import TensorType
from irflow.scalars import KINDS, ROWS, Scalar

if TYPE_CHECKING:
    from irflow.ops.operand import GraphOperand


@register("elementwise")
class Elementwise(Op):
    """A scalar function applied at every index: `result[i] = row(x[i], y[i], …)`.

    Shapes are equal: broadcasting is a node of its own. Dtypes are equal, but for the condition of
    `where`. Gradient: the row's rules.
    """

    row: Scalar
    lowering: ClassVar[Lowering] = Lowering.ELEMENT

    def infer(self, *types: TensorType) -> TensorType:
        dtype = self.row.infer([t.dtype for t in types])
        first = types[0]
        for other in types[1:]:
            if other.shape != first.shape:
                raise ShapeError(
                    f"{self.row.name}: operands of different shapes",
                    facts=[(f"operand {i}", t) for i, t in enumerate(types)],
                    hint="broadcast them to one shape first",
                )
        return TensorType(dtype, first.shape)

    def numpy(self, *inputs: np.ndarray) -> np.ndarray:
        return np.asarray(self.row.numpy(*inputs))

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        (g,) = cotangents
        rules = self.row.gradients or (None,) * len(inputs)
        return [
            rule(g, *inputs, outputs[0]) if rule and context.needs(i) else None
            for i, rule in enumerate(rules)
        ]

    def jvp(self, context: Any, inputs: Any, outputs: Any, tangents: Any) -> Sequence[Any]:
        parts = [
            rule(tangent, *inputs, outputs[0])
            for rule, tangent in zip(self.row.gradients, tangents, strict=False)
            if rule is not None and tangent is not None
        ]
        return [sum(parts[1:], parts[0]) if parts else None]

    def element(self, context: Any, index: Sequence[Any], loads: Sequence[Any]) -> Any:
        return self.row(*(load(index) for load in loads))

    def with_leading_axis(self, size: Size) -> Op:
        return self

    def cost(self, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Cost:
        traffic = sum((t.nbytes for t in (*inputs, *outputs)), 0)
        return Cost(outputs[0].size * self.row.flops, traffic)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for row in ROWS.values():
            for dtype in _sample_dtypes(row):
                wrt = None if row.is_differentiable else ()
                inputs = row_inputs(row, dtype)
                yield Sample(cls(row), inputs, None, wrt, label=f"{row.name}-{dtype}")


def _sample_dtypes(row: Scalar) -> list[DType]:
    order = (dtypes.f32, dtypes.f64, dtypes.i32, dtypes.u32, dtypes.bool_, dtypes.complex64)
    return [dtype for dtype in order if dtype.kind in KINDS[row.accepts]]


def row_inputs(
    row: Scalar, dtype: DType, shape: tuple[int, ...] = (4, 3), seed: int = 0
) -> tuple[np.ndarray, ...]:
    """Random inputs inside the domain in which a row is smooth."""
    generator = np.random.default_rng(seed)
    arrays = [
        generator.uniform(low, high, shape).astype(dtype.numpy)
        if dtype.is_inexact
        else generator.integers(*_integer_range(low, high, dtype), shape).astype(dtype.numpy)
        for low, high in row.domain
    ]
    if dtype.kind == "complex":
        parts = [1j * generator.uniform(-1, 1, shape) for _ in arrays]
        arrays = [(x + y).astype(dtype.numpy) for x, y in zip(arrays, parts, strict=True)]
    if row.selects:
        arrays[0] = generator.integers(0, 2, shape).astype(bool)
    return tuple(arrays)


def _integer_range(low: float, high: float, dtype: DType) -> tuple[int, int]:
    """Where integer samples come from: smoothness does not matter, but a domain from 0 on does."""
    if dtype.kind == "bool":
        return 0, 2
    is_negative = dtype.kind == "int" and low != 0
    return min(-5, int(low)) if is_negative else 0, max(6, int(high) + 1)


@register("convert")
class Convert(Op):
    """Another element type.

    Floats to integers truncate and saturate, NaN becomes 0; to bool: `x != 0`.

    Gradient: converted back between floats; zero through integers and bools.
    """

    dtype: DType
    lowering: ClassVar[Lowering] = Lowering.ELEMENT

    def infer(self, x: TensorType) -> TensorType:
        if x.dtype.kind == "complex" and self.dtype.kind != "complex":
            raise DTypeError(f"convert: {x.dtype} to {self.dtype} would drop the imaginary part")
        return x.with_dtype(self.dtype)

    def numpy(self, x: np.ndarray) -> np.ndarray:
        source = dtypes.from_numpy(x.dtype)
        if source.is_float and self.dtype.is_integer:
            return _saturate(x, self.dtype)
        with np.errstate(all="ignore"):
            return x.astype(self.dtype.numpy)

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        source = inputs[0].dtype
        if not (source.is_inexact and self.dtype.is_inexact):
            return [None]
        return [convert(cotangents[0], source)]

    def jvp(self, context: Any, inputs: Any, outputs: Any, tangents: Any) -> Sequence[Any]:
        if tangents[0] is None or not self.dtype.is_inexact:
            return [None]
        return [convert(tangents[0], self.dtype)]

    def element(self, context: Any, index: Sequence[Any], loads: Sequence[Any]) -> Any:
        return context.convert(loads[0](index), self.dtype)

    def with_leading_axis(self, size: Size) -> Op:
        return self

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        values = np.array([0.0, 1.0, -1.5, 2.7, 100.0, 3e9, -3e9, np.inf, -np.inf, np.nan])
        for target in (dtypes.i32, dtypes.u8, dtypes.i64, dtypes.bool_):
            yield Sample(cls(target), (values.astype(np.float32),), label=f"f32-{target}")
        smooth = np.array([[0.5, -1.25, 3.0]])
        yield Sample(cls(dtypes.f64), (smooth.astype(np.float32),), label="f32-f64")
        yield Sample(cls(dtypes.f32), (smooth,), label="f64-f32", differentiable=())
        yield Sample(
            cls(dtypes.bf16), (smooth.astype(np.float32),), label="f32-bf16", differentiable=()
        )
        yield Sample(
            cls(dtypes.f16), (smooth.astype(np.float32),), label="f32-f16", differentiable=()
        )
        yield Sample(cls(dtypes.f32), (np.arange(-3, 3),), label="i64-f32")
        yield Sample(cls(dtypes.u8), (np.array([-1, 255, 256]),), label="i64-u8")


def _saturate(x: np.ndarray, dtype: DType) -> np.ndarray:
    limits = np.iinfo(dtype.numpy.str)
    wide = np.trunc(np.nan_to_num(x.astype(np.float64), nan=0.0, posinf=np.inf, neginf=-np.inf))
    inside = np.where((wide > float(limits.min)) & (wide < float(limits.max)), wide, 0.0)
    result = inside.astype(dtype.numpy)
    result = np.where(wide <= float(limits.min), np.array(limits.min, dtype.numpy), result)
    return np.asarray(
        np.where(wide >= float(limits.max), np.array(limits.max, dtype.numpy), result)
    )


def convert(x: GraphOperand, dtype: DType) -> Any:
    """`x` in another element type; `x` itself when it has that type."""
    return x if x.dtype is dtype else x.emit(Convert(dtype), [x])[0]


@cache
def ufunc_of(row: Scalar) -> np.ufunc | None:
    """The NumPy ufunc behind a row, if it is one."""
    meaning = getattr(row.numpy, "__wrapped__", row.numpy)
    return meaning if isinstance(meaning, np.ufunc) else None
