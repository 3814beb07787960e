"""Losses of margins."""

from __future__ import annotations

from typing import Any

from irflow import losses
from irflow.frontend.tensor import Tensor
from irflow.keras.losses.loss import LossFunctionWrapper
from irflow.keras.losses.operands import aligned


def hinge(y_true: Any, y_pred: Any) -> Tensor:
    """The mean of `max(1 - target * prediction, 0)` along the last axis.

    Targets are -1 and 1; if all are 0 or 1, a 0 stands for -1.
    """
    t, x = aligned("hinge", y_true, y_pred)
    return losses.hinge(x, t, reduction="none").mean(-1)


def squared_hinge(y_true: Any, y_pred: Any) -> Tensor:
    """The mean of `max(1 - target * prediction, 0)²` along the last axis; targets as of `hinge`."""
    t, x = aligned("squared_hinge", y_true, y_pred)
    return losses.squared_hinge(x, t, reduction="none").mean(-1)


def categorical_hinge(y_true: Any, y_pred: Any) -> Tensor:
    """`max(1 + largest wrong score - right score, 0)`; `y_true` has a one at the right class."""
    t, x = aligned("categorical_hinge", y_true, y_pred)
    return losses.categorical_hinge(x, t, reduction="none")


class Hinge(LossFunctionWrapper):
    """The mean of `max(1 - target * prediction, 0)`; targets are -1 and 1, or 0 and 1.

    Args:
        reduction: see `Loss`.
        name: of the loss.
        dtype: see `Loss`.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "hinge",
        dtype: Any = None,
    ) -> None:
        super().__init__(hinge, reduction, name, dtype)


class SquaredHinge(LossFunctionWrapper):
    """The mean of `max(1 - target * prediction, 0)²`; targets are -1 and 1, or 0 and 1.

    Args:
        reduction: see `Loss`.
        name: of the loss.
        dtype: see `Loss`.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "squared_hinge",
        dtype: Any = None,
    ) -> None:
        super().__init__(squared_hinge, reduction, name, dtype)


class CategoricalHinge(LossFunctionWrapper):
    """The mean of `max(1 + largest wrong score - right score, 0)`.

    Args:
        reduction: see `Loss`.
        name: of the loss.
        dtype: see `Loss`.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "categorical_hinge",
        dtype: Any = None,
    ) -> None:
        super().__init__(categorical_hinge, reduction, name, dtype)
