"""`RandomFlip`, `RandomRotation`, `RandomZoom` and `RandomTranslation`: images moved at random."""

from __future__ import annotations

import math
from typing import Any

from irflow import nn
from irflow import numpy as inp
from irflow.frontend.tensor import Tensor
from irflow.keras.layers.builtin import one_of
from irflow.keras.layers.preprocessing.images import RandomImageLayer, factor_range
from irflow.nn.activations import row

FILL_MODES = ("reflect", "wrap", "constant", "nearest")


class RandomFlip(RandomImageLayer):
    """Each image is mirrored with probability 1/2 in training.

    Args:
        mode: `"horizontal"`, `"vertical"`, or `"horizontal_and_vertical"` for each by itself.
        seed: of the layer's own generator.
        data_format: `"channels_first"` for `[n, channels, height, width]`.
    """

    config_names = ("mode", "seed", "data_format")

    def __init__(
        self,
        mode: str = "horizontal_and_vertical",
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed, data_format=data_format, **kwargs)
        modes = ("horizontal", "vertical", "horizontal_and_vertical")
        self.mode = one_of("RandomFlip", "mode", mode, modes)

    def transformed(self, images: Tensor, training: bool) -> Tensor:
        result = self.floating(images)
        if not training:
            return result
        for name, axis in (("horizontal", 2), ("vertical", 1)):
            if name in self.mode:
                is_turned = self.drawn(images, 0.0, 1.0) <= 0.5
                result = inp.where(is_turned, inp.flip(result, axis), result)
        return result


class _Moved(RandomImageLayer):
    """The base of the layers that take pixels from other places.

    Args:
        fill_mode: what stands outside of the image: `"reflect"`, `"wrap"`, `"constant"` or
            `"nearest"`.
        interpolation: `"bilinear"` or `"nearest"`.
        seed: of the layer's own generator.
        fill_value: for `"constant"`.
        data_format: where the channels stand.
    """

    def __init__(
        self,
        fill_mode: str,
        interpolation: str,
        seed: int | None,
        fill_value: float,
        data_format: str | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed, data_format=data_format, **kwargs)
        name = type(self).__name__
        self.fill_mode = one_of(name, "fill_mode", fill_mode, FILL_MODES)
        self.interpolation = one_of(name, "interpolation", interpolation, ("bilinear", "nearest"))
        self.fill_value = fill_value

    def maps(self, images: Tensor, height: Any, width: Any) -> tuple[Any, ...]:
        """Six numbers, each `[n]`: from where `irflow.nn.affine_transform` takes pixels."""
        raise NotImplementedError(f"{type(self).__name__} defines no maps")

    def transformed(self, images: Tensor, training: bool) -> Tensor:
        floats = self.floating(images)
        if not training:
            return floats
        sizes = (inp.asarray(size).astype("float32") for size in images.shape[1:3])
        zero = inp.zeros((images.shape[0],))
        numbers = [zero + number for number in (*self.maps(images, *sizes), 0.0, 0.0)]
        places = inp.stack(numbers, axis=1)
        return nn.affine_transform(
            floats, places, self.interpolation, self.fill_mode, self.fill_value
        )

    def one_each(self, images: Tensor, bounds: tuple[float, float], shift: float = 0.0) -> Tensor:
        """A random number for each image, `[n]`."""
        low, high = bounds
        return self.drawn(images, low + shift, high + shift).reshape(images.shape[0])


class RandomRotation(_Moved):
    """Each image turned about its middle by a random angle in training.

    Args:
        factor: the largest angle in whole turns, or the smallest and the largest; positive turns
            go counter-clockwise.
        fill_mode: what stands outside of the image: `"reflect"`, `"wrap"`, `"constant"` or
            `"nearest"`.
        interpolation: `"bilinear"` or `"nearest"`.
        seed: of the layer's own generator.
        fill_value: for `"constant"`.
        data_format: `"channels_first"` for `[n, channels, height, width]`.
    """

    config_names = (
        "factor", "fill_mode", "interpolation", "seed", "fill_value", "data_format",
    )  # fmt: skip

    def __init__(
        self,
        factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)
        self.factor = factor_range("RandomRotation", "factor", factor)

    def maps(self, images: Tensor, height: Any, width: Any) -> tuple[Any, ...]:
        angle = self.one_each(images, self.factor) * (2 * math.pi)
        cos, sin = row("cos", angle), row("sin", angle)
        x, y = (width - 1) / 2, (height - 1) / 2
        return cos, -sin, x - x * cos + y * sin, sin, cos, y - x * sin - y * cos


class RandomZoom(_Moved):
    """Each image made larger or smaller at random in training, about its middle.

    Args:
        height_factor: the smallest and the largest part by which more is seen, `(-0.3, -0.2)` for
            images that are enlarged; one number `x` for `(-x, x)`.
        width_factor: the same for the width; that of the height, which keeps the ratio, by default.
        fill_mode: what stands outside of the image: `"reflect"`, `"wrap"`, `"constant"` or
            `"nearest"`.
        interpolation: `"bilinear"` or `"nearest"`.
        seed: of the layer's own generator.
        fill_value: for `"constant"`.
        data_format: `"channels_first"` for `[n, channels, height, width]`.
    """

    config_names = (
        "height_factor", "width_factor", "fill_mode", "interpolation", "seed", "fill_value",
        "data_format",
    )  # fmt: skip

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any = None,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)
        self.height_factor = factor_range("RandomZoom", "height_factor", height_factor)
        self.width_factor = (
            None
            if width_factor is None
            else factor_range("RandomZoom", "width_factor", width_factor)
        )

    def maps(self, images: Tensor, height: Any, width: Any) -> tuple[Any, ...]:
        tall = wide = self.one_each(images, self.height_factor, 1.0)
        if self.width_factor is not None:
            wide = self.one_each(images, self.width_factor, 1.0)
        x, y = (width - 1) / 2, (height - 1) / 2
        return wide, 0.0, x * (1 - wide), 0.0, tall, y * (1 - tall)


class RandomTranslation(_Moved):
    """Each image shifted at random in training.

    Args:
        height_factor: the smallest and the largest part of the height that it goes down by; one
            number `x` for `(-x, x)`.
        width_factor: the same to the right.
        fill_mode: what stands outside of the image: `"reflect"`, `"wrap"`, `"constant"` or
            `"nearest"`.
        interpolation: `"bilinear"` or `"nearest"`.
        seed: of the layer's own generator.
        fill_value: for `"constant"`.
        data_format: `"channels_first"` for `[n, channels, height, width]`.
    """

    config_names = (
        "height_factor", "width_factor", "fill_mode", "interpolation", "seed", "fill_value",
        "data_format",
    )  # fmt: skip

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)
        self.height_factor = factor_range("RandomTranslation", "height_factor", height_factor)
        self.width_factor = factor_range("RandomTranslation", "width_factor", width_factor)

    def maps(self, images: Tensor, height: Any, width: Any) -> tuple[Any, ...]:
        down = self.one_each(images, self.height_factor) * height
        right = self.one_each(images, self.width_factor) * width
        return 1.0, 0.0, -right, 0.0, 1.0, -down
