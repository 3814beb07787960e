"""Loss functions: one number a batch, the mean over its examples."""

from __future__ import annotations

import math
from typing import cast

from irflow import dtypes, ops
from irflow.errors import DTypeError, ShapeError
from irflow.frontend.boundary import public
from irflow.frontend.tensor import Tensor, TensorLike, apply_row, as_tensor, inexact
from irflow.scalars import find


@public
def softmax_cross_entropy(logits: TensorLike, labels: TensorLike) -> Tensor:
    """The mean of `-log softmax(logits)[label]`, computed stably.

    Args:
        logits: `[n, classes]`, floats.
        labels: `[n]` class numbers, or `[n, classes]` probabilities.

    Returns:
        A scalar. A label outside of the classes gives NaN.

    Raises:
        ShapeError: there is not one label, or one row of probabilities, for each row of logits.
        DTypeError: class numbers that are no integers.
    """
    x, y = inexact(logits), as_tensor(labels)
    if y.ndim == x.ndim:
        return cast(Tensor, -(ops.log_softmax(x, -1) * y).sum(-1)).mean()
    facts = [("logits", x.type), ("labels", y.type)]
    if y.shape != x.shape[:-1]:
        raise ShapeError("softmax_cross_entropy: one label a row is needed", facts=facts)
    if not y.dtype.is_integer:
        raise DTypeError("softmax_cross_entropy: labels are integers", facts=facts)
    # As an unsigned number a negative label is a large one, so that one comparison is enough.
    is_class = y.astype("u64") < ops.size_of(y, x.shape[-1], dtypes.u64)
    losses = ops.cross_entropy(x, y)
    return apply_row(find("where"), (is_class, losses, math.nan)).mean()


@public
def sigmoid_cross_entropy(logits: TensorLike, targets: TensorLike) -> Tensor:
    """The mean binary cross-entropy of `sigmoid(logits)`, computed stably; targets in [0, 1]."""
    x, t = inexact(logits), inexact(targets)
    return cast(Tensor, apply_row(find("softplus"), (x,)) - x * t).mean()


@public
def mean_squared_error(predictions: TensorLike, targets: TensorLike) -> Tensor:
    """The mean of the squared differences."""
    difference = _difference(predictions, targets)
    return cast(Tensor, difference * difference).mean()


@public
def mean_absolute_error(predictions: TensorLike, targets: TensorLike) -> Tensor:
    """The mean of the absolute differences."""
    return cast(Tensor, abs(_difference(predictions, targets))).mean()


def _difference(predictions: TensorLike, targets: TensorLike) -> Tensor:
    x, t = inexact(predictions), as_tensor(targets)
    if x.shape != t.shape and t.shape:
        raise ShapeError(
            "loss: predictions and targets differ in shape",
            facts=[("predictions", x.type), ("targets", t.type)],
        )
    return cast(Tensor, x - t)


@public
def huber(predictions: TensorLike, targets: TensorLike, delta: float = 1.0) -> Tensor:
    """The mean of `d²/2` for differences up to `delta`, of `delta * (|d| - delta/2)` beyond."""
    distance = abs(_difference(predictions, targets))
    inner = apply_row(find("minimum"), (distance, delta))
    return cast(Tensor, inner * (distance - 0.5 * inner)).mean()


@public
def accuracy(logits: TensorLike, labels: TensorLike) -> Tensor:
    """The share of rows whose largest logit stands at the label: no gradient, a metric."""
    hits = as_tensor(logits).argmax(-1) == as_tensor(labels)
    return cast(Tensor, hits).mean()
