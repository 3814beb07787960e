"""Scores whose number of variables depends on the number of outputs: F-scores and R²."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from irflow import dims, ops
from irflow.errors import ShapeError, UsageError, nearest
from irflow.frontend.tensor import as_tensor
from irflow.keras import config
from irflow.keras.losses.operands import of_one_rank
from irflow.keras.metrics.metric import Metric
from irflow.nn.activations import row

AVERAGES = ("micro", "macro", "weighted")
AGGREGATIONS = ("uniform_average", "variance_weighted_average")


class _ByOutput(Metric):
    """The base of metrics of `[n, outputs]` that are built when the outputs are known."""

    _direction = "up"
    _built = False

    def build(self, y_pred_shape: Sequence[Any]) -> None:
        """Make the variables, for predictions of a shape.

        Raises:
            ShapeError: they are not `[n, outputs]`.
        """
        if self._built:
            return
        if len(y_pred_shape) != 2 or not isinstance(y_pred_shape[1], int):
            facts = [("y_pred", tuple(y_pred_shape))]
            raise ShapeError(f"{type(self).__name__}: predictions are [n, outputs]", facts=facts)
        self._make(y_pred_shape[1])
        self._built = True

    def _make(self, outputs: int) -> None:
        raise NotImplementedError

    def _operands(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        t, x = (as_tensor(value).astype(self.dtype) for value in (y_true, y_pred))
        t, x = of_one_rank(t, x)
        self.build(x.shape)
        if t.shape != x.shape:
            raise ShapeError(
                f"{type(self).__name__}: y_true and y_pred differ in shape",
                facts=[("y_true", t.type), ("y_pred", x.type)],
            )
        return t, x


class FBetaScore(_ByOutput):
    """`(1 + beta²) * precision * recall / (beta² * precision + recall)`.

    Args:
        average: None for one score a class; `"micro"` of all answers together; `"macro"`, the mean
            of the scores; `"weighted"`, that weighted by how often a class is true.
        beta: how much more recall counts than precision.
        threshold: what is above it is predicted; by default only the largest score of a sample is.
        name: of the metric.
        dtype: see `Metric`.

    Raises:
        UnknownNameError: no such average.
        UsageError: `beta` is not above 0, or `threshold` not in (0, 1].
    """

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str | None = "fbeta_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(dtype, name)
        if average is not None and average not in AVERAGES:
            raise nearest(str(average), AVERAGES, "average")
        if beta <= 0:
            raise UsageError(f"{type(self).__name__}: beta is {beta}, not above 0")
        if threshold is not None and not 0 < threshold <= 1:
            raise UsageError(f"{type(self).__name__}: threshold is {threshold}, not in (0, 1]")
        self.average = average
        self.beta = beta
        self.threshold = threshold

    def _make(self, outputs: int) -> None:
        shape = () if self.average == "micro" else (outputs,)
        self.true_positives = self.add_variable(shape, dtype=self.dtype, name="true_positives")
        self.false_positives = self.add_variable(shape, dtype=self.dtype, name="false_positives")
        self.false_negatives = self.add_variable(shape, dtype=self.dtype, name="false_negatives")
        self.intermediate_weights = self.add_variable(
            shape, dtype=self.dtype, name="intermediate_weights"
        )

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        t, x = self._operands(y_true, y_pred)
        hits = self._predicted(x).astype(self.dtype)
        weights: Any = 1.0
        if sample_weight is not None:
            weights = as_tensor(sample_weight).astype(self.dtype).reshape((-1, 1))
        axis = None if self.average == "micro" else 0
        self._add(self.true_positives, (hits * t * weights).sum(axis))
        self._add(self.false_positives, (hits * (1 - t) * weights).sum(axis))
        self._add(self.false_negatives, ((1 - hits) * t * weights).sum(axis))
        self._add(self.intermediate_weights, (t * weights).sum(axis))

    def _predicted(self, x: Any) -> Any:
        if self.threshold is not None:
            return x > self.threshold
        # A sample of zeros predicts no class.
        return row("logical_and", x >= x.max(-1, keepdims=True), abs(x) > 1e-9)

    def result(self) -> Any:
        if not self._built:
            return as_tensor(np.float32(0))
        epsilon, square = config.epsilon(), self.beta**2
        right: Any = self.true_positives.value
        precision = right / (right + self.false_positives.value + epsilon)
        recall = right / (right + self.false_negatives.value + epsilon)
        scores: Any = precision * recall / (square * precision + recall + epsilon) * (1 + square)
        if self.average == "weighted":
            weights: Any = self.intermediate_weights.value
            return (scores * (weights / (weights.sum() + epsilon))).sum()
        return scores if self.average is None else scores.mean()

    def get_config(self) -> dict[str, Any]:
        own = {"average": self.average, "beta": self.beta, "threshold": self.threshold}
        return {**super().get_config(), **own}


class F1Score(FBetaScore):
    """`2 * precision * recall / (precision + recall)`; arguments as of `FBetaScore`."""

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str | None = "f1_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(average, 1.0, threshold, name, dtype)

    def get_config(self) -> dict[str, Any]:
        config_ = super().get_config()
        del config_["beta"]
        return config_


class R2Score(_ByOutput):
    """`1 - sum((t - p)²) / sum((t - mean(t))²)`: 1 at best, 0 for a constant answer.

    Args:
        class_aggregation: `"uniform_average"` over the outputs, `"variance_weighted_average"`, or
            None for one score an output.
        num_regressors: how many inputs a linear model has; with a number above 0 the score is
            adjusted for it, unless there are too few samples.
        name: of the metric.
        dtype: see `Metric`.

    Raises:
        UnknownNameError: no such aggregation.
        UsageError: `num_regressors` is below 0.
    """

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str | None = "r2_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(dtype, name)
        if class_aggregation is not None and class_aggregation not in AGGREGATIONS:
            raise nearest(str(class_aggregation), AGGREGATIONS, "class_aggregation")
        if num_regressors < 0:
            raise UsageError(f"R2Score: num_regressors is {num_regressors}, less than 0")
        self.class_aggregation = class_aggregation
        self.num_regressors = num_regressors
        self.num_samples = self.add_variable((), name="num_samples")

    def _make(self, outputs: int) -> None:
        self.squared_sum = self.add_variable((outputs,), name="squared_sum")
        self.sum = self.add_variable((outputs,), name="sum")
        self.total_mse = self.add_variable((outputs,), name="residual")
        self.count = self.add_variable((outputs,), name="count")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        t, x = self._operands(y_true, y_pred)
        weights: Any = ops.ones_like(t)
        if sample_weight is not None:
            given = as_tensor(sample_weight).astype(self.dtype)
            weights = weights * (given.reshape((-1, 1)) if given.ndim == 1 else given)
        self._add(self.sum, (t * weights).sum(0))
        self._add(self.squared_sum, (t * t * weights).sum(0))
        self._add(self.total_mse, ((t - x) * (t - x) * weights).sum(0))
        self._add(self.count, weights.sum(0))
        self._add(self.num_samples, ops.size_of(t, dims.product(t.shape), t.dtype))

    def result(self) -> Any:
        if not self._built:
            return as_tensor(np.float32(0))
        mean: Any = self.sum.value / self.count.value
        total: Any = self.squared_sum.value - self.sum.value * mean
        scores: Any = 1 - self.total_mse.value / total
        scores = row("where", row("isinf", scores), 0.0, scores)
        if self.class_aggregation == "uniform_average":
            scores = scores.mean()
        elif self.class_aggregation is not None:
            scores = (total * scores).sum() / total.sum()
        if not self.num_regressors:
            return scores
        spare: Any = self.num_samples.value - self.num_regressors - 1
        is_enough = row("greater", spare, 0)
        divisor = row("where", is_enough, spare, 1.0)
        adjusted = 1 - (1 - scores) * (self.num_samples.value - 1) / divisor
        return row("where", is_enough, adjusted, scores)

    def get_config(self) -> dict[str, Any]:
        own = {"class_aggregation": self.class_aggregation, "num_regressors": self.num_regressors}
        return {**super().get_config(), **own}
