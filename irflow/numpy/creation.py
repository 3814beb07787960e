"""Tensors made from nothing: zeros, ramps, grids."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from irflow import dims, dtypes, ops
from irflow.dims import Size
from irflow.dtypes import DType, DTypeLike
from irflow.errors import UsageError
from irflow.frontend.boundary import public
from irflow.frontend.conversion import asarray as asarray
from irflow.frontend.conversion import from_dlpack as from_dlpack
from irflow.frontend.device import require_cpu
from irflow.frontend.tensor import Tensor, TensorLike, another, apply, as_tensor

Shape = Any
"""An int or a sequence of ints; symbolic sizes inside traced functions."""


def sizes_of(shape: Shape) -> tuple[Size, ...]:
    """A shape argument, an int too, as sizes."""
    if isinstance(shape, (int, np.integer, dims.Dim, Tensor)):
        shape = (shape,)
    return tuple(size if isinstance(size, dims.Dim) else operator.index(size) for size in shape)


@public
def full(
    shape: Shape,
    fill_value: TensorLike,
    dtype: DTypeLike | None = None,
    *,
    device: str | None = None,
) -> Tensor:
    """A tensor of one value; its element type is that of the value unless given.

    All functions that make tensors take the standard's `device`, which is None or `"cpu"`.
    """
    value = asarray(fill_value, dtype, device=device)
    return cast(Tensor, ops.broadcast_to(value, sizes_of(shape)))


@public
def zeros(shape: Shape, dtype: DTypeLike | None = None, *, device: str | None = None) -> Tensor:
    """A tensor of zeros, f32 by default."""
    return full(shape, False, dtype or dtypes.DEFAULT_FLOAT, device=device)


@public
def ones(shape: Shape, dtype: DTypeLike | None = None, *, device: str | None = None) -> Tensor:
    """A tensor of ones, f32 by default."""
    return full(shape, True, dtype or dtypes.DEFAULT_FLOAT, device=device)


@public
def empty(shape: Shape, dtype: DTypeLike | None = None, *, device: str | None = None) -> Tensor:
    """A tensor whose content does not matter: zeros here."""
    return zeros(shape, dtype, device=device)


@public
def full_like(
    x: TensorLike,
    /,
    fill_value: TensorLike,
    dtype: DTypeLike | None = None,
    *,
    device: str | None = None,
) -> Tensor:
    """A tensor of one value with the shape of `x`, and its element type unless given."""
    tensor = as_tensor(x)
    return full(tensor.shape, fill_value, dtype or tensor.dtype, device=device)


@public
def zeros_like(
    x: TensorLike, /, dtype: DTypeLike | None = None, *, device: str | None = None
) -> Tensor:
    """Zeros with the shape and element type of `x`."""
    return full_like(x, False, dtype, device=device)


@public
def ones_like(
    x: TensorLike, /, dtype: DTypeLike | None = None, *, device: str | None = None
) -> Tensor:
    """Ones with the shape and element type of `x`."""
    return full_like(x, True, dtype, device=device)


@public
def empty_like(
    x: TensorLike, /, dtype: DTypeLike | None = None, *, device: str | None = None
) -> Tensor:
    """A tensor like `x` whose content does not matter: zeros here."""
    return zeros_like(x, dtype, device=device)


@public
def arange(
    start: Any,
    /,
    stop: Any = None,
    step: Any = 1,
    dtype: DTypeLike | None = None,
    *,
    device: str | None = None,
) -> Tensor:
    """`start, start + step, …` below `stop`; with one argument from 0 up to it.

    A symbolic size is allowed as the only bound.
    """
    require_cpu(device)
    first, last = (0, start) if stop is None else (start, stop)
    if isinstance(last, dims.Dim) and first == 0 and step == 1:
        return apply(ops.Iota((last,), 0, dtypes.as_dtype(dtype or "i64")), ())[0]
    is_float = any(isinstance(value, float) for value in (first, last, step))
    if step == 0:
        raise UsageError("arange: step is 0")
    count = max(0, math.ceil((last - first) / step))
    target = (
        dtypes.as_dtype(dtype) if dtype is not None else (dtypes.f32 if is_float else dtypes.i64)
    )
    if is_float or not target.is_integer:
        return Tensor(np.asarray(first + step * np.arange(count)).astype(target.numpy))
    numbers = np.arange(count).astype(target.numpy)
    # Modulo the width of the type, in which all products and sums agree with the exact ones.
    with np.errstate(over="ignore"):
        return Tensor(_wrapped(first, target) + _wrapped(step, target) * numbers)


def _wrapped(number: Any, dtype: DType) -> np.ndarray:
    """An integer modulo the width of its type."""
    return np.asarray(int(number) % 2**64, np.uint64).astype(dtype.numpy)


@public
def linspace(
    start: float,
    stop: float,
    /,
    num: int = 50,
    endpoint: bool = True,
    dtype: DTypeLike | None = None,
    *,
    device: str | None = None,
) -> Tensor:
    """`num` evenly spaced numbers from `start` to `stop`."""
    require_cpu(device)
    is_complex = isinstance(start, complex) or isinstance(stop, complex)
    target = dtypes.as_dtype(dtype or (dtypes.complex64 if is_complex else dtypes.DEFAULT_FLOAT))
    first, last = (start, stop) if is_complex else (float(start), float(stop))
    with np.errstate(all="ignore"):
        return Tensor(np.linspace(first, last, num, endpoint=endpoint).astype(target.numpy))


@public
def eye(
    n: int,
    m: int | None = None,
    /,
    k: int = 0,
    dtype: DTypeLike | None = None,
    *,
    device: str | None = None,
) -> Tensor:
    """Ones on the `k`-th diagonal of an `n` by `m` matrix."""
    require_cpu(device)
    return Tensor(np.eye(n, m, k, dtype=dtypes.as_dtype(dtype or dtypes.DEFAULT_FLOAT).numpy))


@public
def identity(n: int, dtype: DTypeLike | None = None) -> Tensor:
    """The identity matrix."""
    return eye(n, dtype=dtype)


def tri_mask(x: Tensor, k: int) -> Tensor:
    """True on and below the `k`-th diagonal of the last two axes of `x`."""
    shape = x.shape[-2:]
    rows = apply(ops.Iota(shape, 0, dtypes.i64), ())[0]
    columns = apply(ops.Iota(shape, 1, dtypes.i64), ())[0]
    return cast(Tensor, columns <= rows + k)


@public
def meshgrid(*vectors: TensorLike, indexing: str = "xy") -> list[Tensor]:
    """Coordinate tensors from coordinate vectors."""
    tensors = [as_tensor(v) for v in vectors]
    order = list(range(len(tensors)))
    if indexing == "xy" and len(order) > 1:
        order[0], order[1] = 1, 0
    sizes = [tensors[order.index(axis)].shape[0] for axis in range(len(tensors))]
    return [another(ops.broadcast(t, sizes, (order[i],))) for i, t in enumerate(tensors)]


def sequence(value: Any) -> Sequence[Any]:
    """An argument that may be one item or several, as several."""
    return value if isinstance(value, (tuple, list)) else (value,)
