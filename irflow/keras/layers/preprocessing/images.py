"""`ImageLayer`: what the layers of images share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from irflow import numpy as inp
from irflow.dims import Size
from irflow.errors import ShapeError, UsageError
from irflow.frontend.tensor import Tensor
from irflow.keras import config
from irflow.keras import random as keras_random
from irflow.keras.layers.builtin import BuiltinLayer
from irflow.keras.random import SeedGenerator
from irflow.nn.geometry import as_given, channels_last


class ImageLayer(BuiltinLayer):
    """A layer of images `[n, height, width, channels]`, or of one without the batch axis.

    Args:
        data_format: `"channels_first"` for `[n, channels, height, width]`.
        **kwargs: of `Layer`.
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = config.standardize_data_format(data_format)

    def transformed(self, images: Tensor, training: bool) -> Tensor:
        """The result for `[n, height, width, channels]`."""
        raise NotImplementedError(f"{type(self).__name__} defines no transformed")

    def call(self, inputs: Tensor, training: bool = True) -> Tensor:
        if inputs.ndim not in (3, 4):
            raise ShapeError(
                f'layer "{self.name}": images with 3 or 4 axes are wanted',
                facts=[("given", inputs.shape)],
            )
        is_single = inputs.ndim == 3
        batch = channels_last(inputs[None] if is_single else inputs, self.data_format)
        result = as_given(self.transformed(batch, training), self.data_format)
        return result[0] if is_single else result

    def known_sizes(self, images: Tensor) -> tuple[int, int]:
        """Height and width.

        Raises:
            ShapeError: they are not known.
        """
        height, width = images.shape[1:3]
        if not isinstance(height, int) or not isinstance(width, int):
            raise ShapeError(
                f'layer "{self.name}": height and width have to be known',
                facts=[("given", images.shape)],
            )
        return height, width


class RandomImageLayer(ImageLayer):
    """The base of the layers that change images at random in training, and else only their type.

    Args:
        seed: of the layer's own generator; one from the global generator by default.
        **kwargs: of `ImageLayer`.
    """

    def __init__(self, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = seed
        self.seed_generator = SeedGenerator(seed)

    def drawn(self, images: Tensor, low: float, high: float) -> Tensor:
        """A number for each image, `[n, 1, 1, 1]`, from `low` to `high`."""
        shape: tuple[Size, ...] = (images.shape[0], 1, 1, 1)
        return keras_random.uniform(shape, low, high, seed=self.seed_generator)

    def floating(self, images: Tensor) -> Tensor:
        """Images in the type of computation."""
        return inp.astype(images, self.compute_dtype)


def factor_range(
    layer: str, name: str, factor: Any, low: float = -1.0, high: float = 1.0
) -> tuple[float, float]:
    """A factor as its smallest and its largest value: one number stands for `[-x, x]`.

    Raises:
        UsageError: it is neither a number nor two of them, or out of bounds.
    """
    is_pair = isinstance(factor, Sequence) and len(factor) == 2
    if is_pair:
        lower, upper = sorted(float(x) for x in factor)
    elif isinstance(factor, (int, float)):
        upper = abs(float(factor))
        lower = max(-upper, low)
    if (not is_pair and not isinstance(factor, (int, float))) or lower < low or upper > high:
        raise UsageError(
            f"{layer}: {name} is a number in [{low:g}, {high:g}], or two of them",
            facts=[(name, factor)],
        )
    return lower, upper
