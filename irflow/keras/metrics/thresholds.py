"""Counts of right and wrong answers at thresholds."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from irflow import ops
from irflow.errors import ShapeError, UsageError
from irflow.frontend.tensor import Tensor, as_tensor
from irflow.keras import config
from irflow.keras.losses.operands import of_one_rank
from irflow.nn import segment_sum
from irflow.nn.activations import row
from irflow.scalars import find

LOWEST = -1e10
"""What a prediction becomes that is not among the `top_k`."""

Counts = dict[str, Tensor]


def as_thresholds(thresholds: Any, default: float) -> list[float]:
    """One or several thresholds as a list.

    Raises:
        UsageError: one of them is not in [0, 1].
    """
    if thresholds is None:
        return [default]
    chosen = list(thresholds) if isinstance(thresholds, (list, tuple, np.ndarray)) else [thresholds]
    wrong = [t for t in chosen if t is None or not 0 <= t <= 1]
    if wrong:
        raise UsageError("thresholds are in [0, 1]", facts=[("given", *wrong)])
    return [float(t) for t in chosen]


def are_even(thresholds: Sequence[float]) -> bool:
    """Whether at least three thresholds divide [0, 1] evenly."""
    count = len(thresholds)
    even = np.arange(count) / max(count - 1, 1)
    return count >= 3 and bool(np.allclose(thresholds, even, atol=config.epsilon()))


def confusion(
    wanted: Collection[str],
    y_true: Any,
    y_pred: Any,
    thresholds: Sequence[float],
    *,
    dtype: str,
    top_k: int | None = None,
    class_id: int | None = None,
    sample_weight: Any = None,
    label_weights: Any = None,
    multi_label: bool = False,
    is_even: bool = False,
) -> Counts:
    """How much weight true and false positives and negatives have.

    Args:
        wanted: `"tp"`, `"fp"`, `"tn"`, `"fn"`, or some of them.
        y_true: `[n]` or `[n, labels]`; what is not 0 is true.
        y_pred: of the same shape; positive is what is above a threshold.
        thresholds: numbers, rising where they are even.
        dtype: of the results.
        top_k: only so many predictions of a sample can be positive.
        class_id: the only label that counts.
        sample_weight: `[n]`.
        label_weights: `[labels]`.
        multi_label: whether to count each label by itself.
        is_even: whether the thresholds divide [0, 1] evenly; counting is quicker then.

    Returns:
        `[thresholds]`, with several labels `[thresholds, labels]`.

    Raises:
        ShapeError: the shapes do not fit.
    """
    x, t = of_one_rank(as_tensor(y_pred).astype(dtype), as_tensor(y_true).astype(dtype))
    if x.shape != t.shape:
        facts = [("y_true", t.type), ("y_pred", x.type)]
        raise ShapeError("a metric of thresholds: y_true and y_pred differ in shape", facts=facts)
    if top_k is not None:
        x = _only_top(x, top_k)
    weights = _weights(x, sample_weight, None if multi_label else label_weights)
    if class_id is not None:
        x, t = _of_class(x, class_id), _of_class(t, class_id)
        weights = _of_class(weights, class_id)
    if not multi_label:
        x, t, weights = x.reshape(-1), t.reshape(-1), weights.reshape(-1)
    is_true: Any = row("not_equal", t, 0)
    parts = row("where", is_true, weights, 0.0), row("where", is_true, 0.0, weights)
    count = _in_buckets if is_even else _above
    return count(wanted, x, parts, thresholds)


def _only_top(x: Tensor, k: int) -> Tensor:
    _, places = ops.top_k(x, k)
    is_top = ops.one_hot(places, x.shape[-1], x.dtype).sum(-2)
    return row("where", is_top > 0, x, LOWEST)


def _of_class(x: Tensor, class_id: int) -> Tensor:
    if x.ndim < 2:
        raise ShapeError("class_id needs predictions [n, classes]", facts=[("y_pred", x.type)])
    return x[..., class_id, None]


def _weights(x: Tensor, sample_weight: Any, label_weights: Any) -> Tensor:
    """The weight of each prediction."""
    result: Any = ops.ones_like(x)
    if sample_weight is not None:
        weights = as_tensor(sample_weight).astype(x.dtype)
        while weights.ndim < x.ndim:
            weights = ops.expand_dims(weights, -1)
        if weights.ndim > x.ndim and weights.shape[-1] == 1:
            weights = weights.reshape(weights.shape[:-1])
        result = result * weights
    if label_weights is not None:
        result = result * as_tensor(label_weights).astype(x.dtype)
    if result.shape != x.shape:
        raise ShapeError("weights do not fit", facts=[("y_pred", x.type), ("weights", result.type)])
    return result  # type: ignore[no-any-return]


def _above(
    wanted: Collection[str], x: Tensor, parts: tuple[Any, Any], thresholds: Sequence[float]
) -> Counts:
    """Counts by a comparison with each threshold."""
    limits = as_tensor(np.asarray(thresholds)).astype(x.dtype)
    limits = limits.reshape((len(thresholds), *[1] * x.ndim))
    is_positive: Any = row("greater", ops.expand_dims(x, 0), limits)
    is_negative = row("logical_not", is_positive)
    trues, falses = (ops.expand_dims(part, 0) for part in parts)
    pairs = {
        "tp": (is_positive, trues),
        "fp": (is_positive, falses),
        "tn": (is_negative, falses),
        "fn": (is_negative, trues),
    }
    return {name: row("where", pairs[name][0], pairs[name][1], 0.0).sum(1) for name in wanted}


def _in_buckets(
    wanted: Collection[str], x: Tensor, parts: tuple[Any, Any], thresholds: Sequence[float]
) -> Counts:
    """Counts by the number of the last even threshold that a prediction is above."""
    count = len(thresholds)
    inside = row("minimum", row("maximum", x, 0.0), 1.0)
    places: Any = row("ceil", inside * float(count - 1)) - 1
    if thresholds[0] < 0 or thresholds[-1] > 1:
        places = row("maximum", places, 0.0)
    places = places.astype("i32")
    labels = x.shape[1:]
    if labels:
        places = places * labels[0] + ops.iota(places, places.shape, 1)
    size = count * (labels[0] if labels else 1)
    pairs = ops.stack([part.reshape(-1) for part in parts], 1)
    buckets = segment_sum(pairs, places.reshape(-1), size).reshape((count, *labels, 2))
    above: Any = ops.cumulative(find("add"), buckets, 0, reverse=True)
    found = {"tp": above[..., 0], "fp": above[..., 1]}
    found |= {"tn": parts[1].sum(0) - above[..., 1], "fn": parts[0].sum(0) - above[..., 0]}
    return {name: found[name] for name in wanted}
