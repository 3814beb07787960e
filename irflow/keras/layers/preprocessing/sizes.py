"""`Resizing`, `CenterCrop` and `RandomCrop`: images of another size."""

from __future__ import annotations

from typing import Any

import numpy as np

from irflow import nn
from irflow import numpy as inp
from irflow.errors import UsageError
from irflow.frontend.tensor import Tensor
from irflow.keras import random as keras_random
from irflow.keras.layers.builtin import one_of, positive
from irflow.keras.layers.preprocessing.images import ImageLayer, RandomImageLayer
from irflow.keras.layers.reshaping.upsampling import METHODS


class Resizing(ImageLayer):
    """Images of another size; whole numbers are rounded and stay what they are.

    Args:
        height: of the result.
        width: of the result.
        interpolation: `"nearest"`, `"bilinear"`, `"bicubic"`, `"lanczos3"` or `"lanczos5"`.
        crop_to_aspect_ratio: cut the longer side before, so that nothing is distorted.
        pad_to_aspect_ratio: fill up the shorter side before.
        fill_mode: `"constant"`, how to fill.
        fill_value: with what.
        antialias: whether each pixel has its part when images shrink.
        data_format: `"channels_first"` for `[n, channels, height, width]`.

    Raises:
        UsageError: an unknown method, or both ways to keep the ratio.
        ShapeError: the sizes of the input are not known.
    """

    config_names = (
        "height", "width", "interpolation", "crop_to_aspect_ratio", "pad_to_aspect_ratio",
        "fill_mode", "fill_value", "antialias", "data_format",
    )  # fmt: skip

    def __init__(
        self,
        height: int,
        width: int,
        interpolation: str = "bilinear",
        crop_to_aspect_ratio: bool = False,
        pad_to_aspect_ratio: bool = False,
        fill_mode: str = "constant",
        fill_value: float = 0.0,
        antialias: bool = False,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format, **kwargs)
        if crop_to_aspect_ratio and pad_to_aspect_ratio:
            raise UsageError(
                "Resizing: crop_to_aspect_ratio and pad_to_aspect_ratio exclude each other"
            )
        self.height = positive("Resizing", "height", height)
        self.width = positive("Resizing", "width", width)
        self.interpolation = one_of("Resizing", "interpolation", interpolation, METHODS)
        self.fill_mode = one_of("Resizing", "fill_mode", fill_mode, ("constant",))
        self.crop_to_aspect_ratio, self.pad_to_aspect_ratio = (
            crop_to_aspect_ratio,
            pad_to_aspect_ratio,
        )
        self.fill_value, self.antialias = fill_value, bool(antialias)

    def transformed(self, images: Tensor, training: bool) -> Tensor:
        size = self.height, self.width
        if self.crop_to_aspect_ratio:
            images = cropped_to_ratio(images, self.known_sizes(images), size)
        elif self.pad_to_aspect_ratio:
            images = self._padded_to_ratio(images)
        result = nn.resize(images, size, self.interpolation, antialias=self.antialias)
        if result.dtype is images.dtype:
            return result
        limits = np.iinfo(str(images.dtype.numpy))
        rounded = inp.clip(inp.round(result), float(limits.min), float(limits.max))
        return rounded.astype(images.dtype)

    def _padded_to_ratio(self, images: Tensor) -> Tensor:
        height, width = self.known_sizes(images)
        lines = max(height, int(width * self.height / self.width)) - height
        columns = max(width, int(height * self.width / self.height)) - width
        around = (0, lines // 2, 0 if lines // 2 else columns // 2, 0)
        pairs = [(size, size) for size in around]
        return inp.pad(images, pairs, constant_values=self.fill_value)


def cropped_to_ratio(images: Tensor, given: tuple[int, int], wanted: tuple[int, int]) -> Tensor:
    """The largest middle part of images whose sides are in the ratio of `wanted`."""
    height = max(min(given[0], int(given[1] * wanted[0] / wanted[1])), 1)
    width = max(min(given[1], int(given[0] * wanted[1] / wanted[0])), 1)
    return cut(images, ((given[0] - height) // 2, (given[1] - width) // 2), (height, width))


def cut(images: Tensor, start: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """A part of images."""
    (top, left), (height, width) = start, size
    return images[:, top : top + height, left : left + width]


class CenterCrop(ImageLayer):
    """The middle of images; of smaller ones the largest part of the same ratio, enlarged.

    Args:
        height: of the result.
        width: of the result.
        data_format: `"channels_first"` for `[n, channels, height, width]`.
    """

    config_names = ("height", "width", "data_format")

    def __init__(
        self, height: int, width: int, data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(data_format, **kwargs)
        self.height = positive("CenterCrop", "height", height)
        self.width = positive("CenterCrop", "width", width)

    def transformed(self, images: Tensor, training: bool) -> Tensor:
        given, size = self.known_sizes(images), (self.height, self.width)
        floats = inp.astype(images, self.compute_dtype)
        above, left = given[0] - size[0], given[1] - size[1]
        if above >= 0 and left >= 0:
            return cut(floats, (above // 2, left // 2), size)
        return nn.resize(cropped_to_ratio(floats, given, size), size)


class RandomCrop(RandomImageLayer):
    """A part of images at a random place, the same for a batch; else their middle.

    Images that are not larger than the part are cut to its ratio, and resized.

    Args:
        height: of the result.
        width: of the result.
        seed: of the layer's own generator.
        data_format: `"channels_first"` for `[n, channels, height, width]`.
    """

    config_names = ("height", "width", "seed", "data_format")

    def __init__(
        self,
        height: int,
        width: int,
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed, data_format=data_format, **kwargs)
        self.height = positive("RandomCrop", "height", height)
        self.width = positive("RandomCrop", "width", width)

    def transformed(self, images: Tensor, training: bool) -> Tensor:
        given, size = self.known_sizes(images), (self.height, self.width)
        result = self.floating(images)
        if not training or given[0] <= size[0] or given[1] <= size[1]:
            return nn.resize(cropped_to_ratio(result, given, size), size)
        for axis, (whole, part) in enumerate(zip(given, size, strict=True), 1):
            first = keras_random.randint((), 0, whole - part + 1, seed=self.seed_generator)
            result = inp.take(result, first + inp.arange(part), axis=axis)
        return result
