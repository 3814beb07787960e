"""Means of distances between numbers."""

from __future__ import annotations

from typing import Any

from irflow import ops
from irflow.frontend.tensor import Tensor, as_tensor
from irflow.keras import config, losses
from irflow.keras.losses.operands import aligned
from irflow.keras.metrics.means import Mean, MeanMetricWrapper
from irflow.nn.activations import row


def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Tensor:
    """The cosine of the angle between vectors along an axis: 1 at best."""
    return row("negative", losses.cosine_similarity(y_true, y_pred, axis))


def pearson_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Tensor:
    """The correlation along an axis, by Pearson's formula."""
    t, x = (_standard(v, axis) for v in aligned("pearson_correlation", y_true, y_pred))
    result: Tensor = (t * x).mean(axis)
    return result


def concordance_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Tensor:
    """The correlation along an axis by Lin's formula, which minds scale and shift as well."""
    t, x = aligned("concordance_correlation", y_true, y_pred)
    mean_t, mean_x = t.mean(axis, keepdims=True), x.mean(axis, keepdims=True)
    spread: Any = _variance(t, axis) + _variance(x, axis)
    norm = spread + (mean_t - mean_x) * (mean_t - mean_x) + config.epsilon()
    result: Tensor = (2 * (t - mean_x) * (x - mean_x) / norm).mean(axis)
    return result


def _standard(x: Any, axis: int) -> Any:
    return (x - x.mean(axis, keepdims=True)) / row("sqrt", _variance(x, axis))


def _variance(x: Any, axis: int) -> Any:
    return ops.expand_dims(ops.variance(x, axis), axis)


class MeanSquaredError(MeanMetricWrapper):
    """The mean of the squared differences.

    Args:
        name: of the metric.
        dtype: see `Metric`.
    """

    _direction = "down"

    def __init__(
        self,
        name: str | None = "mean_squared_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(losses.mean_squared_error, name, dtype)


class MeanAbsoluteError(MeanMetricWrapper):
    """The mean of the absolute differences.

    Args:
        name: of the metric.
        dtype: see `Metric`.
    """

    _direction = "down"

    def __init__(
        self,
        name: str | None = "mean_absolute_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(losses.mean_absolute_error, name, dtype)


class MeanAbsolutePercentageError(MeanMetricWrapper):
    """The mean of `100 |d| / |target|`.

    Args:
        name: of the metric.
        dtype: see `Metric`.
    """

    _direction = "down"

    def __init__(
        self,
        name: str | None = "mean_absolute_percentage_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(losses.mean_absolute_percentage_error, name, dtype)


class MeanSquaredLogarithmicError(MeanMetricWrapper):
    """The mean of the squared differences of `log(1 + x)`.

    Args:
        name: of the metric.
        dtype: see `Metric`.
    """

    _direction = "down"

    def __init__(
        self,
        name: str | None = "mean_squared_logarithmic_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(losses.mean_squared_logarithmic_error, name, dtype)


class LogCoshError(MeanMetricWrapper):
    """The mean of `log(cosh(d))`.

    Args:
        name: of the metric.
        dtype: see `Metric`.
    """

    _direction = "down"

    def __init__(
        self,
        name: str | None = "logcosh",
        dtype: Any = None,
    ) -> None:
        super().__init__(losses.log_cosh, name, dtype)


class RootMeanSquaredError(Mean):
    """The root of the mean of the squared differences.

    Args:
        name: of the metric.
        dtype: see `Metric`.
    """

    _direction = "down"

    def __init__(self, name: str | None = "root_mean_squared_error", dtype: Any = None) -> None:
        super().__init__(name, dtype)

    def update_state(  # type: ignore[override]
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> None:
        x, t = (as_tensor(value).astype(self.dtype) for value in (y_pred, y_true))
        t, x = aligned("root_mean_squared_error", t, x)
        super().update_state((x - t) * (x - t), sample_weight)

    def result(self) -> Any:
        return row("sqrt", super().result())


class CosineSimilarity(MeanMetricWrapper):
    """The mean of the cosines between vectors: 1 at best.

    Args:
        name: of the metric.
        dtype: see `Metric`.
        axis: that of the vectors.
    """

    _direction = "up"

    def __init__(
        self,
        name: str | None = "cosine_similarity",
        dtype: Any = None,
        axis: int = -1,
    ) -> None:
        super().__init__(cosine_similarity, name, dtype, axis=axis)


class PearsonCorrelation(MeanMetricWrapper):
    """The mean of the correlations, by Pearson's formula.

    Args:
        name: of the metric.
        dtype: see `Metric`.
        axis: that of the vectors.
    """

    _direction = "up"

    def __init__(
        self,
        name: str | None = "pearson_correlation",
        dtype: Any = None,
        axis: int = -1,
    ) -> None:
        super().__init__(pearson_correlation, name, dtype, axis=axis)


class ConcordanceCorrelation(MeanMetricWrapper):
    """The mean of the correlations, by Lin's formula.

    Args:
        name: of the metric.
        dtype: see `Metric`.
        axis: that of the vectors.
    """

    _direction = "up"

    def __init__(
        self,
        name: str | None = "concordance_correlation",
        dtype: Any = None,
        axis: int = -1,
    ) -> None:
        super().__init__(concordance_correlation, name, dtype, axis=axis)


class Hinge(MeanMetricWrapper):
    """The mean of `max(1 - target * prediction, 0)`.

    Args:
        name: of the metric.
        dtype: see `Metric`.
    """

    _direction = "down"

    def __init__(
        self,
        name: str | None = "hinge",
        dtype: Any = None,
    ) -> None:
        super().__init__(losses.hinge, name, dtype)


class SquaredHinge(MeanMetricWrapper):
    """The mean of `max(1 - target * prediction, 0)²`.

    Args:
        name: of the metric.
        dtype: see `Metric`.
    """

    _direction = "down"

    def __init__(
        self,
        name: str | None = "squared_hinge",
        dtype: Any = None,
    ) -> None:
        super().__init__(losses.squared_hinge, name, dtype)


class CategoricalHinge(MeanMetricWrapper):
    """The mean of `max(1 + largest wrong score - right score, 0)`.

    Args:
        name: of the metric.
        dtype: see `Metric`.
    """

    _direction = "down"

    def __init__(
        self,
        name: str | None = "categorical_hinge",
        dtype: Any = None,
    ) -> None:
        super().__init__(losses.categorical_hinge, name, dtype)
