"""Shares of right answers."""

from __future__ import annotations

import math
from typing import Any

from irflow import ops
from irflow.errors import ShapeError
from irflow.frontend.tensor import Tensor, as_tensor
from irflow.keras import config
from irflow.keras.losses.operands import aligned, floating, labels_of_rows
from irflow.keras.metrics.means import MeanMetricWrapper
from irflow.nn.activations import row
from irflow.ops.functions import is_index


def accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """1 where `y_true` equals `y_pred`, else 0."""
    t, x = aligned("accuracy", y_true, y_pred)
    return _hits(row("equal", t, x))


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Tensor:
    """1 where `y_pred` is above the threshold and `y_true` is 1, or neither is; else 0."""
    t, x = aligned("binary_accuracy", y_true, y_pred)
    return _hits(row("equal", t, row("greater", x, threshold).astype(t.dtype)))


def categorical_accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """1 where the largest score stands at the largest label, `[...]` for `[..., classes]`."""
    t, x = as_tensor(y_true), floating(y_pred)
    if t.ndim != x.ndim:
        raise ShapeError(
            "categorical_accuracy: y_true and y_pred are [..., classes]",
            facts=[("y_true", t.type), ("y_pred", x.type)],
            hint="for class numbers there is sparse_categorical_accuracy",
        )
    return _hits(row("equal", t.argmax(-1), x.argmax(-1)))


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """1 where the largest score stands at the class number, else 0.

    Args:
        y_true: `[...]` or `[..., 1]` class numbers.
        y_pred: `[..., classes]` scores.
    """
    x = floating(y_pred)
    t = labels_of_rows("sparse_categorical_accuracy", y_true, x)
    best = x.argmax(-1)
    return _hits(row("equal", t, best if t.dtype.is_integer else best.astype(t.dtype)))


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Tensor:
    """1 where the score of the largest label is among the `k` largest, else 0."""
    return _in_top(as_tensor(y_true).argmax(-1), floating(y_pred), k)


def sparse_top_k_categorical_accuracy(
    y_true: Any, y_pred: Any, k: int = 5, from_sorted_ids: bool = False
) -> Tensor:
    """1 where the score at the class number is among the `k` largest, else 0.

    Args:
        y_true: `[...]` class numbers.
        y_pred: `[..., classes]` scores, or class numbers with the best ones first.
        k: how many count.
        from_sorted_ids: whether `y_pred` are class numbers.
    """
    x = floating(y_pred)
    t = labels_of_rows("sparse_top_k_categorical_accuracy", y_true, x)
    if not from_sorted_ids:
        return _in_top(t.astype("i64"), x, k)
    best: Any = as_tensor(y_pred)[..., :k]
    return _hits(row("equal", ops.expand_dims(t.astype(best.dtype), -1), best)).max(-1)


def _in_top(labels: Tensor, x: Tensor, k: int) -> Tensor:
    """Whether fewer than `k` scores are above that of the label; NaN counts as the lowest."""
    own: Any = row("where", is_index(labels, x.shape[-1]), x, -math.inf).max(-1, keepdims=True)
    own = row("where", row("isnan", own), -math.inf, own)
    above: Any = row("greater", x, own)
    is_class = row(
        "logical_and", labels >= 0, labels < ops.size_of(labels, x.shape[-1], labels.dtype)
    )
    return _hits(row("logical_and", above.sum(-1) < k, is_class))


def _hits(matches: Any) -> Tensor:
    return as_tensor(matches).astype(config.floatx())


class Accuracy(MeanMetricWrapper):
    """The share of elements where `y_true` equals `y_pred`.

    Args:
        name: of the metric.
        dtype: see `Metric`.
    """

    _direction = "up"

    def __init__(
        self,
        name: str | None = "accuracy",
        dtype: Any = None,
    ) -> None:
        super().__init__(accuracy, name, dtype)


class BinaryAccuracy(MeanMetricWrapper):
    """The share of elements on the right side of a threshold.

    Args:
        name: of the metric.
        dtype: see `Metric`.
        threshold: what is above it counts as 1.
    """

    _direction = "up"

    def __init__(
        self,
        name: str | None = "binary_accuracy",
        dtype: Any = None,
        threshold: float = 0.5,
    ) -> None:
        super().__init__(binary_accuracy, name, dtype, threshold=threshold)


class CategoricalAccuracy(MeanMetricWrapper):
    """The share of samples whose largest score stands at the largest label.

    Args:
        name: of the metric.
        dtype: see `Metric`.
    """

    _direction = "up"

    def __init__(
        self,
        name: str | None = "categorical_accuracy",
        dtype: Any = None,
    ) -> None:
        super().__init__(categorical_accuracy, name, dtype)


class SparseCategoricalAccuracy(MeanMetricWrapper):
    """The share of samples whose largest score stands at the class number.

    Args:
        name: of the metric.
        dtype: see `Metric`.
    """

    _direction = "up"

    def __init__(
        self,
        name: str | None = "sparse_categorical_accuracy",
        dtype: Any = None,
    ) -> None:
        super().__init__(sparse_categorical_accuracy, name, dtype)


class TopKCategoricalAccuracy(MeanMetricWrapper):
    """The share of samples whose right class is among the `k` largest scores.

    Args:
        k: how many scores count.
        name: of the metric.
        dtype: see `Metric`.
    """

    _direction = "up"

    def __init__(
        self,
        k: int = 5,
        name: str | None = "top_k_categorical_accuracy",
        dtype: Any = None,
    ) -> None:
        super().__init__(top_k_categorical_accuracy, name, dtype, k=k)


class SparseTopKCategoricalAccuracy(MeanMetricWrapper):
    """The share of samples whose class number is among the `k` largest scores.

    Args:
        k: how many scores count.
        name: of the metric.
        dtype: see `Metric`.
        from_sorted_ids: whether `y_pred` are class numbers, the best ones first.
    """

    _direction = "up"

    def __init__(
        self,
        k: int = 5,
        name: str | None = "sparse_top_k_categorical_accuracy",
        dtype: Any = None,
        from_sorted_ids: bool = False,
    ) -> None:
        super().__init__(
            sparse_top_k_categorical_accuracy, name, dtype, k=k, from_sorted_ids=from_sorted_ids
        )
