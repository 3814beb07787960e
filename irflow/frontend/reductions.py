"""Reductions with NumPy's arguments: any axes, kept or dropped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from irflow import dims, dtypes, ops
from irflow.errors import ShapeError, UnsupportedError
from irflow.frontend.promotion import axes_of
from irflow.scalars import Scalar, find

if TYPE_CHECKING:
    from irflow.frontend.tensor import Tensor

Axis = int | Sequence[int] | None


def reduce(row: Scalar, x: Tensor, axis: Axis, keepdims: bool) -> Tensor:
    """Combine along axes by a row, keeping them with size 1 on request."""
    axes = axes_of(axis, x.ndim)
    return kept(ops.reduce(row, x, axes), x, axes) if keepdims else ops.reduce(row, x, axes)


def kept(result: Tensor, x: Tensor, axes: Sequence[int]) -> Tensor:
    """A result without `axes` of `x`, given these back with size 1."""
    shape = tuple(1 if axis in axes else size for axis, size in enumerate(x.shape))
    return cast("Tensor", ops.reshape(result, shape))


def extreme(row: Scalar, x: Tensor, axis: Axis, keepdims: bool, name: str) -> Tensor:
    """The largest or smallest element along axes that are not empty."""
    require_elements(x, axes_of(axis, x.ndim), name)
    return reduce(row, x, axis, keepdims)


def total(row: Scalar, x: Tensor, axis: Axis, keepdims: bool) -> Tensor:
    """A sum or product: bools and small integers are taken as 64-bit integers, as NumPy does."""
    wide = {"bool": dtypes.i64, "int": dtypes.i64, "uint": dtypes.u64}.get(x.dtype.kind, x.dtype)
    return reduce(row, ops.convert(x, wide), axis, keepdims)


def mean(x: Tensor, axis: Axis, keepdims: bool) -> Tensor:
    """The mean along axes; integers give f32, 16-bit floats are summed in f32 and rounded once."""
    axes = axes_of(axis, x.ndim)
    result = ops.mean(x, axes)
    return kept(result, x, axes) if keepdims else cast("Tensor", result)


def variance(x: Tensor, axis: Axis, correction: float, keepdims: bool) -> Tensor:
    """The squared deviations along axes over `count - correction`, in the same types as `mean`."""
    axes = axes_of(axis, x.ndim)
    result_dtype = dtypes.to_inexact(x.dtype)
    wide = ops.convert(x, dtypes.compute_dtype(result_dtype))
    deviation = wide - mean(wide, axes, keepdims=True)
    count = ops.size_of(x, dims.product(tuple(x.shape[a] for a in axes)), wide.dtype)
    if deviation.dtype.kind == "complex":
        deviation, count = find("absolute")(deviation), find("real")(count)
    result = reduce(find("add"), deviation * deviation, axes, keepdims) / (count - correction)
    return cast("Tensor", ops.convert(result, dtypes.to_real(result_dtype)))


def arg_extreme(kind: str, x: Tensor, axis: int | None, keepdims: bool) -> Tensor:
    """The position of the first largest or smallest element along one axis, or of all elements."""
    axes = axes_of(axis, x.ndim)
    require_elements(x, axes, f"arg{kind}")
    flat = ops.reshape(x, (x.size,)) if axis is None else x
    result = (ops.argmax if kind == "max" else ops.argmin)(flat, 0 if axis is None else axes[0])
    return kept(result, x, axes) if keepdims else cast("Tensor", result)


def no_out(out: object) -> None:
    """UnsupportedError for an array to write to: a tensor is not written into one."""
    if out is not None:
        raise UnsupportedError("a tensor is not written into an array that is given as out=")


def require_elements(x: Tensor, axes: Sequence[int], name: str) -> None:
    """ShapeError when one of the axes is empty."""
    for axis in axes:
        if x.shape[axis] == 0:
            raise ShapeError(
                f"{name}: no largest or smallest element along an empty axis",
                facts=[("operand", x.type, f"axis {axis} = 0")],
            )
