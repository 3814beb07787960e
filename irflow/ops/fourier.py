"""Discrete Fourier transforms, computed by the host."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from irflow import dims, dtypes
from irflow.dims import Size
from irflow.errors import DTypeError, ShapeError, UsageError
from irflow.ir.op import Cost, Lowering, Op, Sample, register
from irflow.ir.types import TensorType
from irflow.ops.constants import concrete

if TYPE_CHECKING:
    from irflow.ops.operand import GraphOperand

FORWARD = ("fft", "rfft")
TAKES_COMPLEX = ("fft", "ifft", "irfft")
KINDS = (*TAKES_COMPLEX, "rfft")
NORMS = ("backward", "ortho", "forward")


@register("fourier")
class Fourier(Op):
    """`y[k] = sum over j of x[j] exp(-2 pi i j k / n)` along each of `axes`.

    Kinds: "fft" and "ifft", of complex numbers, the latter with the opposite sign in the exponent;
    "rfft", of real numbers, keeps the first `n // 2 + 1` results along the last of `axes`, from
    which the others follow; "irfft" is its inverse, which makes `size` real numbers there. `norm`
    says where the factor `1 / n` is: "backward" at the inverse, "forward" the other way round, or
    "ortho", a root of it at both. f32 and complex64 are computed as such. No gradient: there are
    no derivatives through complex numbers.
    """

    kind: str
    axes: tuple[int, ...]
    size: Size = 0
    norm: str = "backward"
    lowering: ClassVar[Lowering] = Lowering.HOST

    def infer(self, x: TensorType) -> TensorType:
        self._check(x)
        last = self.axes[-1]
        if self.kind == "rfft":
            return _resized(x, last, x.shape[last] // 2 + 1).with_dtype(dtypes.to_complex(x.dtype))
        if self.kind == "irfft":
            return _resized(x, last, self.size).with_dtype(dtypes.to_real(x.dtype))
        return x

    def _check(self, x: TensorType) -> None:
        if self.kind not in KINDS or self.norm not in NORMS:
            raise UsageError(f"fourier: kind {self.kind!r}, norm {self.norm!r}")
        if x.dtype not in _operand_types(self.kind):
            wanted = ", ".join(map(str, _operand_types(self.kind)))
            facts = [("operand", x), ("wanted", wanted)]
            raise DTypeError(f"{self.kind}: the operand has another element type", facts=facts)
        is_distinct = len(set(self.axes)) == len(self.axes)
        if not self.axes or not is_distinct or any(not 0 <= axis < x.rank for axis in self.axes):
            raise ShapeError(f"{self.kind}: axes {self.axes} of {x}")
        sizes = [x.shape[axis] for axis in self.axes]
        if any(size == 0 for size in sizes):
            raise ShapeError(f"{self.kind}: a transform of no points", facts=[("operand", x)])

    def numpy(self, x: np.ndarray) -> np.ndarray:
        sizes = [x.shape[axis] for axis in self.axes]
        if self.kind == "irfft":
            sizes[-1] = concrete((self.size,))[0]
        transform = getattr(np.fft, f"{self.kind}n")  # NumPy loads the module when it is asked for
        result = np.asarray(transform(x, s=sizes, axes=self.axes, norm=self.norm))
        return result.astype(self.infer(_type_of(x)).dtype.numpy, copy=False)

    def with_leading_axis(self, size: Size) -> Op | None:
        return dataclasses.replace(self, axes=tuple(axis + 1 for axis in self.axes))

    def cost(self, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Cost:
        points = dims.product(tuple(inputs[0].shape[axis] for axis in self.axes))
        stages = points.bit_length() if isinstance(points, int) else 10
        return Cost(5 * inputs[0].size * stages, inputs[0].nbytes + outputs[0].nbytes)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        generator = np.random.default_rng(20)
        x = generator.normal(size=(2, 3, 4)).astype(np.float32)
        z = x + np.complex64(1j) * x[::-1]
        n, m = dims.symbol("n"), dims.symbol("m")
        for norm in NORMS:
            yield Sample(cls("fft", (2,), norm=norm), (z,), label=f"fft-{norm}")
            yield Sample(cls("irfft", (1, 2), 7, norm), (z,), label=f"irfft-{norm}")
        yield Sample(cls("ifft", (0, 2)), (z,), label="ifft-two")
        yield Sample(cls("rfft", (1, 0)), (x,), label="rfft-two", differentiable=())
        yield Sample(cls("rfft", (2,)), (x.astype(np.float64),), label="rfft-f64")
        yield Sample(cls("fft", (1,)), (z[:, :, ::-1],), label="strided")
        yield Sample(cls("fft", (1,)), (z[:0],), label="empty-batch")
        yield Sample(cls("fft", (1,)), (z,), ((n, m, 4),), label="symbolic")
        yield Sample(cls("rfft", (1,)), (x[0],), ((n, m),), label="rfft-symbolic")
        yield Sample(cls("irfft", (1,), m), (z[0, :, :1],), ((m, 1),), label="irfft-symbolic")


def _operand_types(kind: str) -> tuple[dtypes.DType, ...]:
    if kind in TAKES_COMPLEX:
        return (dtypes.complex64, dtypes.complex128)
    return (dtypes.f32, dtypes.f64)


def _resized(x: TensorType, axis: int, size: Size) -> TensorType:
    return x.with_shape((*x.shape[:axis], size, *x.shape[axis + 1 :]))


def _type_of(x: np.ndarray) -> TensorType:
    return TensorType(dtypes.from_numpy(x.dtype), x.shape)


# ------------------------------------------------------------------------------------ constructors


def fourier(
    kind: str, x: GraphOperand, axes: Sequence[int], size: Size = 0, norm: str = "backward"
) -> Any:
    """The transform of `x` along `axes`, which count from 0; `size` is for "irfft"."""
    return x.emit(Fourier(kind, tuple(axes), size, norm), [x])[0]
