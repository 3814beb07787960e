"""Images from files; Pillow reads and writes them (the extra `pillow`)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from irflow import nn
from irflow.data import Dataset
from irflow.errors import DataError, ShapeError, UsageError
from irflow.keras.engine.optional import optional

__all__ = ["array_to_img", "image_dataset_from_directory", "img_to_array", "load_img", "save_img"]

ALLOWED = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
MODES = {"rgb": "RGB", "rgba": "RGBA", "grayscale": "L"}
CHANNELS = {"rgb": 3, "rgba": 4, "grayscale": 1}
LABEL_MODES = ("int", "categorical", "binary", None)
SUBSETS = ("training", "validation", "both", None)


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


def save_img(path: str | os.PathLike[str], x: Any, **options: Any) -> None:
    """Write an array to an image file, whose name tells the format; `options` as `array_to_img`."""
    array_to_img(x, **options).save(path)


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
    follow_links: bool = False,
    interpolation: str = "bilinear",
    crop_to_aspect_ratio: bool = False,
    data_format: str | None = None,
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
        follow_links: whether symbolic links to folders are followed.
        interpolation: `"nearest"`, `"bilinear"`, `"bicubic"`, …, as `irf.nn.resize`.
        crop_to_aspect_ratio: whether images are cropped at their middle instead of distorted.
        data_format: `"channels_last"`, the default, or `"channels_first"`.

    Returns:
        an `ImageDataset` of images `f32[batch, height, width, channels]`, 0 to 255, with labels.

    Raises:
        DataError: there is no image, or (while iterating) one cannot be read.
        UsageError: an unknown mode, or a split without subset or seed.
        MissingPackageError: Pillow is not installed.
    """
    _pillow()
    _chosen("color_mode", color_mode, MODES)
    _one_of("label_mode", label_mode, LABEL_MODES)
    _one_of("subset", subset, SUBSETS)
    _check_split(validation_split, subset, shuffle, seed)
    root = Path(directory)
    names = None
    if labels == "inferred":
        names = _classes(root, class_names)
        folders = [_images(root / name, follow_links) for name in names]
        found = [(path, i) for i, folder in enumerate(folders) for path in folder]
    else:
        paths = _images(root, follow_links)
        numbers = [0] * len(paths) if labels is None else list(labels)
        if len(numbers) != len(paths):
            raise UsageError(f"{len(numbers)} labels for {len(paths)} images in {root}")
        found = list(zip(paths, numbers, strict=True))
    if not found:
        raise DataError(f"no images in {root}", facts=[("looked for", " ".join(ALLOWED))])
    read = _Reader(color_mode, image_size, interpolation, crop_to_aspect_ratio, data_format)
    kind = None if labels is None else label_mode
    parts = [
        _dataset(part, names, kind, read, batch_size, shuffle, seed)
        for part in _split(found, validation_split, subset, shuffle, seed)
    ]
    return parts[0] if len(parts) == 1 else tuple(parts)


class ImageDataset(Dataset):
    """Images from files.

    Attributes:
        class_names: the folders in the order of their numbers; None without inferred labels.
        file_paths: the files before any shuffling.
    """

    def __init__(self, dataset: Dataset, class_names: list[str] | None, paths: list[str]) -> None:
        super().__init__(dataset._stage)
        self.class_names = class_names
        self.file_paths = paths


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


def _dataset(
    files: list[tuple[Path, int]],
    names: list[str] | None,
    mode: str | None,
    read: _Reader,
    batch_size: int | None,
    shuffle: bool,
    seed: int | None,
) -> ImageDataset:
    paths = [path for path, _ in files]
    numbers = np.array([label for _, label in files])
    targets = _targets(numbers, mode, len(names) if names else int(numbers.max()) + 1)
    rows = Dataset.from_arrays(np.arange(len(paths)))
    ordered = rows.shuffle(seed=seed) if shuffle else rows
    if targets is None:
        made = ordered.map(lambda i: read(paths[i]))
    else:
        made = ordered.map(lambda i: (read(paths[i]), targets[i]))
    batches = made if batch_size is None else made.batch(batch_size)
    return ImageDataset(batches, names, [str(path) for path in paths])


def _targets(numbers: np.ndarray, mode: str | None, classes: int) -> np.ndarray | None:
    match mode:
        case None:
            return None
        case "categorical":
            rows: np.ndarray = np.eye(classes, dtype=np.float32)[numbers]
            return rows
        case "binary":
            if classes != 2:
                raise UsageError(f"label_mode 'binary' is for 2 classes, not {classes}")
            return numbers[:, None].astype(np.float32)
        case _:
            return numbers.astype(np.int32)


def _classes(root: Path, names: list[str] | None) -> list[str]:
    """The folders of the classes."""
    if not root.is_dir():
        raise DataError(f"no folder {root}")
    found = sorted(path.name for path in root.iterdir() if path.is_dir())
    if names is not None and sorted(names) != found:
        raise UsageError("class_names are not the folders", facts=[("folders", ", ".join(found))])
    return list(names or found)


def _images(folder: Path, follow_links: bool) -> list[Path]:
    found = [
        Path(place, name)
        for place, _, names in os.walk(folder, followlinks=follow_links)
        for name in names
        if name.lower().endswith(ALLOWED)
    ]
    return sorted(found)


def _check_split(share: float | None, subset: str | None, shuffle: bool, seed: int | None) -> None:
    if (share is None) != (subset is None):
        raise UsageError("validation_split and subset are given together, or not at all")
    if share is not None and not 0 < share < 1:
        raise UsageError(f"validation_split is {share}, not between 0 and 1")
    if share is not None and shuffle and seed is None:
        raise UsageError(
            "a shuffled split needs a seed", hint="pass seed=, else the two parts may overlap"
        )


def _split(
    files: list[tuple[Path, int]],
    share: float | None,
    subset: str | None,
    shuffle: bool,
    seed: int | None,
) -> list[list[tuple[Path, int]]]:
    """The parts that are asked for; the last files, after shuffling, are held back."""
    if share is None:
        return [files]
    if shuffle:
        order = np.random.RandomState(seed).permutation(len(files))
        files = [files[i] for i in order]
    held = int(share * len(files))
    first, last = files[: len(files) - held], files[len(files) - held :]
    return {"training": [first], "validation": [last]}.get(subset or "", [first, last])


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
    _one_of(name, value, tuple(table))
    return table[value]


def _one_of(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        raise UsageError(f"{name} is {value!r}, not one of {', '.join(map(repr, allowed))}")
