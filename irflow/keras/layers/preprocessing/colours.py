"""`RandomContrast` and `RandomBrightness`: pixels of other values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from irflow import numpy as inp
from irflow.errors import UsageError
from irflow.frontend.tensor import Tensor
from irflow.keras.layers.preprocessing.images import RandomImageLayer, factor_range


class _Coloured(RandomImageLayer):
    """The base of the two.

    Args:
        value_range: the smallest and the largest value of pixels.
        seed: of the layer's own generator.

    Raises:
        UsageError: `value_range` is not two numbers.
    """

    config_names = ("factor", "value_range", "seed", "data_format")

    def __init__(self, value_range: Sequence[float], seed: int | None, **kwargs: Any) -> None:
        super().__init__(seed, **kwargs)
        if np.shape(value_range) != (2,):
            raise UsageError(
                f"{type(self).__name__}: value_range {value_range!r} is not two numbers"
            )
        self.value_range = tuple(sorted(value_range))

    def changed(self, images: Tensor) -> Tensor:
        """The images in training, not yet in their range."""
        raise NotImplementedError(f"{type(self).__name__} defines no changed")

    def transformed(self, images: Tensor, training: bool) -> Tensor:
        floats = self.floating(images)
        if not training:
            return floats
        low, high = self.value_range
        return inp.clip(self.changed(floats), float(low), float(high))


class RandomContrast(_Coloured):
    """Each image with its distances to the mean of each channel multiplied by a random number.

    Args:
        factor: the number is drawn from `1 - lower` to `1 + upper`; one number for both.
        value_range: the smallest and the largest value of pixels.
        seed: of the layer's own generator.
    """

    def __init__(
        self,
        factor: Any,
        value_range: Sequence[float] = (0, 255),
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(value_range, seed, **kwargs)
        both = (factor, factor) if isinstance(factor, (int, float)) else factor
        self.factor = factor_range("RandomContrast", "factor", both, 0.0, 1.0)

    def changed(self, images: Tensor) -> Tensor:
        mean = images.mean((1, 2), keepdims=True)
        lower, upper = self.factor
        factor = self.drawn(images, 1 - lower, 1 + upper).astype(images.dtype)
        return (images - mean) * factor + mean  # type: ignore[no-any-return]


class RandomBrightness(_Coloured):
    """Each image with a random number added.

    Args:
        factor: the smallest and the largest part of `value_range` that is added; one number `x`
            for `(-x, x)`.
        value_range: the smallest and the largest value of pixels.
        seed: of the layer's own generator.
    """

    def __init__(
        self,
        factor: Any,
        value_range: Sequence[float] = (0, 255),
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(value_range, seed, **kwargs)
        self.factor = factor_range("RandomBrightness", "factor", factor)

    def changed(self, images: Tensor) -> Tensor:
        low, high = self.value_range
        added = self.drawn(images, *self.factor) * (high - low)
        return images + added.astype(images.dtype)  # type: ignore[no-any-return]
