"""What losses and metrics do with `y_true` and `y_pred` before they compute."""

from __future__ import annotations

from typing import Any

from irflow import dtypes, ops
from irflow.errors import ShapeError
from irflow.frontend.tensor import Tensor, as_tensor, strong
from irflow.keras import config


def floating(x: Any) -> Tensor:
    """A tensor of floats: `x`, or `x` in `keras.config.floatx()`."""
    tensor = strong(as_tensor(x))
    if tensor.dtype.is_float:
        return tensor
    return tensor.astype(dtypes.as_dtype(config.floatx()))


def of_one_rank(x1: Tensor, x2: Tensor, expand_rank_1: bool = True) -> tuple[Tensor, Tensor]:
    """Two tensors whose ranks differ by a last axis of size 1, which is dropped or added.

    Args:
        x1: `[...]` or `[..., 1]`.
        x2: `[..., 1]` or `[...]`.
        expand_rank_1: whether a vector gets the axis, and not the other one loses it.
    """
    if x1.ndim == x2.ndim + 1 and x1.shape[-1] == 1:
        if x2.ndim == 1 and expand_rank_1:
            return x1, ops.expand_dims(x2, -1)
        return _squeezed(x1), x2
    if x2.ndim == x1.ndim + 1 and x2.shape[-1] == 1:
        if x1.ndim == 1 and expand_rank_1:
            return ops.expand_dims(x1, -1), x2
        return x1, _squeezed(x2)
    return x1, x2


def labels_of_rows(name: str, y_true: Any, scores: Tensor, axis: int = -1) -> Tensor:
    """Class numbers `[...]`, one for each row of scores.

    Args:
        name: of the loss or metric, for the message.
        y_true: `[...]`, or with an axis of size 1 for the classes.
        scores: `[..., classes]`.
        axis: that of the classes.

    Raises:
        ShapeError: there is not one number for each row.
    """
    labels, place = as_tensor(y_true), axis % scores.ndim
    is_whole = labels.ndim == scores.ndim
    if is_whole and labels.shape[place] == 1:
        labels = labels.reshape((*labels.shape[:place], *labels.shape[place + 1 :]))
    if labels.shape != (*scores.shape[:place], *scores.shape[place + 1 :]):
        is_one_hot = is_whole and name.startswith("sparse_")
        other = name.removeprefix("sparse_")
        raise ShapeError(
            f"{name}: one class number is needed for each row of scores",
            facts=[("y_true", as_tensor(y_true).type), ("y_pred", scores.type)],
            hint=f"for one-hot labels there is {other}" if is_one_hot else None,
        )
    return labels


def _squeezed(x: Tensor) -> Tensor:
    return x.reshape(x.shape[:-1])


def aligned(name: str, y_true: Any, y_pred: Any) -> tuple[Tensor, Tensor]:
    """`y_true` and `y_pred` as floats of one type and shape.

    Args:
        name: of the loss, for the message.
        y_true: numbers or Booleans; a single number stands for all elements.
        y_pred: numbers.

    Raises:
        ShapeError: the shapes differ by more than a last axis of size 1.
    """
    x = floating(y_pred)
    t, x = of_one_rank(as_tensor(y_true).astype(x.dtype), x)
    if t.shape != x.shape and t.shape:
        raise ShapeError(
            f"{name}: y_true and y_pred differ in shape",
            facts=[("y_true", t.type), ("y_pred", x.type)],
        )
    return t, x
