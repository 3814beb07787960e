"""The logarithm of the gamma function, and its derivative."""

from __future__ import annotations

import numpy as np

from irflow.special.blocks import F64, blockwise, polynomial
from irflow.special.tables import (
    DIGAMMA_STIRLING,
    HALF_LOG_TWO_PI,
    LGAMMA_CENTRAL,
    LGAMMA_STIRLING,
)


@blockwise
def lgamma(x: F64) -> F64:
    """The logarithm of the absolute value of the gamma function.

    Args:
        x: real numbers, `[...]`.

    Returns:
        log |gamma(x)|, `[...]`, with a relative error below 1e-13 (absolute where x < 0 is near a
        zero). +inf at 0, at negative integers and at +-inf.

    Example:
        >>> round(float(lgamma(5.0)), 12)
        3.178053830348
    """
    reflected = x < -0.5
    result = lgamma_right(np.where(reflected, -x, x))
    if reflected.any():
        at = x[reflected]
        nearest = np.rint(at)
        # gamma(x) gamma(-x) = -pi / (x sin(pi x)); -inf counts as an integer, hence as a pole.
        sine = np.abs(np.sin(np.pi * (at - nearest)))
        value = np.log(np.pi / sine) - np.log(-at) - result[reflected]
        result[reflected] = np.where(at == nearest, np.inf, value)
    return result


def lgamma_right(x: F64) -> F64:
    """Evaluate lgamma for x >= -1/2: recurrence to the interval around 2, or Stirling's formula."""
    result = lgamma_near(np.minimum(x, 7.5))
    large = x > 7.5
    if large.any():
        at = x[large]
        rest = polynomial(LGAMMA_STIRLING, 1.0 / (at * at)) / at
        # (x - 1/2) (log x - 1) overflows only where the result does.
        result[large] = (at - 0.5) * (np.log(at) - 1.0) + (rest + (HALF_LOG_TWO_PI - 0.5))
    return result


def lgamma_near(x: F64) -> F64:
    """Evaluate lgamma for -1/2 <= x <= 15/2 as lgamma(2 + u) plus the logarithm of a product."""
    nearest = np.rint(x)
    u = x - nearest
    rising = np.ones_like(x)
    for step in range(1, 7):
        rising *= np.where(nearest >= step + 2, x - step, 1.0)
    falling = np.where(nearest < 1.0, x * (x + 1.0), x)
    shift = np.where(nearest < 2.0, -np.log(np.abs(falling)), np.log(rising))
    return u * polynomial(LGAMMA_CENTRAL, u) + shift


@blockwise
def digamma(x: F64) -> F64:
    """The logarithmic derivative of the gamma function.

    Args:
        x: real numbers, `[...]`.

    Returns:
        gamma'(x) / gamma(x), `[...]`, with a relative error below 1e-13, absolute near its zeros.
        -inf at 0.0, +inf at -0.0 (the one-sided limits); NaN at negative integers and at -inf.

    Example:
        >>> round(float(digamma(1.0)), 12)
        -0.577215664902
    """
    reflected = x < -0.5
    result = digamma_right(np.where(reflected, -x, x))
    if reflected.any():
        at = x[reflected]
        fraction = at - np.rint(at)
        # digamma(x) = digamma(-x) - 1 / x - pi cot(pi x)
        value = result[reflected] - 1.0 / at - np.pi / np.tan(np.pi * fraction)
        result[reflected] = np.where(fraction == 0.0, np.nan, value)
    return result


def digamma_right(x: F64) -> F64:
    """Evaluate digamma for x >= -1/2: recurrence up to x >= 8, then the asymptotic series."""
    shift = np.zeros_like(x)
    small = x < 8.0
    if small.any():
        moving = x[small]
        total = np.zeros_like(moving)
        for _ in range(9):
            below = moving < 8.0
            total -= np.where(below, 1.0 / moving, 0.0)
            moving += below
        shift[small] = total
        x[small] = moving
    square = 1.0 / (x * x)
    return np.log(x) - 0.5 / x - square * polynomial(DIGAMMA_STIRLING, square) + shift
