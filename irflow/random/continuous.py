"""Floating-point numbers by a formula from one draw each."""

from __future__ import annotations

import math
from typing import Any, cast

from irflow import dtypes
from irflow.dtypes import DType, DTypeLike
from irflow.errors import UsageError
from irflow.frontend.boundary import public
from irflow.frontend.tensor import Tensor, TensorLike, apply_row
from irflow.ops import distributions
from irflow.random.keys import draw
from irflow.scalars import find
from irflow.special import erf


def row(name: str, *operands: TensorLike) -> Tensor:
    """A scalar row on operands that are promoted and broadcast."""
    return apply_row(find(name), operands)


@public
def uniform(
    key: TensorLike,
    shape: Any = (),
    dtype: DTypeLike = dtypes.f32,
    low: float = 0.0,
    high: float = 1.0,
) -> Tensor:
    """Numbers uniform in `[low, high)`."""
    target = dtypes.as_dtype(dtype)
    unit = cast(Tensor, distributions.uniform01(draw(key, shape, target), target))
    return unit if (low, high) == (0.0, 1.0) else cast(Tensor, unit * (high - low) + low)


@public
def normal(key: TensorLike, shape: Any = (), dtype: DTypeLike = dtypes.f32) -> Tensor:
    """Numbers of the standard normal distribution."""
    target = dtypes.as_dtype(dtype)
    return cast(Tensor, distributions.normal(draw(key, shape, target), target))


@public
def truncated_normal(
    key: TensorLike,
    shape: Any = (),
    dtype: DTypeLike = dtypes.f32,
    low: float = -2.0,
    high: float = 2.0,
) -> Tensor:
    """Standard normal numbers under the condition that they lie in `[low, high]`.

    Computed by inverting the distribution function, so that far from 0 the values are coarse; in
    f32 no interval beyond 5 on one side of 0 can be told apart.

    Raises:
        UsageError: the interval is empty, or holds no probability.
    """
    target = dtypes.as_dtype(dtype)
    if not low < high:
        raise UsageError(f"truncated_normal: low {low} is not below high {high}")
    below, above = (float(erf(float(end) / math.sqrt(2))) for end in (low, high))
    if below == above:
        raise UsageError(f"truncated_normal: no probability between {low} and {high}")
    wide = dtypes.compute_dtype(target)
    u = centred(key, shape, wide)
    middle, half = (above + below) / 2, (above - below) / 2
    x = row("erfinv", u * half + middle) * math.sqrt(2.0)
    inside = row("minimum", row("maximum", x, float(low)), float(high))
    return inside.astype(target)


@public
def exponential(key: TensorLike, shape: Any = (), dtype: DTypeLike = dtypes.f32) -> Tensor:
    """Positive numbers with density `exp(-x)`."""
    target = dtypes.as_dtype(dtype)
    u = positive(key, shape, dtypes.compute_dtype(target))
    return cast(Tensor, -row("log", u)).astype(target)


@public
def gumbel(key: TensorLike, shape: Any = (), dtype: DTypeLike = dtypes.f32) -> Tensor:
    """Numbers with the distribution function `exp(-exp(-x))`."""
    wide = exponential(key, shape, dtypes.compute_dtype(dtypes.as_dtype(dtype)))
    return cast(Tensor, -row("log", wide)).astype(dtype)


@public
def laplace(key: TensorLike, shape: Any = (), dtype: DTypeLike = dtypes.f32) -> Tensor:
    """Numbers with density `exp(-|x|) / 2`."""
    target = dtypes.as_dtype(dtype)
    u = centred(key, shape, dtypes.compute_dtype(target))
    return cast(Tensor, -row("copysign", row("log1p", -abs(u)), u)).astype(target)


@public
def logistic(key: TensorLike, shape: Any = (), dtype: DTypeLike = dtypes.f32) -> Tensor:
    """Numbers with the distribution function `1 / (1 + exp(-x))`."""
    target = dtypes.as_dtype(dtype)
    u = positive(key, shape, dtypes.compute_dtype(target))
    return cast(Tensor, row("log", u) - row("log1p", -u)).astype(target)


@public
def cauchy(key: TensorLike, shape: Any = (), dtype: DTypeLike = dtypes.f32) -> Tensor:
    """Numbers with density `1 / (pi * (1 + x²))`."""
    target = dtypes.as_dtype(dtype)
    u = centred(key, shape, dtypes.compute_dtype(target))
    return row("tan", u * (math.pi / 2)).astype(target)


def centred(key: TensorLike, shape: Any, dtype: DType) -> Tensor:
    """Uniform in (-1, 1): odd multiples of a power of two, exact, so never -1, 0 or 1."""
    return cast(Tensor, distributions.centred(draw(key, shape, dtype), dtype))


def positive(key: TensorLike, shape: Any, dtype: DType) -> Tensor:
    """Uniform in (0, 1), never 0 or 1: odd multiples of `2**-p`, exact, for a precision of p."""
    return cast(Tensor, distributions.positive(draw(key, shape, dtype), dtype))
