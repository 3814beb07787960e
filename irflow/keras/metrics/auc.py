"""The area under a curve over all thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from irflow import nn
from irflow.errors import ShapeError, UsageError, nearest
from irflow.frontend.tensor import as_tensor
from irflow.keras import config
from irflow.keras.losses.reduction import quotient
from irflow.keras.metrics.confusion import Confusion
from irflow.keras.metrics.thresholds import are_even, as_thresholds
from irflow.nn.activations import row

CURVES = ("ROC", "PR", "PRGAIN")
METHODS = ("interpolation", "majoring", "minoring")


class AUC(Confusion):
    """The area under a curve, by a sum over thresholds.

    Source: Davis and Goadrich, "The relationship between precision-recall and ROC curves", 2006;
    Flach and Kull, "Precision-recall-gain curves", 2015.

    Args:
        num_thresholds: how many there are, evenly in [0, 1].
        curve: `"ROC"`, the true over the false positive rate; `"PR"`, precision over recall;
            `"PRGAIN"`, their gains over a constant answer.
        summation_method: `"interpolation"`, or the larger (`"majoring"`) or the smaller
            (`"minoring"`) end of each piece.
        name: by default that of the class.
        dtype: see `Metric`.
        thresholds: other ones than even ones; 0 and 1 are added.
        multi_label: whether each label has a curve; the result is their mean.
        num_labels: how many, with `multi_label`; by default as many as the predictions have.
        label_weights: of the labels.
        from_logits: whether predictions are logits.

    Raises:
        UnknownNameError: no such curve or method.
        UsageError: thresholds that are too few or not in [0, 1], or `num_labels` without
            `multi_label`.
    """

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: Any = None,
        thresholds: Sequence[float] | None = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Any = None,
        from_logits: bool = False,
    ) -> None:
        super().__init__(dtype, name)
        self.curve = _one_of(CURVES, curve, "curve")
        self.summation_method = _one_of(METHODS, summation_method, "summation method")
        if thresholds is None and num_thresholds <= 1:
            raise UsageError(f"AUC: num_thresholds is {num_thresholds}, less than 2")
        if num_labels and not multi_label:
            raise UsageError("AUC: num_labels is for multi_label=True")
        self._given_thresholds = None if thresholds is None else as_thresholds(thresholds, 0.5)
        self.num_thresholds = num_thresholds if thresholds is None else len(thresholds) + 2
        inner = [i / (self.num_thresholds - 1) for i in range(1, self.num_thresholds - 1)]
        inner = inner if thresholds is None else sorted(as_thresholds(thresholds, 0.5))
        self._is_even = thresholds is None or are_even([0.0, *inner, 1.0])
        # The ends are moved out, so that 0 is above the first threshold and 1 below the last one.
        self.thresholds = [-config.epsilon(), *inner, 1 + config.epsilon()]
        self.multi_label = multi_label
        self.num_labels = num_labels
        self.label_weights = None if label_weights is None else np.asarray(label_weights, "f4")
        self._from_logits = from_logits
        self._built = False
        if not multi_label or num_labels:
            self.build((None, num_labels))

    def build(self, y_pred_shape: Sequence[Any]) -> None:
        """Make the variables, for predictions of a shape.

        Raises:
            ShapeError: with `multi_label`, predictions that are not `[n, labels]`.
        """
        if self._built:
            return
        if self.multi_label and (len(y_pred_shape) != 2 or not isinstance(y_pred_shape[1], int)):
            facts = [("y_pred", tuple(y_pred_shape))]
            raise ShapeError("AUC: with multi_label predictions are [n, labels]", facts=facts)
        labels = (y_pred_shape[1],) if self.multi_label else ()
        self.make_counts((self.num_thresholds, *labels))
        self._built = True

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        x = as_tensor(y_pred)
        self.build(x.shape)
        self.count(
            y_true,
            nn.sigmoid(x) if self._from_logits else x,
            self.thresholds,
            sample_weight=sample_weight,
            label_weights=self.label_weights,
            multi_label=self.multi_label,
            is_even=self._is_even,
        )

    def result(self) -> Any:
        if not self._built:
            return as_tensor(np.float32(0))
        if self.curve == "PR" and self.summation_method == "interpolation":
            return self._joined(self._interpolated())
        x, y = self._points()
        low, high = y[1:], y[:-1]
        heights: Any = (low + high) / 2
        if self.summation_method != "interpolation":
            kind = "minimum" if self.summation_method == "minoring" else "maximum"
            heights = row(kind, low, high)
        return self._joined((x[:-1] - x[1:]) * heights)

    def _points(self) -> tuple[Any, Any]:
        """The curve at the thresholds, from right to left."""
        tp, fp, tn, fn = self.counts()
        recall = quotient(tp, tp + fn)
        if self.curve == "ROC":
            return quotient(fp, fp + tn), recall
        if self.curve == "PR":
            return recall, quotient(tp, tp + fp)
        odds: Any = quotient(tp + fn, tn + fp)
        gains = [1 - odds * quotient(wrong, tp) for wrong in (fn, fp)]
        is_none = row("equal", tp, 0)
        recall_gain = row("maximum", row("where", is_none, 0.0, gains[0]), 0.0)
        return recall_gain, row("where", is_none, 1.0, gains[1])

    def _interpolated(self) -> Any:
        """Pieces of the area where true positives grow evenly with all positives."""
        tp, fp, _, fn = self.counts()
        positives: Any = tp + fp
        more, fewer = positives[:-1], positives[1:]
        change = tp[:-1] - tp[1:]
        slope: Any = quotient(change, row("maximum", more - fewer, 0.0))
        start = tp[1:] - slope * fewer
        are_both = row("logical_and", more > 0, fewer > 0)
        ratio = row("where", are_both, quotient(more, row("maximum", fewer, 0.0)), 1.0)
        pieces = slope * (change + start * row("log", ratio))
        return quotient(pieces, row("maximum", tp[1:] + fn[1:], 0.0))

    def _joined(self, pieces: Any) -> Any:
        if not self.multi_label:
            return pieces.sum()
        areas = pieces.sum(0)
        if self.label_weights is None:
            return areas.mean()
        return quotient((areas * self.label_weights).sum(), self.label_weights.sum())

    def get_config(self) -> dict[str, Any]:
        weights = self.label_weights
        own: dict[str, Any] = {
            "num_thresholds": self.num_thresholds,
            "curve": self.curve,
            "summation_method": self.summation_method,
            "multi_label": self.multi_label,
            "num_labels": self.num_labels,
            "label_weights": None if weights is None else weights.tolist(),
            "from_logits": self._from_logits,
        }
        if self._given_thresholds is not None:
            own["thresholds"] = self._given_thresholds
        return {**super().get_config(), **own}


def _one_of(known: Sequence[str], given: str, kind: str) -> str:
    for name in known:
        if str(given).lower() == name.lower():
            return name
    raise nearest(str(given), known, kind)
