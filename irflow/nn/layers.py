"""Layers as functions of their weights: convolution, pooling, normalisation, dropout, embedding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from irflow import dtypes, ops, random
from irflow.dims import Size
from irflow.dtypes import DTypeLike
from irflow.errors import UsageError
from irflow.frontend.boundary import public
from irflow.frontend.promotion import promote_all
from irflow.frontend.tensor import Tensor, TensorLike, apply_row, as_tensor, inexact
from irflow.scalars import find

Padding = str | Sequence[tuple[int, int]]
"""`"valid"`, `"same"`, or `(before, behind)` for each spatial axis."""


@public
def one_hot(labels: TensorLike, depth: int, dtype: DTypeLike = dtypes.f32) -> Tensor:
    """A row of `depth` zeros with a one at each label; all zeros for a label out of range."""
    return cast(Tensor, ops.one_hot(as_tensor(labels), depth, dtypes.as_dtype(dtype)))


@public
def embedding(table: TensorLike, ids: TensorLike) -> Tensor:
    """The rows of `table[vocabulary, features]` at integer `ids`: `[*ids, features]`."""
    return as_tensor(table)[as_tensor(ids)]


@public
def conv(
    x: TensorLike,
    kernel: TensorLike,
    bias: TensorLike | None = None,
    *,
    strides: int | Sequence[int] = 1,
    padding: Padding = "valid",
    dilations: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution (without flipping the kernel) over 1 to 3 spatial axes.

    Args:
        x: `[n, *spatial, channels]`.
        kernel: `[*window, channels / groups, filters]`.
        bias: `[filters]`.
        strides: the step of the window, one number or one a spatial axis.
        padding: zeros around the image.
        dilations: the step between the elements of the window.
        groups: how many parts the channels are cut into.

    Returns:
        `[n, *out, filters]`.
    """
    image, weights = promote_all([as_tensor(x), as_tensor(kernel)])
    rank = image.ndim - 2
    steps, gaps = per_axis(strides, rank), per_axis(dilations, rank)
    around = pads(padding, image.shape[1:-1], weights.shape[:rank], steps, gaps)
    result = cast(Tensor, ops.convolution(image, weights, steps, around, gaps, groups))
    return result if bias is None else cast(Tensor, result + bias)


def per_axis(value: int | Sequence[int], rank: int) -> tuple[int, ...]:
    """One number for all spatial axes, or one each."""
    numbers = (value,) * rank if isinstance(value, int) else tuple(value)
    if len(numbers) != rank:
        raise UsageError(
            f"one number, or one for each of {rank} spatial axes is wanted",
            facts=[("given", numbers)],
        )
    return numbers


def pads(
    padding: Padding,
    spatial: Sequence[Size],
    window: Sequence[Size],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> tuple[tuple[int, int], ...]:
    """The padding of each spatial axis as two numbers."""
    if not isinstance(padding, str):
        return tuple((int(low), int(high)) for low, high in padding)
    if padding.lower() == "valid":
        return ((0, 0),) * len(spatial)
    if padding.lower() != "same":
        raise UsageError(
            f"padding {padding!r}",
            facts=[("known", '"valid", "same" or pairs of numbers')],
        )
    return tuple(_same(*row) for row in zip(spatial, window, strides, dilations, strict=True))


def _same(size: Size, window: Size, stride: int, dilation: int) -> tuple[int, int]:
    total = max(
        (-(-int(size) // stride) - 1) * stride + dilation * (int(window) - 1) + 1 - int(size), 0
    )
    return total // 2, total - total // 2


@public
def max_pool(
    x: TensorLike,
    window: int | Sequence[int] = 2,
    strides: int | Sequence[int] | None = None,
    padding: Padding = "valid",
) -> Tensor:
    """The largest element of each window of `[n, *spatial, channels]`; strides as the window."""
    image = as_tensor(x)
    size, steps, around = _pooling(image, window, strides, padding)
    return cast(Tensor, ops.max_pool(image, size, steps, around))


@public
def avg_pool(
    x: TensorLike,
    window: int | Sequence[int] = 2,
    strides: int | Sequence[int] | None = None,
    padding: Padding = "valid",
    count_padding: bool = False,
) -> Tensor:
    """The mean of each window of `[n, *spatial, channels]`, with or without the padding."""
    image = inexact(x)
    size, steps, around = _pooling(image, window, strides, padding)
    return cast(Tensor, ops.avg_pool(image, size, steps, around, None, count_padding))


def _pooling(
    x: Tensor, window: int | Sequence[int], strides: int | Sequence[int] | None, padding: Padding
) -> tuple[Any, Any, Any]:
    rank = x.ndim - 2
    size = per_axis(window, rank)
    steps = size if strides is None else per_axis(strides, rank)
    return size, steps, pads(padding, x.shape[1:-1], size, steps, (1,) * rank)


@public
def dropout(x: TensorLike, rate: float, key: TensorLike) -> Tensor:
    """Elements set to 0 with probability `rate`, the others divided by `1 - rate`.

    Args:
        x: any float tensor.
        rate: from 0 to below 1; 0 gives `x`.
        key: a random key; the same key gives the same mask on every backend.
    """
    t = inexact(x)
    if not 0 <= rate < 1:
        raise UsageError(f"dropout rate {rate} is not in [0, 1)")
    if rate == 0:
        return t
    keep = random.bernoulli(key, 1 - rate, t.shape)
    return apply_row(find("where"), (keep, t / (1 - rate), 0.0))


@public
def layer_norm(
    x: TensorLike,
    scale: TensorLike | None = None,
    offset: TensorLike | None = None,
    *,
    axis: int | Sequence[int] = -1,
    epsilon: float = 1e-5,
) -> Tensor:
    """`(x - mean) / sqrt(variance + epsilon) * scale + offset` along `axis`.

    The quotient of 16-bit floats is computed in f32.
    """
    t = inexact(x)
    wide = _wide(t)
    centred = wide - wide.mean(axis, keepdims=True)
    variance = (centred * centred).mean(axis, keepdims=True)
    return _affine(centred * _rsqrt(variance + epsilon), t, scale, offset)


@public
def rms_norm(
    x: TensorLike, scale: TensorLike | None = None, *, axis: int = -1, epsilon: float = 1e-6
) -> Tensor:
    """`x / sqrt(mean(x²) + epsilon) * scale` along `axis`; as `layer_norm` for 16-bit floats."""
    t = inexact(x)
    wide = _wide(t)
    mean = (wide * wide).mean(axis, keepdims=True)
    return _affine(wide * _rsqrt(mean + epsilon), t, scale, None)


def _wide(x: Tensor) -> Tensor:
    return cast(Tensor, ops.convert(x, dtypes.compute_dtype(x.dtype)))


def _rsqrt(x: Any) -> Tensor:
    return apply_row(find("rsqrt"), (x,))


def _affine(
    normal: Any, like: Tensor, scale: TensorLike | None, offset: TensorLike | None
) -> Tensor:
    result = ops.convert(normal, like.dtype)
    result = result if scale is None else result * scale
    return cast(Tensor, result if offset is None else result + offset)
