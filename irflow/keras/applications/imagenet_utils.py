"""Images made ready for networks of ImageNet, and the names of its classes."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

from irflow.errors import ArtifactError, ShapeError, UsageError, nearest
from irflow.frontend import Tensor
from irflow.frontend.boundary import public
from irflow.keras import config
from irflow.keras.engine.symbolic import KerasTensor
from irflow.keras.utils.files import get_file

__all__ = ["decode_predictions", "preprocess_input"]

MODES = ("caffe", "tf", "torch")

# The mean of the pixels of ImageNet: blue, green, red from 0 to 255; red, green, blue from 0 to 1.
CAFFE_MEAN = (103.939, 116.779, 123.68)
TORCH_MEAN = (0.485, 0.456, 0.406)
TORCH_DEVIATION = (0.229, 0.224, 0.225)

# Address and MD5 as in Keras 3's source, applications/imagenet_utils.py.
CLASS_INDEX = (
    "https://storage.googleapis.com/download.tensorflow.org/data/imagenet_class_index.json"
)
CLASS_INDEX_DIGEST = "c2c37ea517e94d9795004a39431a14cb"


@public
def preprocess_input(x: Any, data_format: str | None = None, mode: str = "caffe") -> Any:
    """Images with pixels from 0 to 255 as a network was trained on them.

    Args:
        x: `[h, w, 3]` or `[n, h, w, 3]`, red first: an array, a tensor, or a place in a model that
            is put together. It is not changed.
        data_format: `"channels_first"` for `[3, h, w]` or `[n, 3, h, w]`.
        mode: `"caffe"` puts blue first and takes away the mean, `"tf"` scales to -1 … 1,
            `"torch"` scales to 0 … 1 and takes mean and deviation to 0 and 1.

    Returns:
        the same kind of object, integers as floats.

    Raises:
        UnknownNameError: another mode or data format.
        ShapeError: it has not three or four axes, or not three channels (only `"tf"` takes others).

    >>> preprocess_input(np.array([[[0, 127.5, 255]]]), mode="tf").tolist()
    [[[-1.0, 0.0, 1.0]]]
    """
    if mode not in MODES:
        raise nearest(str(mode), MODES, "mode of preprocess_input")
    is_first = config.standardize_data_format(data_format) == "channels_first"
    images = _floats(x)
    if mode == "tf":
        return images / 127.5 - 1.0
    axis = len(images.shape) - 3 if is_first else len(images.shape) - 1
    if len(images.shape) not in (3, 4) or images.shape[axis] != 3:
        raise ShapeError("preprocess_input: an image has three channels", facts=[("", x.shape)])

    def row(values: tuple[float, ...]) -> np.ndarray:
        kind = images.dtype if isinstance(images, np.ndarray) else np.float32
        return np.array(values, kind).reshape((3, 1, 1) if is_first else 3)

    if mode == "torch":
        return (images / 255.0 - row(TORCH_MEAN)) / row(TORCH_DEVIATION)
    turned = (*[slice(None)] * axis, slice(None, None, -1))
    return images[turned] - row(CAFFE_MEAN)


def _floats(x: Any) -> Any:
    if isinstance(x, KerasTensor):
        return x if "float" in x.dtype else x.astype(config.floatx())
    if isinstance(x, Tensor):
        return x if x.dtype.is_float else x.astype(config.floatx())
    array = np.asarray(x)
    return array if array.dtype.kind == "f" else array.astype(config.floatx())


@public
def decode_predictions(
    preds: Any, top: int = 5, labels: str | os.PathLike[str] | None = None
) -> list[list[tuple[str, str, Any]]]:
    """The likeliest classes by name.

    Args:
        preds: scores `[n, classes]`.
        top: how many of each row.
        labels: a file with the names: JSON `{"0": ["n01440764", "tench"], …}`, or text with one
            name a line; by default that of ImageNet, which is downloaded once.

    Returns:
        for each row tuples of the name of the class, its description and its score, the likeliest
        first. Where the file has no descriptions the name stands for them.

    Raises:
        ShapeError: there are not two axes, or another number of classes than of names.
        ArtifactError: the file is missing or damaged.
        UsageError: `top` is less than 1.
    """
    scores = np.asarray(preds)
    if top < 1:
        raise UsageError(f"decode_predictions: top={top} is less than 1")
    path = labels
    if path is None:
        path = get_file(None, CLASS_INDEX, CLASS_INDEX_DIGEST, cache_subdir="models")
    names = _labels(path)
    if scores.ndim != 2 or scores.shape[1] != len(names):
        raise ShapeError(
            f"decode_predictions: scores of {len(names)} classes are wanted, [n, {len(names)}]",
            facts=[("given", scores.shape), ("labels", os.fspath(path))],
        )
    orders = np.argsort(-scores, axis=1, kind="stable")[:, :top]
    rows = zip(scores, orders, strict=True)
    return [[(*names[index], row[index]) for index in order] for row, order in rows]


def _labels(path: str | os.PathLike[str]) -> list[tuple[str, str]]:
    """Names and descriptions of the classes."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        if not text.lstrip().startswith("{"):
            return [(line.strip(), line.strip()) for line in text.splitlines() if line.strip()]
        table = json.loads(text)
        rows = [table[str(number)] for number in range(len(table))]
        return [(str(name), str(description)) for name, description in rows]
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ArtifactError(f"{path}: no file of labels: {error!r}") from error
