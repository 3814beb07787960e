"""Small helpers on labels, features and batches."""

from __future__ import annotations

from typing import Any

import numpy as np

from irflow.data import Dataset
from irflow.errors import ShapeError, UsageError
from irflow.frontend.boundary import public
from irflow.keras.engine.arrays import pack_x_y_sample_weight, unpack_x_y_sample_weight

__all__ = [
    "normalize",
    "pack_x_y_sample_weight",
    "split_dataset",
    "to_categorical",
    "unpack_x_y_sample_weight",
]


@public
def to_categorical(x: Any, num_classes: int | None = None) -> np.ndarray:
    """Class numbers as rows with a one at the class.

    Args:
        x: integers, any shape; a last axis of size 1 is dropped.
        num_classes: how many classes there are, by default the largest number and one.

    Returns:
        `f32[*shape, num_classes]`.

    Raises:
        UsageError: a number is negative, or not below `num_classes`, or no integer.

    >>> to_categorical([0, 2], 3).tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    given = np.asarray(x)
    numbers = given.astype(np.int64)
    if given.dtype.kind not in "iub" and not np.array_equal(numbers, given):
        raise UsageError("to_categorical: the classes are no integers", facts=[("x", given.dtype)])
    if numbers.ndim > 1 and numbers.shape[-1] == 1:
        numbers = numbers[..., 0]
    count = int(numbers.max(initial=-1)) + 1 if num_classes is None else num_classes
    low, high = numbers.min(initial=0), numbers.max(initial=-1)
    if low < 0 or high >= count:
        raise UsageError(
            "to_categorical: a class number is out of range",
            facts=[("found", f"{low} to {high}"), ("classes", count)],
        )
    result: np.ndarray = np.equal(numbers[..., None], np.arange(count)).astype(np.float32)
    return result


@public
def normalize(x: Any, axis: int = -1, order: int = 2) -> np.ndarray:
    """Vectors of length 1 along an axis; a zero vector stays.

    Args:
        x: numbers, any shape.
        axis: along which the vectors are.
        order: of the norm.
    """
    array = np.asarray(x)
    if not -array.ndim <= axis < max(array.ndim, 1):
        raise ShapeError(f"normalize: there is no axis {axis} in shape {array.shape}")
    lengths = np.linalg.norm(np.atleast_1d(array), order, axis, keepdims=True)
    result: np.ndarray = array / np.where(lengths == 0, 1, lengths)
    return result


@public
def split_dataset(
    dataset: Any,
    left_size: float | None = None,
    right_size: float | None = None,
    shuffle: bool = False,
    seed: int | None = None,
) -> tuple[Dataset, Dataset]:
    """Cut examples in two parts.

    Args:
        dataset: a dataset whose length is known, or arrays of as many rows.
        left_size: how many examples the first part has, or as a float which share of them.
        right_size: the same for the second part; by default all others.
        shuffle: whether the examples are put in a random order first.
        seed: of that order; a fixed one is drawn by default.

    Raises:
        UsageError: no size is given, or they are more than there is.

    >>> [len(part) for part in split_dataset(np.arange(10), left_size=0.7)]
    [7, 3]
    """
    rows = dataset if isinstance(dataset, Dataset) else Dataset.from_tensor_slices(dataset)
    total = len(rows)
    if left_size is None and right_size is None:
        raise UsageError("split_dataset: left_size or right_size is missing")
    left, right = _count(left_size, total), _count(right_size, total)
    left = total - right if left_size is None else left
    right = total - left if right_size is None else right
    if min(left, right) < 0 or left + right > total:
        sizes = ("asked for", f"{left_size} and {right_size}")
        raise UsageError(f"split_dataset: there are {total} examples", facts=[sizes])
    if shuffle:
        order = np.random.default_rng(seed).permutation(total)
        examples = list(rows)
        rows = Dataset.from_generator(lambda: (examples[i] for i in order)).cache()
    return rows.take(left), rows.skip(left).take(right)


def _count(size: float | None, total: int) -> int:
    if size is None:
        return 0
    return size if isinstance(size, int) else round(size * total)
