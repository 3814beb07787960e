"""The logistic function and its integral."""

from __future__ import annotations

from typing import cast

import numpy as np

from irflow.special.blocks import F64, blockwise


@blockwise
def sigmoid(x: F64) -> F64:
    """The logistic function, 1 / (1 + exp(-x)).

    Args:
        x: real numbers, `[...]`.

    Returns:
        Values in [0, 1], `[...]`, within 3 ulp in f64, for very negative x too, where the value is
        exp(x). sigmoid(-inf) = 0, sigmoid(inf) = 1.

    Example:
        >>> f"{sigmoid(-100.0):.12e}"
        '3.720075976021e-44'
    """
    small = np.exp(-np.abs(x))
    return np.where(x < 0.0, small, 1.0) / (1.0 + small)


@blockwise
def softplus(x: F64) -> F64:
    """log(1 + exp(x)), a smooth form of max(x, 0).

    Args:
        x: real numbers, `[...]`.

    Returns:
        Positive values, `[...]`, within 3 ulp in f64, for very negative x too, where the value is
        exp(x). softplus(-inf) = 0, softplus(inf) = inf.

    Example:
        >>> round(float(softplus(0.0)), 12)
        0.69314718056
    """
    return cast(F64, np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x))))
