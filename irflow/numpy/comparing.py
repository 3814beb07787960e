"""Tensors compared as wholes or within a tolerance; NaN and infinities found and replaced."""

from __future__ import annotations

from typing import cast

import numpy as np

from irflow import dims
from irflow.errors import ShapeError
from irflow.frontend.boundary import public
from irflow.frontend.promotion import broadcast_shapes
from irflow.frontend.tensor import Tensor, TensorLike, apply_row, as_tensor, inexact
from irflow.numpy.complex_parts import imag, is_complex, real
from irflow.numpy.data_types import finfo
from irflow.numpy.elementwise import where
from irflow.numpy.statistics import all
from irflow.scalars import find

__all__ = [
    "allclose",
    "array_equal",
    "array_equiv",
    "isclose",
    "isneginf",
    "isposinf",
    "nan_to_num",
]


@public
def isclose(
    x: TensorLike,
    y: TensorLike,
    rtol: TensorLike = 1e-5,
    atol: TensorLike = 1e-8,
    equal_nan: bool = False,
) -> Tensor:
    """Whether `|x - y| <= atol + rtol * |y|`, elementwise; equal infinities are close.

    `equal_nan` makes NaN close to NaN.
    """
    a, b = inexact(x), inexact(y)
    size = apply_row(find("absolute"), (b,))
    distance = apply_row(find("absolute"), (a - b,))
    is_near = apply_row(find("less_equal"), (distance, size * rtol + atol))
    result = is_near & apply_row(find("isfinite"), (b,)) | apply_row(find("equal"), (a, b))
    if equal_nan:
        both = [apply_row(find("isnan"), (z,)) for z in (a, b)]
        result = result | (both[0] & both[1])
    return cast(Tensor, result)


@public
def allclose(
    x: TensorLike,
    y: TensorLike,
    rtol: TensorLike = 1e-5,
    atol: TensorLike = 1e-8,
    equal_nan: bool = False,
) -> Tensor:
    """Whether all elements are close, in the sense of `isclose`; `bool[]`."""
    return all(isclose(x, y, rtol, atol, equal_nan))


@public
def array_equal(x: TensorLike, y: TensorLike, equal_nan: bool = False) -> Tensor:
    """Whether two tensors have one shape and equal elements, `bool[]`; NaN may count as equal."""
    a, b = as_tensor(x), as_tensor(y)
    is_one_shape = a.ndim == b.ndim
    for left, right in zip(a.shape, b.shape, strict=False):
        is_one_shape = is_one_shape and dims.decide_equal(left, right)
    return _equal(a, b, equal_nan) if is_one_shape else as_tensor(np.False_)


@public
def array_equiv(x: TensorLike, y: TensorLike) -> Tensor:
    """Whether two tensors broadcast and then have equal elements, `bool[]`."""
    a, b = as_tensor(x), as_tensor(y)
    try:
        broadcast_shapes("array_equiv", [a.type, b.type])
    except ShapeError:
        return as_tensor(np.False_)
    return _equal(a, b, equal_nan=False)


def _equal(a: Tensor, b: Tensor, equal_nan: bool) -> Tensor:
    result = apply_row(find("equal"), (a, b))
    if equal_nan and a.dtype.is_inexact and b.dtype.is_inexact:
        both = [apply_row(find("isnan"), (z,)) for z in (a, b)]
        result = result | (both[0] & both[1])
    return all(result)


@public
def isposinf(x: TensorLike) -> Tensor:
    """Whether elements are positive infinity."""
    return apply_row(find("equal"), (inexact(x), np.inf))


@public
def isneginf(x: TensorLike) -> Tensor:
    """Whether elements are negative infinity."""
    return apply_row(find("equal"), (inexact(x), -np.inf))


@public
def nan_to_num(
    x: TensorLike,
    nan: float = 0.0,
    posinf: float | None = None,
    neginf: float | None = None,
) -> Tensor:
    """`x` with numbers for NaN and infinities; these become the largest numbers by default.

    Parts of complex numbers are treated alike; integers stay as they are.
    """
    tensor = as_tensor(x)
    if is_complex(tensor):
        parts = [nan_to_num(part, nan, posinf, neginf) for part in (real(tensor), imag(tensor))]
        return apply_row(find("complex_of"), parts)
    if not tensor.dtype.is_inexact:
        return tensor
    limits = finfo(tensor.dtype)
    high = limits.max if posinf is None else posinf
    low = limits.min if neginf is None else neginf
    result = where(apply_row(find("isnan"), (tensor,)), nan, tensor)
    result = where(isposinf(tensor), tensor.full(high, ()), result)
    return where(isneginf(tensor), tensor.full(low, ()), result)
