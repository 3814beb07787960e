"""The activation functions whose arguments or defaults are not those of `irflow.nn`."""

from __future__ import annotations

from typing import cast

from irflow import nn
from irflow.frontend.tensor import Tensor, TensorLike, inexact
from irflow.nn.activations import row


def relu(
    x: TensorLike,
    negative_slope: float = 0.0,
    max_value: float | None = None,
    threshold: float = 0.0,
) -> Tensor:
    """`max(x, 0)`, with three additions.

    Args:
        x: `[...]`.
        negative_slope: below the threshold the result is `negative_slope * (x - threshold)`.
        max_value: the largest result; none by default.
        threshold: where `x` begins to pass.
    """
    if negative_slope == 0 and threshold == 0:
        above = nn.relu(x)
        return above if max_value is None else row("minimum", above, max_value)
    t = inexact(x)
    above = row("where", t > threshold, t, 0.0)
    if max_value is not None:
        above = row("minimum", above, max_value)
    below = row("minimum", t - threshold, 0.0)
    return above if negative_slope == 0 else cast(Tensor, above + negative_slope * below)


def leaky_relu(x: TensorLike, negative_slope: float = 0.2) -> Tensor:
    """`x` where positive, `negative_slope * x` elsewhere."""
    return nn.leaky_relu(x, negative_slope)


def threshold(x: TensorLike, threshold: float, default_value: float) -> Tensor:
    """`x` where it is above `threshold`, elsewhere `default_value`."""
    return nn.threshold(x, threshold, default_value)
