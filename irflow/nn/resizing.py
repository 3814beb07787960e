"""Images of another size: resized, upsampled, cropped, padded."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, cast

import numpy as np

from irflow import dtypes, ops
from irflow.errors import ShapeError, UsageError
from irflow.frontend.boundary import public
from irflow.frontend.tensor import Tensor, TensorLike, as_tensor, inexact
from irflow.nn.geometry import as_given, channels_last, pairs, per_axis

Array = np.ndarray[Any, Any]


def _hat(distance: Array) -> Array:
    return np.asarray(np.maximum(1 - np.abs(distance), 0))


def _cubic(distance: Array) -> Array:
    """The piecewise cubic of Keys (1981) with `a = -1/2`."""
    d = np.abs(distance)
    near = (1.5 * d - 2.5) * d * d + 1
    far = ((-0.5 * d + 2.5) * d - 4) * d + 2
    return np.where(d < 1, near, np.where(d < 2, far, 0))


def _lanczos(radius: int) -> Callable[[Array], Array]:
    return lambda d: np.where(np.abs(d) < radius, np.sinc(d) * np.sinc(d / radius), 0)


KERNELS: dict[str, tuple[Callable[[Array], Array], int]] = {
    # name: (weight of a pixel at a distance, the distance beyond which it is 0)
    "bilinear": (_hat, 1),
    "bicubic": (_cubic, 2),
    "lanczos3": (_lanczos(3), 3),
    "lanczos5": (_lanczos(5), 5),
}


@public
def resize(
    x: TensorLike,
    size: Sequence[int],
    method: str = "bilinear",
    *,
    antialias: bool = False,
    data_format: str = "channels_last",
) -> Tensor:
    """Images of another size; pixel `i` covers `i … i + 1`, so that its centre is `i + 1/2`.

    Args:
        x: `[n, *spatial, channels]` or `[*spatial, channels]`; known spatial sizes.
        size: the new spatial sizes, from one to three.
        method: `"nearest"`, `"bilinear"`, `"bicubic"`, `"lanczos3"` or `"lanczos5"`.
        antialias: widen the kernel where an axis shrinks, so that every pixel has a part.
        data_format: where the channels stand.

    Returns:
        The new size; `"nearest"` keeps the element type, the others give floats. Outside of the
        image there is nothing: the weights of the pixels inside sum to 1.

    Raises:
        UsageError: an unknown method.
        ShapeError: a symbolic or empty spatial axis.
    """
    if method != "nearest" and method not in KERNELS:
        known = ", ".join(map(repr, ["nearest", *KERNELS]))
        raise UsageError(f"resize: method {method!r}", facts=[("known", known)])
    given = as_tensor(x) if method == "nearest" else inexact(x)
    image = _image(given, len(size), data_format)
    result = image.astype(dtypes.compute_dtype(image.dtype)) if method != "nearest" else image
    for axis, wanted in enumerate(size, image.ndim - 1 - len(size)):
        result = _resized(result, axis, wanted, method, antialias)
    result = cast(Tensor, ops.convert(result, image.dtype))
    return _original(result, given.ndim == len(size) + 1, data_format)


def _image(x: Tensor, rank: int, data_format: str) -> Tensor:
    """`[n, *spatial, channels]`."""
    if x.ndim not in (rank + 1, rank + 2):
        raise ShapeError(f"images with {rank} spatial axes are wanted", facts=[("x", x.type)])
    batched = ops.expand_dims(x, 0) if x.ndim == rank + 1 else x
    return channels_last(batched, data_format)


def _original(x: Tensor, is_single: bool, data_format: str) -> Tensor:
    result = as_given(x, data_format)
    return cast(Tensor, ops.reshape(result, result.shape[1:])) if is_single else result


def _resized(x: Tensor, axis: int, wanted: int, method: str, antialias: bool) -> Tensor:
    size = x.shape[axis]
    if not isinstance(size, int) or size < 1 or wanted < 0:
        raise ShapeError(
            "resize: sizes have to be known, and not 0", facts=[("x", x.type), ("wanted", wanted)]
        )
    if size == wanted:
        return x
    if method == "nearest":
        places = (2 * np.arange(wanted) + 1) * size // (2 * wanted)
        return _taken(x, places, axis)
    places, weights = _taps(size, wanted, method, antialias)
    shape = (wanted, *(1,) * (x.ndim - 1 - axis))
    parts = [
        _taken(x, places[:, tap], axis)
        * as_tensor(weights[:, tap].astype(x.dtype.numpy).reshape(shape))
        for tap in range(len(weights.T))
    ]
    return cast(Tensor, sum(parts[1:], parts[0]))


def _taken(x: Tensor, places: Array, axis: int) -> Tensor:
    return cast(Tensor, ops.take(x, as_tensor(places), axis))


@lru_cache(maxsize=256)
def _taps(size: int, wanted: int, method: str, antialias: bool) -> tuple[Array, Array]:
    """The pixels that each new one is a mean of, and their weights: two `[wanted, taps]`."""
    kernel, radius = KERNELS[method]
    step = size / wanted
    width = max(step, 1.0) if antialias else 1.0
    centre = (np.arange(wanted) + 0.5) * step - 0.5
    count = 2 * math.ceil(radius * width)
    first = np.floor(centre).astype(np.int64) - count // 2 + 1
    places = first[:, None] + np.arange(count)
    weights = kernel((places - centre[:, None]) / width)
    weights = np.where((places >= 0) & (places < size), weights, 0)
    is_used = (weights != 0).any(0)
    places, weights = places[:, is_used], weights[:, is_used]
    return np.clip(places, 0, size - 1), weights / weights.sum(1, keepdims=True)


@public
def upsample(
    x: TensorLike,
    factor: int | Sequence[int] = 2,
    method: str = "nearest",
    *,
    data_format: str = "channels_last",
) -> Tensor:
    """Images `[n, *spatial, channels]` enlarged by whole factors; methods as of `resize`."""
    image = channels_last(as_tensor(x), data_format)
    factors = per_axis(factor, image.ndim - 2)
    if method != "nearest":
        sizes = [int(s) * f for s, f in zip(image.shape[1:-1], factors, strict=True)]
        return as_given(resize(image, sizes, method), data_format)
    for axis, count in enumerate(factors, 1):
        image = ops.repeat(image, count, axis) if count != 1 else image
    return as_given(image, data_format)


@public
def crop(
    x: TensorLike,
    cropping: int | Sequence[int | tuple[int, int]],
    *,
    data_format: str = "channels_last",
) -> Tensor:
    """Images `[n, *spatial, channels]` without so many places at the ends of the spatial axes.

    `cropping` is one number, or for each spatial axis a number or `(before, behind)`.
    """
    image = channels_last(as_tensor(x), data_format)
    around = [(0, 0), *pairs(cropping, image.ndim - 2), (0, 0)]
    stops = [size - high for size, (_, high) in zip(image.shape, around, strict=True)]
    return as_given(ops.slice_(image, [low for low, _ in around], stops), data_format)


@public
def zero_pad(
    x: TensorLike,
    padding: int | Sequence[int | tuple[int, int]] = 1,
    *,
    data_format: str = "channels_last",
) -> Tensor:
    """Images `[n, *spatial, channels]` with so many zeros at the ends of the spatial axes.

    `padding` is one number, or for each spatial axis a number or `(before, behind)`.
    """
    image = channels_last(as_tensor(x), data_format)
    around = [(0, 0), *pairs(padding, image.ndim - 2), (0, 0)]
    low, high = zip(*around, strict=True)
    return as_given(ops.pad(image, low, high), data_format)
