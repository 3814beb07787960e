"""Convolutions over 1 to 3 spatial axes, as functions of their weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from irflow import ops
from irflow.dims import Size
from irflow.errors import ShapeError, UsageError
from irflow.frontend.boundary import public
from irflow.frontend.promotion import promote_all
from irflow.frontend.tensor import Tensor, TensorLike, as_tensor
from irflow.nn.geometry import Padding, as_given, channels_last, pads, pairs, per_axis

Ints = int | Sequence[int]


@public
def conv(
    x: TensorLike,
    kernel: TensorLike,
    bias: TensorLike | None = None,
    *,
    strides: Ints = 1,
    padding: Padding = "valid",
    dilations: Ints = 1,
    groups: int = 1,
    data_format: str = "channels_last",
) -> Tensor:
    """Convolution (without flipping the kernel) over 1 to 3 spatial axes.

    The LLVM backend computes large ones of 3 by 3 windows with stride 1 in squares of 2 by 2 or 4
    by 4 results, with fewer products (Winograd's). There, what is not finite reaches all results of
    a square, and rounding errors are those of its largest result.

    Args:
        x: `[n, *spatial, channels]`.
        kernel: `[*window, channels / groups, filters]`.
        bias: `[filters]`.
        strides: the step of the window, one number or one a spatial axis.
        padding: zeros around the image: `"valid"` for none, `"same"` so that `out` is
            `ceil(spatial / stride)`, `"causal"` so that no output sees a later input, or numbers.
        dilations: the step between the elements of the window.
        groups: how many parts the channels are cut into.
        data_format: `"channels_first"` for `[n, channels, *spatial]`, also of the result.

    Returns:
        `[n, *out, filters]`.
    """
    image, weights = _operands(x, kernel, data_format)
    rank = image.ndim - 2
    steps, gaps = per_axis(strides, rank), per_axis(dilations, rank)
    around = pads(padding, image.shape[1:-1], weights.shape[:rank], steps, gaps)
    result = cast(Tensor, ops.convolution(image, weights, steps, around, gaps, groups))
    return as_given(_shifted(result, bias), data_format)


@public
def conv_transpose(
    x: TensorLike,
    kernel: TensorLike,
    bias: TensorLike | None = None,
    *,
    strides: Ints = 1,
    padding: Padding = "valid",
    output_padding: Ints | None = None,
    dilations: Ints = 1,
    groups: int = 1,
    data_format: str = "channels_last",
) -> Tensor:
    """The transposed convolution: what the gradient of `conv` does to its input.

    The sizes are Keras's. With `k = dilation * (window - 1) + 1`, a spatial axis of size `t`
    becomes `t * stride + max(k - stride, 0)` (`"valid"`) or `t * stride` (`"same"`); with an
    `output_padding`, `(t - 1) * stride + k + output_padding` (`"valid"`), or that less
    `2 * (k // 2)` (`"same"`). With numbers as padding the sizes are PyTorch's: as `"valid"`, less
    the numbers.

    Args:
        x: `[n, *spatial, channels]`.
        kernel: `[*window, filters / groups, channels]`, as of the `conv` that it transposes.
        bias: `[filters]`.
        strides: how far apart the windows are painted.
        padding: what is cut off around the result, as that of `conv` is added.
        output_padding: how much longer the result is at its end; less than the stride.
        dilations: the step between the elements of the window.
        groups: how many parts the channels are cut into.
        data_format: `"channels_first"` for `[n, channels, *spatial]`, also of the result.

    Returns:
        `[n, *out, filters]`.
    """
    image, weights = _operands(x, kernel, data_format)
    rank = image.ndim - 2
    steps, gaps = per_axis(strides, rank), per_axis(dilations, rank)
    extras = (None,) * rank if output_padding is None else per_axis(output_padding, rank)
    extents = [d * (int(k) - 1) + 1 for k, d in zip(weights.shape, gaps, strict=False)]
    cuts = _cuts(padding, extents, steps, extras)
    sizes = [
        (t - 1) * s + k - low - high + extra
        for t, s, k, (low, high, extra) in zip(image.shape[1:-1], steps, extents, cuts, strict=True)
    ]
    around = [(low, high) for low, high, _ in cuts]
    result = ops.convolution_transpose(image, weights, sizes, steps, around, gaps, groups)
    return as_given(_shifted(cast(Tensor, result), bias), data_format)


def _cuts(
    padding: Padding,
    extents: Sequence[int],
    strides: Sequence[int],
    extras: Sequence[int | None],
) -> list[tuple[int, int, int]]:
    """For each axis what is cut off before and behind, and what is added at the end."""
    for stride, extra in zip(strides, extras, strict=True):
        if extra is not None and not 0 <= extra < stride:
            raise UsageError(f"output_padding {extra} is not less than the stride {stride}")
    if not isinstance(padding, str):
        around = pairs(padding, len(extents))
        return [(*pair, extra or 0) for pair, extra in zip(around, extras, strict=True)]
    name = padding.lower()
    if name not in ("valid", "same"):
        raise UsageError(
            f"padding {padding!r}", facts=[("known", '"valid", "same" or pairs of numbers')]
        )
    return [_named_cut(name, *axis) for axis in zip(extents, strides, extras, strict=True)]


def _named_cut(name: str, extent: int, stride: int, extra: int | None) -> tuple[int, int, int]:
    if name == "valid":
        return 0, 0, max(stride - extent, 0) if extra is None else extra
    # The size shall be `(t - 1) * stride + last`; what was painted is `extent` in the place of it.
    last = stride if extra is None else extent % 2 + extra
    total = max(extent - last, 0)
    return total // 2, total - total // 2, max(last - extent, 0)


@public
def depthwise_conv(
    x: TensorLike,
    kernel: TensorLike,
    bias: TensorLike | None = None,
    *,
    strides: Ints = 1,
    padding: Padding = "valid",
    dilations: Ints = 1,
    data_format: str = "channels_last",
) -> Tensor:
    """A convolution of each channel alone.

    Args:
        x: `[n, *spatial, channels]`.
        kernel: `[*window, channels, multiplier]`.
        bias: `[channels * multiplier]`.
        strides: the step of the window.
        padding: as of `conv`.
        dilations: the step between the elements of the window.
        data_format: where the channels stand.

    Returns:
        `[n, *out, channels * multiplier]`: all results of channel 0, then of channel 1, and so on.
    """
    weights = as_tensor(kernel)
    *window, channels, multiplier = weights.shape
    return conv(
        x,
        ops.reshape(weights, (*window, 1, channels * multiplier)),
        bias,
        strides=strides,
        padding=padding,
        dilations=dilations,
        groups=_known("channels", channels),
        data_format=data_format,
    )


@public
def separable_conv(
    x: TensorLike,
    depthwise_kernel: TensorLike,
    pointwise_kernel: TensorLike,
    bias: TensorLike | None = None,
    *,
    strides: Ints = 1,
    padding: Padding = "valid",
    dilations: Ints = 1,
    data_format: str = "channels_last",
) -> Tensor:
    """A convolution of each channel alone, then one that mixes the channels of each place.

    Args:
        x: `[n, *spatial, channels]`.
        depthwise_kernel: `[*window, channels, multiplier]`.
        pointwise_kernel: `[*ones, channels * multiplier, filters]`.
        bias: `[filters]`.
        strides: the step of the window of the first of the two.
        padding: of the first, as of `conv`.
        dilations: of the first.
        data_format: where the channels stand.

    Returns:
        `[n, *out, filters]`.
    """
    apart = depthwise_conv(
        x,
        depthwise_kernel,
        strides=strides,
        padding=padding,
        dilations=dilations,
        data_format=data_format,
    )
    return conv(apart, pointwise_kernel, bias, data_format=data_format)


def _operands(x: TensorLike, kernel: TensorLike, data_format: str) -> tuple[Tensor, Tensor]:
    image, weights = promote_all([as_tensor(x), as_tensor(kernel)])
    return channels_last(image, data_format), weights


def _shifted(x: Tensor, bias: TensorLike | None) -> Tensor:
    return x if bias is None else cast(Tensor, x + bias)


def _known(what: str, size: Size) -> int:
    if isinstance(size, int):
        return size
    raise ShapeError(f"the number of {what} has to be known", facts=[(what, size)])
