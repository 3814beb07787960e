"""Functions of `keras.ops` for networks that irflow spells in another way."""

from __future__ import annotations

from typing import Any

from irflow import losses, nn
from irflow import numpy as namespace
from irflow.errors import UsageError
from irflow.frontend import as_tensor
from irflow.keras import config

inp: Any = namespace


def conv(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    """Convolution; channels are in groups where the kernel has fewer of them than the image."""
    image, weights = as_tensor(inputs), as_tensor(kernel)
    places = config.standardize_data_format(data_format)
    channels = image.shape[-1 if places == "channels_last" else 1]
    return nn.conv(
        image,
        weights,
        strides=strides,
        padding=padding,
        dilations=dilation_rate,
        groups=int(channels) // int(weights.shape[-2]),
        data_format=places,
    )


def adaptive_average_pool(inputs: Any, output_size: Any, data_format: str | None = None) -> Any:
    """Means over windows that cut the image into `output_size` parts."""
    x = as_tensor(inputs)
    if config.standardize_data_format(data_format) == "channels_last":
        return nn.adaptive_avg_pool(x, output_size)
    return inp.moveaxis(nn.adaptive_avg_pool(inp.moveaxis(x, 1, -1), output_size), -1, 1)


def batch_normalization(
    x: Any,
    mean: Any,
    variance: Any,
    axis: int,
    offset: Any = None,
    scale: Any = None,
    epsilon: float = 0.001,
) -> Any:
    """Numbers less their mean, over their standard deviation, both given for each channel."""
    return nn.batch_norm(x, mean, variance, scale, offset, axis=axis, epsilon=epsilon)


def layer_normalization(
    x: Any, gamma: Any = None, beta: Any = None, axis: Any = -1, epsilon: float | None = None
) -> Any:
    """Numbers less the mean along `axis`, over the standard deviation along it."""
    small = config.epsilon() if epsilon is None else epsilon
    return nn.layer_norm(x, gamma, beta, axis=axis, epsilon=small)


def rms_normalization(
    x: Any, scale: Any = None, axis: Any = -1, epsilon: float | None = None
) -> Any:
    """Numbers over the root of the mean of their squares along `axis`."""
    small = config.epsilon() if epsilon is None else epsilon
    return nn.rms_norm(x, scale, axis=axis, epsilon=small)


def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Any:
    """For each element."""
    of = losses.sigmoid_cross_entropy if from_logits else losses.binary_cross_entropy
    return of(output, target, reduction="none")


def categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Any:
    """For each row of probabilities, `target` having one such row."""
    of = losses.softmax_cross_entropy if from_logits else losses.cross_entropy
    return of(output, target, axis=axis, reduction="none")


def sparse_categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Any:
    """For each row of probabilities, `target` having a number of a class; its axis may be there."""
    labels, scores = as_tensor(target), as_tensor(output)
    if labels.ndim == scores.ndim and labels.shape[axis] == 1:
        labels = inp.squeeze(labels, axis)
    return categorical_crossentropy(labels, scores, from_logits, axis)


def dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    scale: float | None = None,
    is_causal: bool = False,
    flash_attention: bool | None = None,  # noqa: ARG001  Keras's name
    attn_logits_soft_cap: float | None = None,
) -> Any:
    """Attention of `[batch, length, heads, features]`.

    Raises:
        UsageError: `attn_logits_soft_cap`, which is not there.
    """
    if attn_logits_soft_cap is not None:
        raise UsageError("dot_product_attention: attn_logits_soft_cap is not there")
    return nn.dot_product_attention(
        query, key, value, mask=mask, bias=bias, is_causal=is_causal, scale=scale
    )


def psnr(x1: Any, x2: Any, max_val: float) -> Any:
    """The peak signal-to-noise ratio of two images, in decibels."""
    error = inp.mean(inp.square(as_tensor(x1) - as_tensor(x2)))
    return 20 * inp.log10(as_tensor(max_val)) - 10 * inp.log10(error)


def ctc_loss(
    target: Any, output: Any, target_length: Any, output_length: Any, mask_index: int = 0
) -> Any:
    """Connectionist temporal classification, for each example; see `irflow.losses.ctc`."""
    return losses.ctc(
        output, target, output_length, target_length, blank=mask_index, reduction="none"
    )
