"""The error function, its complement and inverse, and the normal distribution."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from irflow.special.blocks import F64, Number, blockwise, polynomial
from irflow.special.tables import (
    ERF_CENTRAL,
    ERFC_LARGEST,
    ERFC_SCALE,
    ERFC_SCALED,
    ERFINV_CENTRAL,
    ERFINV_CENTRE,
    ERFINV_F32_CENTRAL,
    ERFINV_F32_CENTRE,
    ERFINV_F32_SPLIT,
    ERFINV_F32_TAIL,
    ERFINV_F32_TAIL_CENTRE,
    ERFINV_FAR,
    ERFINV_FAR_CENTRE,
    ERFINV_FAR_TAIL,
    ERFINV_SPLIT,
    ERFINV_TAIL,
    ERFINV_TAIL_CENTRE,
    NORMAL_LARGEST,
)


@blockwise
def erf(x: F64) -> F64:
    """The error function, 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x.

    Args:
        x: real numbers, `[...]`.

    Returns:
        Values in [-1, 1], `[...]`, within 2 ulp in f64. erf(+-inf) = +-1; erf(-0.0) = -0.0.

    Example:
        >>> round(float(erf(0.5)), 12)
        0.520499877813
    """
    magnitude = np.abs(x)
    result = x * polynomial(ERF_CENTRAL, x * x)
    tail = magnitude > 1.0
    if tail.any():
        result[tail] = np.copysign(1.0 - erfc_positive(magnitude[tail]), x[tail])
    return result


@blockwise
def erfc(x: F64) -> F64:
    """The complementary error function, 1 - erf(x), without cancellation for large x.

    Args:
        x: real numbers, `[...]`.

    Returns:
        Values in [0, 2], `[...]`, within 4 ulp in f64 down to the smallest denormal number (beyond
        x = 27.2 the result is zero). erfc(inf) = 0, erfc(-inf) = 2.

    Example:
        >>> f"{erfc(10.0):.12e}"
        '2.088487583763e-45'
    """
    magnitude = np.abs(x)
    positive = erfc_positive(magnitude)
    result = np.where(x < 0.0, 2.0 - positive, positive)
    central = magnitude < 0.5
    if central.any():
        at = x[central]
        result[central] = 1.0 - at * polynomial(ERF_CENTRAL, at * at)
    return result


def erfc_positive(x: F64) -> F64:
    """Evaluate erfc for x >= 1/2 as exp(-x^2) times a polynomial over 1 + 2 x."""
    x = np.minimum(x, ERFC_LARGEST)
    return cast(F64, np.exp(-x * x) * scaled_erfc(x, lost_by_squaring(x)))


def scaled_erfc(x: F64, lost: F64) -> F64:
    """Evaluate exp(x^2) erfc(x) (1 - lost) for x >= 1/2 and a tiny `lost`.

    It enters the sum where it costs no rounding of its own.
    """
    *upper, constant = ERFC_SCALED
    t = (x - ERFC_SCALE) / (x + ERFC_SCALE)
    rest = t * polynomial(upper, t)
    divisor = 1.0 + 2.0 * x
    lost = lost + (2.0 * x - (divisor - 1.0)) / divisor
    return (constant + (rest - (constant + rest) * lost)) / divisor


def lost_by_squaring(x: F64) -> F64:
    """Evaluate x^2 - fl(x^2) exactly from halves of 24 and 29 bits.

    It counts up to 784-fold in exp(-x^2).
    """
    high = x.astype(np.float32).astype(np.float64)
    return (high * high - x * x) + (x - high) * (x + high)


@blockwise
def normal_cdf(x: F64) -> F64:
    """The distribution function of the standard normal distribution.

    Args:
        x: real numbers, `[...]`.

    Returns:
        Values in [0, 1], `[...]`, within 4 ulp in f64 down to the smallest denormal number.

    Example:
        >>> f"{normal_cdf(-20.0):.12e}"
        '2.753624118606e-89'
    """
    magnitude = np.minimum(np.abs(x), NORMAL_LARGEST)
    scaled = magnitude * math.sqrt(0.5)
    ratio = scaled_erfc(scaled, 0.5 * lost_by_squaring(magnitude))
    tail = np.exp(-0.5 * (magnitude * magnitude)) * (0.5 * ratio)
    result = np.where(x < 0.0, tail, 1.0 - tail)
    central = scaled < 0.5
    if central.any():
        at = x[central] * math.sqrt(0.5)
        result[central] = 0.5 + 0.5 * at * polynomial(ERF_CENTRAL, at * at)
    return result


@blockwise
def normal_pdf(x: F64) -> F64:
    """The density of the standard normal distribution.

    Args:
        x: real numbers, `[...]`.

    Returns:
        exp(-x^2 / 2) / sqrt(2 pi), `[...]`, within 4 ulp in f64.

    Example:
        >>> round(float(normal_pdf(1.0)), 12)
        0.241970724519
    """
    x = np.minimum(np.abs(x), NORMAL_LARGEST)
    scale = 1.0 - 0.5 * lost_by_squaring(x)
    return cast(F64, np.exp(-0.5 * (x * x)) * (scale / math.sqrt(2.0 * math.pi)))


@blockwise
def erfinv(x: F64) -> F64:
    """The inverse of the error function.

    With w = -log((1 - x) (1 + x)), erfinv(x) / x is smooth in w near 0 and in sqrt(w) far out.

    Args:
        x: real numbers, `[...]`.

    Returns:
        y with erf(y) = x, `[...]`, within 4 ulp in f64, also where x is the number next to 1.
        erfinv(+-1) = +-inf; outside [-1, 1] the result is NaN.

    Example:
        >>> round(float(erfinv(0.5)), 12)
        0.476936276204
    """
    w = -np.log((1.0 - x) * (1.0 + x))
    factor = polynomial(ERFINV_CENTRAL, w - ERFINV_CENTRE)
    tail = w > ERFINV_SPLIT
    if tail.any():
        factor[tail] = erfinv_tail(np.sqrt(w[tail]))
    return np.where(np.abs(x) == 1.0, np.copysign(np.inf, x), x * factor)


def erfinv_tail(root: F64) -> F64:
    """Evaluate erfinv(x) / x as a function of sqrt(w), for w > ERFINV_SPLIT."""
    near = polynomial(ERFINV_TAIL, root - ERFINV_TAIL_CENTRE)
    far = polynomial(ERFINV_FAR_TAIL, root - ERFINV_FAR_CENTRE)
    return np.where(root < ERFINV_FAR, near, far)


def erfinv_f32_recipe(
    x: Number,
    log: Callable[[Any], Any] = np.log,
    sqrt: Callable[[Any], Any] = np.sqrt,
    where: Callable[[Any, Any, Any], Any] = np.where,
) -> Number:
    """Compute erfinv in f32 by elementary operations in a fixed order, for any backend to repeat.

    It uses only `+ - * <`, the three given functions, and Python floats that are exact f32 numbers,
    so `x` may be an f32 array or a symbolic value of type f32. All arithmetic is meant to be f32.

    Args:
        x: numbers in [-1, 1], `[...]`, f32.
        log: the natural logarithm.
        sqrt: the square root.
        where: `where(condition, a, b)`, elementwise choice; both choices are always evaluated.

    Returns:
        erfinv(x), `[...]`, with a relative error of at most 5e-7. +-1 gives +-inf; numbers outside
        [-1, 1] give NaN. Backends that fuse multiply and add, or whose `log` is off by an ulp, stay
        within 2 ulp of each other.

    Note:
        The choice that is not taken may be NaN; NumPy warns of it unless `np.errstate` is used.

    Example:
        >>> erfinv_f32_recipe(np.array([0.0, 0.5], np.float32)).round(5)
        array([0.     , 0.47694], dtype=float32)
    """
    w = -log((1.0 - x) * (1.0 + x))
    central = polynomial(ERFINV_F32_CENTRAL, w - ERFINV_F32_CENTRE)
    tail = polynomial(ERFINV_F32_TAIL, sqrt(w) - ERFINV_F32_TAIL_CENTRE)
    return cast(Number, x * where(w < ERFINV_F32_SPLIT, central, tail))
