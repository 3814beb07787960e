"""Counts at thresholds, precision and recall."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar

from irflow.frontend.variable import Variable
from irflow.keras.losses.reduction import quotient
from irflow.keras.metrics.metric import Metric
from irflow.keras.metrics.thresholds import LOWEST, are_even, as_thresholds, confusion


class _Count(Metric):
    """How much weight one of the four kinds of answers has at each threshold."""

    _kind: ClassVar[str]

    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(dtype, name)
        self.init_thresholds = thresholds
        self.thresholds = as_thresholds(thresholds, 0.5)
        self.accumulator = self.add_variable((len(self.thresholds),), name="accumulator")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        found = confusion(
            (self._kind,),
            y_true,
            y_pred,
            self.thresholds,
            dtype=self.accumulator.dtype.name,
            sample_weight=sample_weight,
            is_even=are_even(self.thresholds),
        )
        self._add(self.accumulator, found[self._kind])

    def result(self) -> Any:
        counts = self.accumulator.value
        return counts[0] if len(self.thresholds) == 1 else counts

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "thresholds": self.init_thresholds}


class TruePositives(_Count):
    """How many predictions above a threshold are true.

    Args:
        thresholds: one or several numbers in [0, 1]; 0.5 by default.
        name: by default that of the class.
        dtype: see `Metric`.
    """

    _kind = "tp"


class FalsePositives(_Count):
    """How many predictions above a threshold are false; arguments as of `TruePositives`."""

    _kind = "fp"


class TrueNegatives(_Count):
    """How many predictions up to a threshold are false; arguments as of `TruePositives`."""

    _kind = "tn"


class FalseNegatives(_Count):
    """How many predictions up to a threshold are true; arguments as of `TruePositives`."""

    _kind = "fn"


class _Share(Metric):
    """The share of true positives among a kind of answers."""

    _direction = "up"
    _other: ClassVar[str]
    _other_name: ClassVar[str]

    def __init__(
        self,
        thresholds: Any = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(dtype, name)
        self.init_thresholds = thresholds
        self.top_k = top_k
        self.class_id = class_id
        self.thresholds = as_thresholds(thresholds, 0.5 if top_k is None else LOWEST)
        count = (len(self.thresholds),)
        self.true_positives = self.add_variable(count, name="true_positives")
        self._others = self.add_variable(count, name=self._other_name)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        found = confusion(
            ("tp", self._other),
            y_true,
            y_pred,
            self.thresholds,
            dtype=self.true_positives.dtype.name,
            top_k=self.top_k,
            class_id=self.class_id,
            sample_weight=sample_weight,
            is_even=are_even(self.thresholds),
        )
        self._add(self.true_positives, found["tp"])
        self._add(self._others, found[self._other])

    def result(self) -> Any:
        right = self.true_positives.value
        shares = quotient(right, right + self._others.value)
        return shares[0] if len(self.thresholds) == 1 else shares

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "thresholds": self.init_thresholds,
            "top_k": self.top_k,
            "class_id": self.class_id,
        }


class Precision(_Share):
    """The share of what is true among what is predicted.

    Args:
        thresholds: one or several numbers in [0, 1]; 0.5 by default, none with `top_k`.
        top_k: only so many predictions of a sample count as positive.
        class_id: the only class that counts.
        name: by default that of the class.
        dtype: see `Metric`.
    """

    _other, _other_name = "fp", "false_positives"

    @property
    def false_positives(self) -> Variable:
        """How many predictions are false."""
        return self._others


class Recall(_Share):
    """The share of what is predicted among what is true; arguments as of `Precision`."""

    _other, _other_name = "fn", "false_negatives"

    @property
    def false_negatives(self) -> Variable:
        """How many true labels are not predicted."""
        return self._others


class Confusion(Metric):
    """The base of metrics that keep all four counts at many thresholds."""

    _direction = "up"
    _counted: Collection[str] = ("tp", "fp", "tn", "fn")

    def make_counts(self, shape: tuple[int, ...]) -> None:
        """Make the variables of the counts."""
        self.true_positives = self.add_variable(shape, name="true_positives")
        self.false_positives = self.add_variable(shape, name="false_positives")
        self.true_negatives = self.add_variable(shape, name="true_negatives")
        self.false_negatives = self.add_variable(shape, name="false_negatives")

    def count(self, y_true: Any, y_pred: Any, thresholds: Any, **options: Any) -> None:
        """Add one batch to the counts; options as of `confusion`."""
        kept = {
            "tp": self.true_positives,
            "fp": self.false_positives,
            "tn": self.true_negatives,
            "fn": self.false_negatives,
        }
        dtype = self.true_positives.dtype.name
        found = confusion(self._counted, y_true, y_pred, thresholds, dtype=dtype, **options)
        for kind, variable in kept.items():
            self._add(variable, found[kind])

    def counts(self) -> tuple[Any, Any, Any, Any]:
        """True and false positives, true and false negatives."""
        positives = self.true_positives.value, self.false_positives.value
        return *positives, self.true_negatives.value, self.false_negatives.value
