"""Losses of numbers: how far predictions are from targets."""

from __future__ import annotations

from typing import Any

from irflow import losses
from irflow.frontend.tensor import Tensor
from irflow.keras.losses.loss import LossFunctionWrapper
from irflow.keras.losses.operands import aligned


def mean_squared_error(y_true: Any, y_pred: Any) -> Tensor:
    """The mean of the squared differences along the last axis."""
    t, x = aligned("mean_squared_error", y_true, y_pred)
    return losses.mean_squared_error(x, t, reduction="none").mean(-1)


def mean_absolute_error(y_true: Any, y_pred: Any) -> Tensor:
    """The mean of the absolute differences along the last axis."""
    t, x = aligned("mean_absolute_error", y_true, y_pred)
    return losses.mean_absolute_error(x, t, reduction="none").mean(-1)


def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> Tensor:
    """The mean of `100 |d| / |target|` along the last axis."""
    t, x = aligned("mean_absolute_percentage_error", y_true, y_pred)
    return losses.mean_absolute_percentage_error(x, t, reduction="none").mean(-1)


def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> Tensor:
    """The mean of the squared differences of `log(1 + x)` along the last axis."""
    t, x = aligned("mean_squared_logarithmic_error", y_true, y_pred)
    return losses.mean_squared_logarithmic_error(x, t, reduction="none").mean(-1)


def log_cosh(y_true: Any, y_pred: Any) -> Tensor:
    """The mean of `log(cosh(d))` along the last axis."""
    t, x = aligned("log_cosh", y_true, y_pred)
    return losses.log_cosh(x, t, reduction="none").mean(-1)


def poisson(y_true: Any, y_pred: Any) -> Tensor:
    """The mean of `prediction - target * log(prediction)` along the last axis."""
    t, x = aligned("poisson", y_true, y_pred)
    return losses.poisson(x, t, reduction="none").mean(-1)


def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Tensor:
    """The mean of `d²/2` along the last axis, of `delta * (|d| - delta/2)` for `|d|` over delta."""
    t, x = aligned("huber", y_true, y_pred)
    return losses.huber(x, t, delta, reduction="none").mean(-1)


def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Tensor:
    """Minus the cosine of the angle between vectors along an axis: -1 at best."""
    t, x = aligned("cosine_similarity", y_true, y_pred)
    return losses.cosine_similarity(x, t, axis, reduction="none")


class MeanSquaredError(LossFunctionWrapper):
    """The mean of the squared differences along the last axis.

    Args:
        reduction: see `Loss`.
        name: of the loss.
        dtype: see `Loss`.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "mean_squared_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(mean_squared_error, reduction, name, dtype)


class MeanAbsoluteError(LossFunctionWrapper):
    """The mean of the absolute differences along the last axis.

    Args:
        reduction: see `Loss`.
        name: of the loss.
        dtype: see `Loss`.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "mean_absolute_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(mean_absolute_error, reduction, name, dtype)


class MeanAbsolutePercentageError(LossFunctionWrapper):
    """The mean of `100 |d| / |target|` along the last axis.

    Args:
        reduction: see `Loss`.
        name: of the loss.
        dtype: see `Loss`.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "mean_absolute_percentage_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(mean_absolute_percentage_error, reduction, name, dtype)


class MeanSquaredLogarithmicError(LossFunctionWrapper):
    """The mean of the squared differences of `log(1 + x)` along the last axis.

    Args:
        reduction: see `Loss`.
        name: of the loss.
        dtype: see `Loss`.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "mean_squared_logarithmic_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(mean_squared_logarithmic_error, reduction, name, dtype)


class LogCosh(LossFunctionWrapper):
    """The mean of `log(cosh(d))` along the last axis.

    Args:
        reduction: see `Loss`.
        name: of the loss.
        dtype: see `Loss`.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "log_cosh",
        dtype: Any = None,
    ) -> None:
        super().__init__(log_cosh, reduction, name, dtype)


class Poisson(LossFunctionWrapper):
    """The mean of `prediction - target * log(prediction)` along the last axis.

    Args:
        reduction: see `Loss`.
        name: of the loss.
        dtype: see `Loss`.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "poisson",
        dtype: Any = None,
    ) -> None:
        super().__init__(poisson, reduction, name, dtype)


class Huber(LossFunctionWrapper):
    """The mean of `d²/2`, of `delta * (|d| - delta/2)` for `|d|` over delta.

    Args:
        delta: where the parabola becomes a line.
        reduction: see `Loss`.
        name: of the loss.
        dtype: see `Loss`.
    """

    def __init__(
        self,
        delta: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str = "huber_loss",
        dtype: Any = None,
    ) -> None:
        super().__init__(huber, reduction, name, dtype, delta=delta)


class CosineSimilarity(LossFunctionWrapper):
    """Minus the cosine of the angle between vectors: -1 at best.

    Args:
        axis: that of the vectors.
        reduction: see `Loss`.
        name: of the loss.
        dtype: see `Loss`.
    """

    def __init__(
        self,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "cosine_similarity",
        dtype: Any = None,
    ) -> None:
        super().__init__(cosine_similarity, reduction, name, dtype, axis=axis)
