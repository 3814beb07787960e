"""Data that a layer adapts to, as arrays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from irflow.errors import UsageError


def batches(data: Any, name: str, steps: int | None = None) -> Iterator[np.ndarray]:
    """One array, or those that an iterable gives; of pairs the first part.

    Args:
        data: an array, a tensor, a list of numbers or texts, or an iterable of batches.
        name: of the layer, for messages.
        steps: take only so many.

    Raises:
        UsageError: there is nothing.
    """
    is_list = isinstance(data, (list, tuple))
    if isinstance(data, str) or (not hasattr(data, "__iter__") and not hasattr(data, "__array__")):
        raise UsageError(f'layer "{name}" cannot adapt to {type(data).__name__}')
    if hasattr(data, "__array__") or (is_list and _is_one_array(data)):
        yield _checked(np.asarray(data), name)
        return
    count = 0
    for batch in data:
        if steps is not None and count >= steps:
            break
        count += 1
        yield _checked(np.asarray(batch[0] if isinstance(batch, tuple) else batch), name)
    if not count:
        raise UsageError(f'layer "{name}": there is no data to adapt to')


def _is_one_array(data: Any) -> bool:
    """Whether a list holds numbers or texts, and not batches."""
    while isinstance(data, (list, tuple)) and data:
        data = data[0]
    return not hasattr(data, "__array__") or np.ndim(data) == 0


def _checked(batch: np.ndarray, name: str) -> np.ndarray:
    if not batch.size:
        raise UsageError(f'layer "{name}": there is no data to adapt to')
    return batch
