"""Losses of classes: how unlikely the labels are by the predictions.

`reduction` is `"mean"` (the default), `"sum"` or `"none"`. What is computed from logits is stable;
what is computed from probabilities clips these to `1e-7 … 1 - 1e-7`, as Keras does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

from irflow import dtypes, ops
from irflow.errors import DTypeError, ShapeError, UsageError
from irflow.frontend.boundary import public
from irflow.frontend.promotion import normalize_axis
from irflow.frontend.tensor import Tensor, TensorLike, as_tensor, inexact
from irflow.losses.reduction import pair, reduced
from irflow.losses.regression import EPSILON
from irflow.nn.activations import row


@public
def softmax_cross_entropy(
    logits: TensorLike,
    labels: TensorLike,
    *,
    label_smoothing: float = 0.0,
    ignore_label: int | None = None,
    axis: int = -1,
    reduction: str = "mean",
) -> Tensor:
    """The mean of `-log softmax(logits)[label]`, computed stably.

    Args:
        logits: `[n, classes]`, floats.
        labels: `[n]` class numbers, or `[n, classes]` probabilities.
        label_smoothing: this part of each label is spread evenly over all classes.
        ignore_label: rows with this class number give 0 and do not count in the mean.
        axis: that of the classes.
        reduction: over the rows.

    Returns:
        A scalar, or `[n]` without a reduction. A label outside of the classes gives NaN.

    Raises:
        ShapeError: there is not one label, or one row of probabilities, for each row of logits.
        DTypeError: class numbers that are no integers.
    """
    x, y = _classes_last(inexact(logits), as_tensor(labels), axis)
    if y.ndim == x.ndim:
        t = _smoothed(y, label_smoothing, x)
        return reduced(cast(Tensor, -(ops.log_softmax(x, -1) * t).sum(-1)), reduction)
    _check_labels("softmax_cross_entropy", x, y)
    losses = cast(Tensor, ops.cross_entropy(x, y))
    if label_smoothing:
        spread = ops.logsumexp(x, -1) - x.mean(-1)
        losses = (1 - label_smoothing) * losses + label_smoothing * spread
    return _of_labels(losses, x, y, ignore_label, reduction)


@public
def cross_entropy(
    probabilities: TensorLike,
    labels: TensorLike,
    *,
    label_smoothing: float = 0.0,
    ignore_label: int | None = None,
    axis: int = -1,
    reduction: str = "mean",
) -> Tensor:
    """The mean of `-log probabilities[label]`: `softmax_cross_entropy` of what softmax gave.

    Args:
        probabilities: `[n, classes]`; rows are divided by their sum.
        labels: `[n]` class numbers, or `[n, classes]` probabilities.
        label_smoothing: this part of each label is spread evenly over all classes.
        ignore_label: rows with this class number give 0 and do not count in the mean.
        axis: that of the classes.
        reduction: over the rows.
    """
    x, y = _classes_last(inexact(probabilities), as_tensor(labels), axis)
    if y.ndim == x.ndim:
        logs = _logs(x / x.sum(-1, keepdims=True))
        return reduced(cast(Tensor, -(logs * _smoothed(y, label_smoothing, x)).sum(-1)), reduction)
    _check_labels("cross_entropy", x, y)
    hot = ops.one_hot(y, x.shape[-1], x.dtype)
    if label_smoothing:
        logs = _logs(x / x.sum(-1, keepdims=True))
        losses = -(logs * _smoothed(hot, label_smoothing, x)).sum(-1)
    else:  # one logarithm a row
        losses = -_logs((x * hot).sum(-1) / x.sum(-1))
    return _of_labels(losses, x, y, ignore_label, reduction)


def _logs(probabilities: Any) -> Any:
    return row("log", _clipped(probabilities))


def _classes_last(x: Tensor, y: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    place = normalize_axis(axis, x.ndim)
    moved = ops.moveaxis(x, place, -1)
    return moved, ops.moveaxis(y, place, -1) if y.ndim == x.ndim else y


def _check_labels(name: str, x: Tensor, y: Tensor) -> None:
    facts = [("logits" if name.startswith("softmax") else "probabilities", x.type)]
    facts.append(("labels", y.type))
    if y.shape != x.shape[:-1]:
        raise ShapeError(f"{name}: one label a row is needed", facts=facts)
    if not y.dtype.is_integer:
        raise DTypeError(f"{name}: labels are integers", facts=facts)


def _of_labels(
    losses: Tensor, x: Tensor, y: Tensor, ignore_label: int | None, reduction: str
) -> Tensor:
    """Losses that are NaN for labels outside of the classes, and 0 for the one to ignore."""
    # As an unsigned number a negative label is a large one, so that one comparison is enough.
    is_class = y.astype("u64") < ops.size_of(y, x.shape[-1], dtypes.u64)
    known = row("where", is_class, losses, math.nan)
    if ignore_label is None:
        return reduced(known, reduction)
    counts = row("not_equal", y, ignore_label)
    return reduced(row("where", counts, known, 0.0), reduction, counts)


def _smoothed(t: Tensor, smoothing: float, x: Tensor) -> Tensor:
    if not smoothing:
        return t
    return cast(Tensor, t * (1 - smoothing) + smoothing / ops.size_of(x, x.shape[-1], x.dtype))


def _clipped(x: Tensor) -> Tensor:
    return row("minimum", row("maximum", x, EPSILON), 1 - EPSILON)


@public
def sigmoid_cross_entropy(
    logits: TensorLike,
    targets: TensorLike,
    *,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Tensor:
    """The mean binary cross-entropy of `sigmoid(logits)`, computed stably; targets in [0, 1].

    With `label_smoothing` targets move by this part towards 1/2.
    """
    x, t = _binary(logits, targets, label_smoothing)
    return reduced(cast(Tensor, row("softplus", x) - x * t), reduction)


@public
def binary_cross_entropy(
    probabilities: TensorLike,
    targets: TensorLike,
    *,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Tensor:
    """The mean of `-t log p - (1 - t) log(1 - p)`: `sigmoid_cross_entropy` of what sigmoid gave."""
    p, t = _binary(probabilities, targets, label_smoothing)
    p = _clipped(p)
    return reduced(cast(Tensor, -t * row("log", p) - (1 - t) * row("log", 1 - p)), reduction)


def _binary(x: TensorLike, targets: TensorLike, smoothing: float) -> tuple[Tensor, Tensor]:
    predictions, t = pair(x, inexact(targets))
    return predictions, cast(Tensor, t * (1 - smoothing) + smoothing / 2) if smoothing else t


# ------------------------------------------------------------------------------------------- focal


@public
def binary_focal_cross_entropy(
    predictions: TensorLike,
    targets: TensorLike,
    *,
    gamma: float = 2.0,
    alpha: float | None = None,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Tensor:
    """The binary cross-entropy times `(1 - p)**gamma`, `p` being the probability of the truth.

    Source: Lin et al., "Focal loss for dense object detection", 2017.

    Args:
        predictions: probabilities, or logits.
        targets: of the same shape, in [0, 1].
        gamma: how much less a prediction counts that is right already.
        alpha: the weight of class 1, that of class 0 being `1 - alpha`; none by default.
        from_logits: whether the predictions are logits.
        label_smoothing: targets move by this part towards 1/2.
        reduction: over all elements.
    """
    x, t = _binary(predictions, targets, label_smoothing)
    loss = sigmoid_cross_entropy if from_logits else binary_cross_entropy
    entropy = cast(Callable[..., Tensor], loss)(x, t, reduction="none")
    p = row("sigmoid", x) if from_logits else _clipped(x)
    missing = 1 - (t * p + (1 - t) * (1 - p))
    result = _power(cast(Tensor, missing), gamma) * entropy
    if alpha is not None:
        result = result * (t * alpha + (1 - t) * (1 - alpha))
    return reduced(cast(Tensor, result), reduction)


@public
def categorical_focal_cross_entropy(
    predictions: TensorLike,
    targets: TensorLike,
    *,
    gamma: float = 2.0,
    alpha: float | TensorLike = 0.25,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
    reduction: str = "mean",
) -> Tensor:
    """The mean of `-sum(alpha * (1 - p)**gamma * target * log(p))` over the examples.

    Args:
        predictions: `[..., classes]`, probabilities or logits.
        targets: `[..., classes]`, probabilities.
        gamma: how much less a prediction counts that is right already.
        alpha: the weight of all classes, or `[classes]`.
        from_logits: whether the predictions are logits.
        label_smoothing: this part of each target is spread evenly over all classes.
        axis: that of the classes.
        reduction: over the examples.
    """
    x, y = pair(predictions, targets)
    x, y = _classes_last(x, y, axis)
    t = _smoothed(y, label_smoothing, x)
    p = cast(Tensor, ops.softmax(x, -1) if from_logits else x / x.sum(-1, keepdims=True))
    p = _clipped(p)
    logs = ops.log_softmax(x, -1) if from_logits else row("log", p)
    terms = _power(cast(Tensor, 1 - p), gamma) * as_tensor(alpha) * t * logs
    return reduced(cast(Tensor, -terms.sum(-1)), reduction)


def _power(x: Tensor, exponent: float) -> Tensor:
    """`x**exponent` of numbers in [0, 1], with a finite gradient at 0 for exponents from 1 on."""
    if exponent < 0:
        raise UsageError(f"focal loss: gamma is {exponent}, less than 0")
    if exponent == int(exponent) and exponent <= 4:
        result = x if exponent else x.full(1, x.shape)
        for _ in range(int(exponent) - 1):
            result = cast(Tensor, result * x)
        return result
    return cast(Tensor, x**exponent)


@public
def generalized_cross_entropy(
    probabilities: TensorLike, labels: TensorLike, q: float = 0.5, *, reduction: str = "mean"
) -> Tensor:
    """The mean of `(1 - p**q) / q`, `p` being the probability of the label.

    Between the cross-entropy (`q` near 0) and the absolute error (`q` near 1): wrong labels count
    less. Source: Zhang and Sabuncu, "Generalized cross entropy loss for training deep neural
    networks with noisy labels", 2018.

    Args:
        probabilities: `[n, classes]`.
        labels: `[n]` class numbers; one outside of the classes has the probability 0.
        q: above 0 and below 1.
        reduction: over the rows.
    """
    x, y = inexact(probabilities), as_tensor(labels)
    _check_labels("generalized_cross_entropy", x, y)
    p = (x * ops.one_hot(y, x.shape[-1], x.dtype)).sum(-1)
    return reduced(cast(Tensor, (1 - row("power", p, q)) / q), reduction)


@public
def kl_divergence(
    predictions: TensorLike, targets: TensorLike, *, axis: int = -1, reduction: str = "mean"
) -> Tensor:
    """The mean of `sum(target * log(target / prediction))`; both are clipped to `1e-7 … 1`.

    Args:
        predictions: `[..., classes]`, probabilities.
        targets: `[..., classes]`, probabilities.
        axis: that of the classes.
        reduction: over the examples.
    """
    x, t = (
        row("minimum", row("maximum", v, EPSILON), 1.0) for v in pair(predictions, inexact(targets))
    )
    terms = cast(Tensor, t * (row("log", t) - row("log", x)))
    return reduced(terms.sum(axis), reduction)


@public
def accuracy(logits: TensorLike, labels: TensorLike) -> Tensor:
    """The share of rows whose largest logit stands at the label: no gradient, a metric."""
    hits = as_tensor(logits).argmax(-1) == as_tensor(labels)
    return cast(Tensor, hits).mean()
