"""Noise that regularises training; every function takes a random key."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

from irflow import random
from irflow.dims import Size
from irflow.errors import UsageError
from irflow.frontend.boundary import public
from irflow.frontend.promotion import axes_of
from irflow.frontend.tensor import Tensor, TensorLike, inexact
from irflow.nn.activations import SELU_ALPHA, SELU_SCALE, row


@public
def dropout(
    x: TensorLike, rate: float, key: TensorLike, *, shared_axes: int | Sequence[int] = ()
) -> Tensor:
    """Elements set to 0 with probability `rate`, the others divided by `1 - rate`.

    Args:
        x: any float tensor.
        rate: from 0 to below 1; 0 gives `x`.
        key: a random key; the same key gives the same mask on every backend.
        shared_axes: along these axes all elements are dropped or kept together.
    """
    t = inexact(x)
    _check_rate(rate)
    if rate == 0:
        return t
    keep = random.bernoulli(key, 1 - rate, _mask_shape(t, shared_axes))
    return row("where", keep, t / (1 - rate), 0.0)


@public
def spatial_dropout(x: TensorLike, rate: float, key: TensorLike) -> Tensor:
    """`dropout` of whole channels of `[n, *spatial, channels]`."""
    t = inexact(x)
    return dropout(t, rate, key, shared_axes=range(1, t.ndim - 1))


@public
def alpha_dropout(
    x: TensorLike, rate: float, key: TensorLike, *, shared_axes: int | Sequence[int] = ()
) -> Tensor:
    """Dropout that keeps mean 0 and variance 1, for `selu` (Klambauer et al., 2017)."""
    t = inexact(x)
    _check_rate(rate)
    if rate == 0:
        return t
    low = -SELU_ALPHA * SELU_SCALE
    scale = 1 / math.sqrt((1 - rate) * (1 + rate * low * low))
    keep = random.bernoulli(key, 1 - rate, _mask_shape(t, shared_axes))
    return cast(Tensor, row("where", keep, t, low) * scale - scale * rate * low)


@public
def gaussian_dropout(x: TensorLike, rate: float, key: TensorLike) -> Tensor:
    """`x` times normal noise of mean 1 and variance `rate / (1 - rate)`."""
    t = inexact(x)
    _check_rate(rate)
    noise = random.normal(key, t.shape, t.dtype)
    return cast(Tensor, t * (1 + math.sqrt(rate / (1 - rate)) * noise))


@public
def gaussian_noise(x: TensorLike, deviation: float, key: TensorLike) -> Tensor:
    """`x` plus normal noise of mean 0 and standard deviation `deviation`."""
    t = inexact(x)
    return cast(Tensor, t + deviation * random.normal(key, t.shape, t.dtype))


def _check_rate(rate: float) -> None:
    if not 0 <= rate < 1:
        raise UsageError(f"dropout rate {rate} is not in [0, 1)")


def _mask_shape(x: Tensor, shared_axes: int | Sequence[int]) -> tuple[Size, ...]:
    shared = axes_of(shared_axes, x.ndim)
    return tuple(1 if axis in shared else size for axis, size in enumerate(x.shape))
