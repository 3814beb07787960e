"""Images from files; Pillow reads and writes them (the extra `pillow`)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from irflow import nn
from irflow.errors import DataError, ShapeError
from irflow.frontend.boundary import public
from irflow.keras.engine.optional import optional
from irflow.keras.utils.directories import Folder, Split, datasets, one_of

__all__ = ["array_to_img", "image_dataset_from_directory", "img_to_array", "load_img", "save_img"]

ALLOWED = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
MODES = {"rgb": "RGB", "rgba": "RGBA", "grayscale": "L"}
CHANNELS = {"rgb": 3, "rgba": 4, "grayscale": 1}


@public
def load_img(
    path: str | os.PathLike[str],
    color_mode: str = "rgb",
    target_size: tuple[int, int] | None = None,
    interpolation: str = "nearest",
) -> Any:
    """An image of Pillow.

    Args:
        path: the file.
        color_mode: `"rgb"`, `"rgba"` or `"grayscale"`.
        target_size: `(height, width)`, by default that of the file.
        interpolation: `"nearest"`, `"bilinear"`, `"bicubic"`, `"lanczos"`, `"box"` or `"hamming"`.

    Raises:
        MissingPackageError: Pillow is not installed.
        DataError: the file cannot be read as an image.
        UsageError: an unknown mode or interpolation.
    """
    pillow = _pillow()
    mode = _chosen("color_mode", color_mode, MODES)
    filters = {f.name.lower(): f for f in pillow.Resampling}
    resampling = _chosen("interpolation", interpolation, filters)
    try:
        with pillow.open(path) as image:
            found = image.convert(mode)
    except (OSError, ValueError, SyntaxError, pillow.DecompressionBombError) as error:
        raise DataError(
            "load_img: the file cannot be read as an image",
            facts=[("file", path), ("found", str(error))],
        ) from error
    if target_size is None or found.size == target_size[::-1]:
        return found
    return found.resize(target_size[::-1], resampling)


@public
def img_to_array(img: Any, data_format: str | None = None, dtype: Any = "float32") -> np.ndarray:
    """An image as `[height, width, channels]`, or `[channels, height, width]`.

    Args:
        img: of Pillow, or an array of two or three axes.
        data_format: `"channels_last"`, the default, or `"channels_first"`.
        dtype: of the result.
    """
    array = np.asarray(img, dtype)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3:
        raise ShapeError(f"img_to_array: an image has 2 or 3 axes, not the shape {array.shape}")
    return array.transpose(2, 0, 1) if data_format == "channels_first" else array


@public
def array_to_img(
    x: Any, data_format: str | None = None, scale: bool = True, dtype: Any = "float32"
) -> Any:
    """The image of Pillow for an array `[height, width, channels]`.

    Args:
        x: with 1, 3 or 4 channels.
        data_format: `"channels_last"`, the default, or `"channels_first"`.
        scale: whether the values are stretched to 0 … 255.
        dtype: for the arithmetic.
    """
    array = np.asarray(x, dtype)
    if array.ndim != 3:
        raise ShapeError(f"array_to_img: an image has 3 axes, not the shape {array.shape}")
    if data_format == "channels_first":
        array = array.transpose(1, 2, 0)
    if array.shape[-1] not in CHANNELS.values():
        raise ShapeError(f"array_to_img: 1, 3 or 4 channels, not {array.shape[-1]}")
    if scale:
        array = array - array.min()
        array = array * (255 / (array.max() or 1))
    bytes_ = np.clip(array, 0, 255).astype(np.uint8)
    return _pillow().fromarray(bytes_[..., 0] if bytes_.shape[-1] == 1 else bytes_)


@public
def save_img(path: str | os.PathLike[str], x: Any, **options: Any) -> None:
    """Write an array to an image file, whose name tells the format; `options` as `array_to_img`."""
    array_to_img(x, **options).save(path)


@public
def image_dataset_from_directory(
    directory: str | os.PathLike[str],
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: list[str] | None = None,
    color_mode: str = "rgb",
    batch_size: int | None = 32,
    image_size: tuple[int, int] = (256, 256),
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    interpolation: str = "bilinear",
    follow_links: bool = False,
    crop_to_aspect_ratio: bool = False,
    data_format: str | None = None,
    verbose: bool = True,
) -> Any:
    """Batches of images from folders, one folder a class.

    Args:
        directory: with a folder of images for each class, or with images if there are no labels.
        labels: `"inferred"` from the folders, None, or one for each file in the order of names.
        label_mode: `"int"`, `"categorical"` (one-hot), `"binary"` (`f32[n, 1]`) or None.
        class_names: the folders in the order of their numbers, by default sorted.
        color_mode: `"rgb"`, `"rgba"` or `"grayscale"`.
        batch_size: None for single images.
        image_size: `(height, width)` to which images are resized.
        shuffle: whether they come in a random order, a new one in each pass.
        seed: of that order and of the split.
        validation_split: the share that is held back, between 0 and 1.
        subset: `"training"`, `"validation"` or `"both"` (a pair of datasets) of the split.
        interpolation: `"nearest"`, `"bilinear"`, `"bicubic"`, …, as `irf.nn.resize`.
        follow_links: whether symbolic links to folders are followed.
        crop_to_aspect_ratio: whether images are cropped at their middle instead of distorted.
        data_format: `"channels_last"`, the default, or `"channels_first"`.
        verbose: whether to say how many files there are.

    Returns:
        a `FileDataset` of images `f32[batch, height, width, channels]`, 0 to 255, with labels.

    Raises:
        DataError: there is no image, or (while iterating) one cannot be read.
        UsageError: an unknown mode, or a split without subset or seed.
        MissingPackageError: Pillow is not installed.
    """
    _pillow()
    _chosen("color_mode", color_mode, MODES)
    root = Path(directory)
    folder = Folder(root, "images", ALLOWED, labels, label_mode, class_names, follow_links)
    split = Split(validation_split, subset, shuffle, seed)
    read = _Reader(color_mode, image_size, interpolation, crop_to_aspect_ratio, data_format)
    return datasets(folder, split, read, batch_size, verbose)


class _Reader:
    """Reads a file into an array of one size."""

    def __init__(
        self, mode: str, size: tuple[int, int], method: str, crop: bool, data_format: str | None
    ) -> None:
        self.mode, self.size, self.method = mode, size, method
        self.crop, self.data_format = crop, data_format

    def __call__(self, path: Path) -> np.ndarray:
        array = img_to_array(load_img(path, self.mode))
        if self.crop:
            array = _cropped(array, self.size)
        if array.shape[:2] != self.size:
            array = np.asarray(nn.resize(array, self.size, self.method))
        return img_to_array(array, self.data_format)


def _cropped(array: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The largest part at the middle with the proportions of `size`."""
    height, width = array.shape[:2]
    rows = min(height, round(width * size[0] / size[1]))
    columns = min(width, round(height * size[1] / size[0]))
    top, left = (height - rows) // 2, (width - columns) // 2
    return array[top : top + rows, left : left + columns]


def _pillow() -> Any:
    return optional("PIL.Image", "images in files", extra="pillow")


def _chosen(name: str, value: str, table: dict[str, Any]) -> Any:
    one_of(name, value, tuple(table))
    return table[value]
