"""`MobileNetV2`. Source: Sandler et al., "Inverted residuals and linear bottlenecks", 2018."""

from __future__ import annotations

from typing import Any

from irflow.errors import UsageError
from irflow.keras import config, layers
from irflow.keras.applications import imagenet_utils
from irflow.keras.applications.choices import SIZE, Choices, Published, Weights, channel_axis
from irflow.keras.applications.imagenet_utils import decode_predictions
from irflow.keras.models.model import Model

__all__ = ["MobileNetV2", "decode_predictions", "preprocess_input"]

# Filters and number of blocks of each stack, the stride of its first block, the expansion.
STACKS = (
    (16, 1, 1, 1),
    (24, 2, 2, 6),
    (32, 3, 2, 6),
    (64, 4, 2, 6),
    (96, 3, 1, 6),
    (160, 3, 2, 6),
    (320, 1, 1, 6),
)
LAST_FILTERS = 1280

ALPHAS = (0.35, 0.50, 0.75, 1.0, 1.3, 1.4)
SIZES = (96, 128, 160, 192, 224)

# As in Keras 3's source, applications/mobilenet_v2.py, which names no checksums.
FOLDER = "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/"
FILE = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels"


def MobileNetV2(
    input_shape: Any = None,
    alpha: float = 1.0,
    include_top: bool = True,
    weights: Weights = "imagenet",
    input_tensor: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: Any = "softmax",
    name: str | None = None,
) -> Model:
    """Seventeen blocks that widen, filter each channel alone, and narrow: 3.5 million weights.

    Args:
        input_shape: of an image, at least 32x32; `(224, 224, 3)` by default with the dense layer.
        alpha: how wide the blocks are, relative to the paper's.
        include_top: whether the dense layer at the end belongs to it.
        weights: None for random ones, or a file `.safetensors`, `.weights.h5` or `.h5`;
            `"imagenet"` names the address of the published file, which has no checksum.
        input_tensor: a KerasTensor in place of the input.
        pooling: `"avg"` or `"max"` over the image at the end, without the dense layer.
        classes: how many, with the dense layer.
        classifier_activation: `"softmax"`, or None for logits.
        name: of the model; by default it has `alpha` and the size of the images in it.

    Raises:
        UsageError: an argument is wrong, or does not go with the weights.
        ArtifactError: the file of weights is damaged or of another architecture.
    """
    choices = Choices(
        include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation
    )
    size = _published_size(input_shape if input_tensor is None else input_tensor.shape[1:])
    shape = choices.shape(size)
    rows = shape[1 if config.image_data_format() == "channels_first" else 0]
    if weights == "imagenet" and alpha not in ALPHAS:
        raise UsageError(f"weights='imagenet' have alpha {ALPHAS}, not {alpha}")
    image = choices.image(shape)
    with choices.filled(_published(alpha, size)) as path:
        x = layers.Conv2D(
            divisible(32 * alpha), 3, strides=2, padding="same", use_bias=False, name="Conv1"
        )(image)
        x = _normalized(x, "bn_Conv1", "Conv1_relu")
        x = _blocks(x, alpha)
        last = divisible(LAST_FILTERS * alpha) if alpha > 1 else LAST_FILTERS
        x = layers.Conv2D(last, 1, use_bias=False, name="Conv_1")(x)
        x = _normalized(x, "Conv_1_bn", "out_relu")
        if include_top:
            x = choices.classified(layers.GlobalAveragePooling2D()(x))
        else:
            x = choices.pooled(x)
    return choices.model(image, x, name or f"mobilenetv2_{alpha:0.2f}_{rows}", path)


def _blocks(x: Any, alpha: float) -> Any:
    number = 0
    for filters, count, first_stride, expansion in STACKS:
        for index in range(count):
            prefix = f"block_{number}" if number else "expanded_conv"
            x = _block(
                x, int(filters * alpha), first_stride if index == 0 else 1, expansion, prefix
            )
            number += 1
    return x


def _block(x: Any, filters: int, stride: int, expansion: int, name: str) -> Any:
    """Widen `x`, filter each channel alone, narrow, and add `x` where the shapes are equal."""
    inputs, channels = x, x.shape[channel_axis()]
    if expansion > 1:
        x = _pointwise(x, expansion * channels, f"{name}_expand")
        x = _normalized(x, f"{name}_expand_BN", f"{name}_expand_relu")
    if stride == 2:
        x = layers.ZeroPadding2D(_halving_pad(x), name=f"{name}_pad")(x)
    x = layers.DepthwiseConv2D(
        3,
        strides=stride,
        padding="same" if stride == 1 else "valid",
        use_bias=False,
        name=f"{name}_depthwise",
    )(x)
    x = _normalized(x, f"{name}_depthwise_BN", f"{name}_depthwise_relu")
    narrow = divisible(filters)
    x = _normalized(_pointwise(x, narrow, f"{name}_project"), f"{name}_project_BN")
    is_same = channels == narrow and stride == 1
    return layers.Add(name=f"{name}_add")([inputs, x]) if is_same else x


def _pointwise(x: Any, filters: int, name: str) -> Any:
    return layers.Conv2D(filters, 1, padding="same", use_bias=False, name=name)(x)


def _normalized(x: Any, name: str, activation: str | None = None) -> Any:
    axis = channel_axis()
    x = layers.BatchNormalization(axis=axis, epsilon=1e-3, momentum=0.999, name=name)(x)
    return x if activation is None else layers.ReLU(6.0, name=activation)(x)


def _halving_pad(x: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """The border with which a 3x3 window of stride 2 halves a size, as `"same"` does in Keras."""
    axis = 2 if channel_axis() == 1 else 1
    rows, columns = x.shape[axis : axis + 2]
    return ((rows or 0) % 2, 1), ((columns or 0) % 2, 1)


def divisible(filters: float, divisor: int = 8) -> int:
    """The multiple of `divisor` nearest to `filters`, not less than nine tenths of it."""
    found = max(divisor, int(filters + divisor / 2) // divisor * divisor)
    return found if found >= 0.9 * filters else found + divisor


def _published_size(shape: Any) -> int:
    """The size that weights are published for: that of square images if there are any of it."""
    sizes = () if shape is None else tuple(shape)
    image = sizes[1:] if config.image_data_format() == "channels_first" else sizes[:2]
    is_known = len(image) == 2 and image[0] == image[1] and image[0] in SIZES
    return image[0] if is_known else SIZE


def _published(alpha: float, size: int) -> Published:
    whole = f"{FILE}_{float(alpha)}_{size}"
    return Published(FOLDER, f"{whole}.h5", f"{whole}_no_top.h5")


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """Images for this network: `imagenet_utils.preprocess_input` in mode `"tf"`."""
    return imagenet_utils.preprocess_input(x, data_format, "tf")
