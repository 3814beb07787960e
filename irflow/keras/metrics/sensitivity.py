"""The best of one share at thresholds where another is good enough."""

from __future__ import annotations

from typing import Any

from irflow.errors import UsageError
from irflow.keras.losses.reduction import quotient
from irflow.keras.metrics.confusion import Confusion
from irflow.nn.activations import row


def _even(count: int) -> list[float]:
    return [0.5] if count == 1 else [i / (count - 1) for i in range(count)]


class _AtLeast(Confusion):
    """The base of the four; `_wanted` is an argument of a subclass."""

    def __init__(
        self,
        argument: str,
        value: float,
        num_thresholds: int,
        class_id: int | None,
        name: str | None,
        dtype: Any,
    ) -> None:
        super().__init__(dtype, name)
        if not 0 <= value <= 1:
            raise UsageError(f"{type(self).__name__}: {argument} is {value}, not in [0, 1]")
        if num_thresholds < 1:
            raise UsageError(f"{type(self).__name__}: num_thresholds is {num_thresholds}")
        self._argument = argument
        self.value = value
        self.num_thresholds = num_thresholds
        self.class_id = class_id
        self.thresholds = _even(num_thresholds)
        self.make_counts((num_thresholds,))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.count(
            y_true,
            y_pred,
            self.thresholds,
            class_id=self.class_id,
            sample_weight=sample_weight,
            is_even=len(self.thresholds) > 1,
        )

    def best(self, wanted: Any, limited: Any) -> Any:
        """The largest of `wanted` where `limited` is large enough; 0 if it never is."""
        is_enough = row("greater_equal", limited, self.value)
        return row("maximum", row("where", is_enough, wanted, 0.0).max(), 0.0)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "class_id": self.class_id,
            "num_thresholds": self.num_thresholds,
            self._argument: self.value,
        }


class SensitivityAtSpecificity(_AtLeast):
    """The best share of the true that is found, where so much of the false is left out.

    Args:
        specificity: how much is enough, in [0, 1].
        num_thresholds: how many thresholds are tried.
        class_id: the only class that counts.
        name: by default that of the class.
        dtype: see `Metric`.
    """

    def __init__(
        self,
        specificity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__("specificity", specificity, num_thresholds, class_id, name, dtype)
        self.specificity = specificity

    def result(self) -> Any:
        tp, fp, tn, fn = self.counts()
        return self.best(quotient(tp, tp + fn), quotient(tn, tn + fp))


class SpecificityAtSensitivity(_AtLeast):
    """The best share of the false that is left out, where so much of the true is found.

    Args:
        sensitivity: how much is enough, in [0, 1].
        num_thresholds: how many thresholds are tried.
        class_id: the only class that counts.
        name: by default that of the class.
        dtype: see `Metric`.
    """

    def __init__(
        self,
        sensitivity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__("sensitivity", sensitivity, num_thresholds, class_id, name, dtype)
        self.sensitivity = sensitivity

    def result(self) -> Any:
        tp, fp, tn, fn = self.counts()
        return self.best(quotient(tn, tn + fp), quotient(tp, tp + fn))


class PrecisionAtRecall(_AtLeast):
    """The best precision where the recall is large enough.

    Args:
        recall: how much is enough, in [0, 1].
        num_thresholds: how many thresholds are tried.
        class_id: the only class that counts.
        name: by default that of the class.
        dtype: see `Metric`.
    """

    def __init__(
        self,
        recall: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__("recall", recall, num_thresholds, class_id, name, dtype)
        self.recall = recall

    def result(self) -> Any:
        tp, fp, _, fn = self.counts()
        return self.best(quotient(tp, tp + fp), quotient(tp, tp + fn))


class RecallAtPrecision(_AtLeast):
    """The best recall where the precision is large enough.

    Args:
        precision: how much is enough, in [0, 1].
        num_thresholds: how many thresholds are tried.
        class_id: the only class that counts.
        name: by default that of the class.
        dtype: see `Metric`.
    """

    def __init__(
        self,
        precision: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__("precision", precision, num_thresholds, class_id, name, dtype)
        self.precision = precision

    def result(self) -> Any:
        tp, fp, _, fn = self.counts()
        return self.best(quotient(tp, tp + fn), quotient(tp, tp + fp))
