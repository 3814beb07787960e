"""Whole numbers as rows of zeros and ones, or of counts."""

from __future__ import annotations

from typing import Any

from irflow import nn
from irflow import numpy as inp
from irflow.frontend.tensor import Tensor
from irflow.keras.layers.builtin import one_of

MODES = ("int", "one_hot", "multi_hot", "count")


def mode_of(layer: str, mode: str, known: tuple[str, ...] = MODES) -> str:
    """An `output_mode`, also under its name of old.

    Raises:
        UsageError: it is unknown.
    """
    renamed = {"binary": "multi_hot", "tf-idf": "tf_idf"}.get(str(mode), mode)
    return one_of(layer, "output_mode", renamed, known)


def encoded(
    numbers: Tensor, mode: str, depth: int, dtype: Any, weights: Tensor | None = None
) -> Tensor:
    """Numbers in the form that `mode` names; those outside of `0 … depth - 1` count for nothing.

    Args:
        numbers: `[...]`; for `"multi_hot"` and `"count"` the axis behind the batch is a set.
        mode: one of `MODES`.
        depth: the length of a row.
        dtype: of the result.
        weights: for `"count"`, what each number counts for.

    Returns:
        The shape of `numbers` for `"int"`; with another axis `depth` for `"one_hot"`, where a last
        axis of size 1 is left out; for the other two the same without the axis of the set.
    """
    if mode == "int":
        return inp.astype(numbers, dtype)
    if numbers.ndim == 0:
        numbers = numbers[None]
    if mode == "one_hot":
        if numbers.ndim > 1 and numbers.shape[-1] == 1:
            numbers = numbers[..., 0]
        return nn.one_hot(numbers, depth, dtype)
    axis = 1 if numbers.ndim > 1 else 0
    rows = nn.one_hot(numbers, depth, dtype)
    if mode == "multi_hot":
        return rows.max(axis)
    if weights is not None:
        rows = rows * weights.astype(dtype)[..., None]
    return rows.sum(axis)
