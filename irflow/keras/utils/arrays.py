"""Small helpers on arrays of labels and features."""

from __future__ import annotations

from typing import Any

import numpy as np

from irflow.errors import ShapeError, UsageError
from irflow.keras.engine.arrays import unpack_x_y_sample_weight

__all__ = ["normalize", "to_categorical", "unpack_x_y_sample_weight"]


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
