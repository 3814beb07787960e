"""Pooling over windows of the spatial axes, or over all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from irflow import dims, ops
from irflow.frontend.boundary import public
from irflow.frontend.tensor import Tensor, TensorLike, as_tensor, inexact
from irflow.nn.activations import row
from irflow.nn.geometry import Padding, as_given, channels_last, is_channels_last, pads, per_axis

Ints = int | Sequence[int]


@public
def max_pool(
    x: TensorLike,
    window: Ints = 2,
    strides: Ints | None = None,
    padding: Padding = "valid",
    *,
    dilations: Ints = 1,
    data_format: str = "channels_last",
) -> Tensor:
    """The largest element of each window of `[n, *spatial, channels]`.

    Args:
        x: numbers; `[n, channels, *spatial]` with `data_format="channels_first"`.
        window: its sizes.
        strides: the step of the window; its size by default.
        padding: as of `conv`; padded elements never win.
        dilations: the step between the elements of a window.
        data_format: where the channels stand.

    Returns:
        `[n, *out, channels]`. The gradient is shared evenly among equal elements.
    """
    image = channels_last(as_tensor(x), data_format)
    geometry = _geometry(image, window, strides, padding, dilations)
    return as_given(cast(Tensor, ops.max_pool(image, *geometry)), data_format)


@public
def avg_pool(
    x: TensorLike,
    window: Ints = 2,
    strides: Ints | None = None,
    padding: Padding = "valid",
    count_padding: bool = False,
    *,
    dilations: Ints = 1,
    data_format: str = "channels_last",
) -> Tensor:
    """The mean of each window of `[n, *spatial, channels]`, with or without the padding.

    Args:
        x: numbers; integers give f32.
        window: its sizes.
        strides: the step of the window; its size by default.
        padding: as of `conv`.
        count_padding: divide by the size of the window also where it reaches into the padding.
        dilations: the step between the elements of a window.
        data_format: where the channels stand.
    """
    image = channels_last(inexact(x), data_format)
    geometry = _geometry(image, window, strides, padding, dilations)
    return as_given(cast(Tensor, ops.avg_pool(image, *geometry, count_padding)), data_format)


Geometry = tuple[
    tuple[int, ...], tuple[int, ...], tuple[tuple[int, int], ...] | None, tuple[int, ...]
]


def _geometry(
    x: Tensor, window: Ints, strides: Ints | None, padding: Padding, dilations: Ints
) -> Geometry:
    rank = x.ndim - 2
    size = per_axis(window, rank)
    steps = size if strides is None else per_axis(strides, rank)
    gaps = per_axis(dilations, rank)
    around = pads(padding, x.shape[1:-1], size, steps, gaps)
    # Without padding every window covers equally many elements, and a mean need not count them.
    return size, steps, around if any(map(any, around)) else None, gaps


@public
def global_max_pool(
    x: TensorLike, keepdims: bool = False, *, data_format: str = "channels_last"
) -> Tensor:
    """The largest element of each channel: `[n, *spatial, channels]` becomes `[n, channels]`."""
    t = as_tensor(x)
    return t.max(_spatial(t, data_format), keepdims)


@public
def global_avg_pool(
    x: TensorLike,
    keepdims: bool = False,
    *,
    mask: TensorLike | None = None,
    data_format: str = "channels_last",
) -> Tensor:
    """The mean of each channel: `[n, *spatial, channels]` becomes `[n, channels]`.

    Args:
        x: numbers; `[n, channels, *spatial]` with `data_format="channels_first"`.
        keepdims: leave the spatial axes in place with size 1.
        mask: Booleans `[n, *spatial]`: which places count. Where none does, the mean is 0.
        data_format: where the channels stand.
    """
    t = inexact(x)
    axes = _spatial(t, data_format)
    if mask is None:
        return t.mean(axes, keepdims)
    counted = ops.expand_dims(as_tensor(mask), -1 if is_channels_last(data_format) else 1)
    number = ops.convert(counted, t.dtype).sum(axes, keepdims)
    total = row("where", counted, t, 0.0).sum(axes, keepdims)
    return cast(Tensor, total / row("maximum", number, 1))


def _spatial(x: Tensor, data_format: str) -> tuple[int, ...]:
    first = 1 if is_channels_last(data_format) else 2
    return tuple(range(first, first + x.ndim - 2))


@public
def adaptive_avg_pool(x: TensorLike, size: Ints) -> Tensor:
    """The means of a grid of equal blocks: `[n, *spatial, channels]` to `[n, *size, channels]`.

    Raises:
        ShapeError: a spatial size is no multiple of the size wanted.
    """
    image = inexact(x)
    sizes = per_axis(size, image.ndim - 2)
    shape: list[dims.Size] = [image.shape[0]]
    for given, wanted in zip(image.shape[1:-1], sizes, strict=True):
        shape += [wanted, given // wanted]
    blocks = image.reshape(*shape, image.shape[-1])
    return blocks.mean(tuple(range(2, 2 + 2 * len(sizes), 2)))
