"""Means of what is improbable."""

from __future__ import annotations

from typing import Any

from irflow.keras import losses
from irflow.keras.metrics.means import MeanMetricWrapper


class KLDivergence(MeanMetricWrapper):
    """The mean of `sum(t * log(t / p))`.

    Args:
        name: of the metric.
        dtype: see `Metric`.
    """

    def __init__(
        self,
        name: str | None = "kl_divergence",
        dtype: Any = None,
    ) -> None:
        super().__init__(losses.kl_divergence, name, dtype)


class Poisson(MeanMetricWrapper):
    """The mean of `prediction - target * log(prediction)`.

    Args:
        name: of the metric.
        dtype: see `Metric`.
    """

    def __init__(
        self,
        name: str | None = "poisson",
        dtype: Any = None,
    ) -> None:
        super().__init__(losses.poisson, name, dtype)


class BinaryCrossentropy(MeanMetricWrapper):
    """The mean of `-t log p - (1 - t) log(1 - p)`.

    Args:
        name: of the metric.
        dtype: see `Metric`.
        from_logits: whether `y_pred` are logits and no probabilities.
        label_smoothing: how much labels are smoothed; see the loss.
    """

    _direction = "down"

    def __init__(
        self,
        name: str | None = "binary_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
    ) -> None:
        super().__init__(
            losses.binary_crossentropy,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
        )


class CategoricalCrossentropy(MeanMetricWrapper):
    """The mean of `-sum(t * log p)`; labels are probabilities.

    Args:
        name: of the metric.
        dtype: see `Metric`.
        from_logits: whether `y_pred` are logits and no probabilities.
        label_smoothing: how much labels are smoothed; see the loss.
        axis: that of the classes.
    """

    _direction = "down"

    def __init__(
        self,
        name: str | None = "categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
        axis: int = -1,
    ) -> None:
        super().__init__(
            losses.categorical_crossentropy,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class SparseCategoricalCrossentropy(MeanMetricWrapper):
    """The mean of `-log p[label]`; labels are class numbers.

    Args:
        name: of the metric.
        dtype: see `Metric`.
        from_logits: whether `y_pred` are logits and no probabilities.
        ignore_class: labels that do not count.
        axis: that of the classes.
    """

    _direction = "down"

    def __init__(
        self,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ) -> None:
        super().__init__(
            losses.sparse_categorical_crossentropy,
            name,
            dtype,
            from_logits=from_logits,
            ignore_class=ignore_class,
            axis=axis,
        )
