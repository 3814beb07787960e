"""`ResNet50`. Source: He et al., "Deep residual learning for image recognition", 2016."""

from __future__ import annotations

from typing import Any

from irflow.keras import layers
from irflow.keras.applications import imagenet_utils
from irflow.keras.applications.choices import Choices, Published, Weights, channel_axis
from irflow.keras.applications.imagenet_utils import decode_predictions
from irflow.keras.models.model import Model

__all__ = ["ResNet50", "decode_predictions", "preprocess_input"]

EPSILON = 1.001e-5

# Filters and number of blocks of each stack, and the stride of its first block.
STACKS = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))

# Addresses and MD5 as in Keras 3's source, applications/resnet.py.
PUBLISHED = Published(
    "https://storage.googleapis.com/tensorflow/keras-applications/resnet/",
    "resnet50_weights_tf_dim_ordering_tf_kernels.h5",
    "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
    "2cb95161c43110f7111970584f804107",
    "4d473c1dd8becc155b73f8504c6f6626",
)


def ResNet50(
    include_top: bool = True,
    weights: Weights = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: Any = "softmax",
    name: str = "resnet50",
) -> Model:
    """Sixteen blocks of three convolutions beside which the input is added: 26 million weights.

    Args:
        include_top: whether the dense layer at the end belongs to it.
        weights: None for random ones, `"imagenet"` for those that Keras publishes (downloaded
            once), or a file `.safetensors`, `.weights.h5` or `.h5`.
        input_tensor: a KerasTensor in place of the input.
        input_shape: of an image, at least 32x32; `(224, 224, 3)` by default with the dense layer.
        pooling: `"avg"` or `"max"` over the image at the end, without the dense layer.
        classes: how many, with the dense layer.
        classifier_activation: `"softmax"`, or None for logits.
        name: of the model.

    Raises:
        UsageError: an argument is wrong, or does not go with the weights.
        ArtifactError: the file of weights is damaged or of another architecture.
    """
    choices = Choices(
        include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation
    )
    image = choices.image(choices.shape())
    with choices.filled(PUBLISHED) as path:
        x: Any = layers.ZeroPadding2D(3, name="conv1_pad")(image)
        x = _normalized(layers.Conv2D(64, 7, strides=2, name="conv1_conv")(x), "conv1", "relu")
        x = layers.ZeroPadding2D(1, name="pool1_pad")(x)
        x = layers.MaxPooling2D(3, strides=2, name="pool1_pool")(x)
        for number, (filters, count, stride) in enumerate(STACKS, 2):
            for index in range(1, count + 1):
                at = f"conv{number}_block{index}"
                x = _block(x, filters, stride if index == 1 else 1, index == 1, at)
        if include_top:
            x = choices.classified(layers.GlobalAveragePooling2D(name="avg_pool")(x))
        else:
            x = choices.pooled(x, "avg_pool", "max_pool")
    return choices.model(image, x, name, path)


def _block(x: Any, filters: int, stride: int, has_projection: bool, name: str) -> Any:
    """Narrow, convolve, widen, and add what came in, projected where its shape differs."""
    shortcut = x
    if has_projection:
        shortcut = layers.Conv2D(4 * filters, 1, strides=stride, name=f"{name}_0_conv")(x)
        shortcut = _normalized(shortcut, f"{name}_0")
    x = layers.Conv2D(filters, 1, strides=stride, name=f"{name}_1_conv")(x)
    x = _normalized(x, f"{name}_1", "relu")
    x = layers.Conv2D(filters, 3, padding="same", name=f"{name}_2_conv")(x)
    x = _normalized(x, f"{name}_2", "relu")
    x = _normalized(layers.Conv2D(4 * filters, 1, name=f"{name}_3_conv")(x), f"{name}_3")
    x = layers.Add(name=f"{name}_add")([shortcut, x])
    return layers.Activation("relu", name=f"{name}_out")(x)


def _normalized(x: Any, name: str, activation: str | None = None) -> Any:
    axis = channel_axis()
    x = layers.BatchNormalization(axis=axis, epsilon=EPSILON, name=f"{name}_bn")(x)
    return x if activation is None else layers.Activation(activation, name=f"{name}_relu")(x)


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """Images for this network: `imagenet_utils.preprocess_input` in mode `"caffe"`."""
    return imagenet_utils.preprocess_input(x, data_format, "caffe")
