"""Losses of numbers: how far predictions are from targets, element by element.

All take `predictions` and `targets` of one shape, and `reduction`: `"mean"` (the default) or
`"sum"` over all elements, or `"none"`.
"""

from __future__ import annotations

import math
from typing import cast

from irflow.frontend.boundary import public
from irflow.frontend.tensor import Tensor, TensorLike
from irflow.losses.reduction import pair, reduced
from irflow.nn import l2_normalize
from irflow.nn.activations import row

EPSILON = 1e-7
"""Keras's guard of divisions and logarithms."""


def _distance(predictions: TensorLike, targets: TensorLike) -> Tensor:
    x, t = pair(predictions, targets)
    return cast(Tensor, x - t)


@public
def mean_squared_error(
    predictions: TensorLike, targets: TensorLike, *, reduction: str = "mean"
) -> Tensor:
    """The mean of the squared differences."""
    distance = _distance(predictions, targets)
    return reduced(cast(Tensor, distance * distance), reduction)


@public
def mean_absolute_error(
    predictions: TensorLike, targets: TensorLike, *, reduction: str = "mean"
) -> Tensor:
    """The mean of the absolute differences."""
    return reduced(cast(Tensor, abs(_distance(predictions, targets))), reduction)


@public
def mean_absolute_percentage_error(
    predictions: TensorLike, targets: TensorLike, *, reduction: str = "mean"
) -> Tensor:
    """The mean of `100 |d| / |target|`; targets count as `1e-7` at least."""
    x, t = pair(predictions, targets)
    share = abs((x - t) / row("maximum", abs(t), EPSILON))
    return reduced(cast(Tensor, 100 * share), reduction)


@public
def mean_squared_logarithmic_error(
    predictions: TensorLike, targets: TensorLike, *, reduction: str = "mean"
) -> Tensor:
    """The mean of the squared differences of `log(1 + x)`; numbers count as `1e-7` at least."""
    x, t = pair(predictions, targets)
    logs = [row("log1p", row("maximum", v, EPSILON)) for v in (x, t)]
    distance = logs[0] - logs[1]
    return reduced(cast(Tensor, distance * distance), reduction)


@public
def huber(
    predictions: TensorLike, targets: TensorLike, delta: float = 1.0, *, reduction: str = "mean"
) -> Tensor:
    """The mean of `d²/2` for differences up to `delta`, of `delta * (|d| - delta/2)` beyond."""
    distance = abs(_distance(predictions, targets))
    inner = row("minimum", distance, delta)
    return reduced(cast(Tensor, inner * (distance - 0.5 * inner)), reduction)


@public
def log_cosh(predictions: TensorLike, targets: TensorLike, *, reduction: str = "mean") -> Tensor:
    """The mean of `log(cosh(d))`, without overflow: a smooth absolute error."""
    size = abs(_distance(predictions, targets))
    return reduced(cast(Tensor, size + row("softplus", -2 * size) - math.log(2)), reduction)


@public
def poisson(predictions: TensorLike, targets: TensorLike, *, reduction: str = "mean") -> Tensor:
    """The mean of `prediction - target * log(prediction + 1e-7)`: counts of a given rate."""
    x, t = pair(predictions, targets)
    return reduced(cast(Tensor, x - t * row("log", x + EPSILON)), reduction)


@public
def cosine_similarity(
    predictions: TensorLike, targets: TensorLike, axis: int = -1, *, reduction: str = "mean"
) -> Tensor:
    """The mean of minus the cosine of the angle between vectors along `axis`: -1 at best."""
    x, t = pair(predictions, targets)
    product = l2_normalize(x, axis, EPSILON**2) * l2_normalize(t, axis, EPSILON**2)
    return reduced(cast(Tensor, -product.sum(axis)), reduction)


# ------------------------------------------------------------------------------------------ hinges


def _signs(t: Tensor) -> Tensor:
    """Targets -1 and 1; if all of them are 0 or 1, these are meant."""
    is_binary = row("equal", t, 0) | row("equal", t, 1)
    return row("where", row("logical_not", is_binary).sum() > 0, t, 2 * t - 1)


@public
def hinge(predictions: TensorLike, targets: TensorLike, *, reduction: str = "mean") -> Tensor:
    """The mean of `max(1 - target * prediction, 0)`.

    Targets are -1 and 1; if all of them are 0 or 1, a 0 stands for -1.
    """
    x, t = pair(predictions, targets)
    return reduced(row("relu", 1 - _signs(t.astype(x.dtype)) * x), reduction)


@public
def squared_hinge(
    predictions: TensorLike, targets: TensorLike, *, reduction: str = "mean"
) -> Tensor:
    """The mean of `max(1 - target * prediction, 0)²`; targets as of `hinge`."""
    distance = hinge(predictions, targets, reduction="none")
    return reduced(cast(Tensor, distance * distance), reduction)


@public
def categorical_hinge(
    predictions: TensorLike, targets: TensorLike, *, reduction: str = "mean"
) -> Tensor:
    """The mean of `max(1 + largest wrong score - right score, 0)`.

    Args:
        predictions: `[..., classes]`.
        targets: `[..., classes]`, a one at the right class and zeros elsewhere.
        reduction: over the examples.
    """
    x, t = pair(predictions, targets)
    right = cast(Tensor, t * x).sum(-1)
    wrong = cast(Tensor, (1 - t) * x).max(-1)
    return reduced(row("relu", wrong - right + 1), reduction)
