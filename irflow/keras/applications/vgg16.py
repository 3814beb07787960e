"""`VGG16`. Source: Simonyan and Zisserman, "Very deep convolutional networks", 2015."""

from __future__ import annotations

from typing import Any

from irflow.keras import layers
from irflow.keras.applications import imagenet_utils
from irflow.keras.applications.choices import Choices, Published, Weights
from irflow.keras.applications.imagenet_utils import decode_predictions
from irflow.keras.models.model import Model

__all__ = ["VGG16", "decode_predictions", "preprocess_input"]

# Filters, and how many convolutions follow each other.
BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))

# Addresses and MD5 as in Keras 3's source, applications/vgg16.py.
PUBLISHED = Published(
    "https://storage.googleapis.com/tensorflow/keras-applications/vgg16/",
    "vgg16_weights_tf_dim_ordering_tf_kernels.h5",
    "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
    "64373286793e3c8b2b4e3219cbf3544b",
    "6d6bbae143d832006294945121d1f1fc",
)


def VGG16(
    include_top: bool = True,
    weights: Weights = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: Any = "softmax",
    name: str = "vgg16",
) -> Model:
    """Thirteen 3x3 convolutions in five blocks, and three dense layers: 138 million weights.

    Args:
        include_top: whether the dense layers belong to it.
        weights: None for random ones, `"imagenet"` for those that Keras publishes (downloaded
            once), or a file `.safetensors`, `.weights.h5` or `.h5`.
        input_tensor: a KerasTensor in place of the input.
        input_shape: of an image, at least 32x32; `(224, 224, 3)` by default with the dense layers.
        pooling: `"avg"` or `"max"` over the image at the end, without the dense layers.
        classes: how many, with the dense layers.
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
        x: Any = image
        for number, (filters, count) in enumerate(BLOCKS, 1):
            for index in range(1, count + 1):
                at = f"block{number}_conv{index}"
                x = layers.Conv2D(filters, 3, padding="same", activation="relu", name=at)(x)
            x = layers.MaxPooling2D(2, 2, name=f"block{number}_pool")(x)
        if include_top:
            x = layers.Flatten(name="flatten")(x)
            x = layers.Dense(4096, activation="relu", name="fc1")(x)
            x = layers.Dense(4096, activation="relu", name="fc2")(x)
            x = choices.classified(x)
        else:
            x = choices.pooled(x)
    return choices.model(image, x, name, path)


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """Images for this network: `imagenet_utils.preprocess_input` in mode `"caffe"`."""
    return imagenet_utils.preprocess_input(x, data_format, "caffe")
