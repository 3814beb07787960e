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
