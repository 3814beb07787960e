"""The error function's and the gamma function's families.

The expansions evaluate the polynomials of `irflow.special` without branches, so a backend with
`exp`, `log` and `sin` has these functions too.
"""

# ruff: noqa: ARG005 -- all gradient rules have one signature, needed or not

from __future__ import annotations

import math
from typing import Any

import numpy as np

from irflow import dtypes, special
from irflow.scalars.arithmetic import absolute, copysign, floor, minimum, rint
from irflow.scalars.comparison import equal, isinf, where
from irflow.scalars.elementary import exp, log, sin, sqrt, tan
from irflow.scalars.meaning import REAL, rounded
from irflow.scalars.row import Scalar, scalar
from irflow.special import tables
from irflow.special.blocks import polynomial
from irflow.special.error_function import erfinv_f32_recipe

ERF_SLOPE = 2 / math.sqrt(math.pi)
NORMAL_PEAK = 1 / math.sqrt(2 * math.pi)

# The asymptotic series of trigamma(z) - 1 / z in odd powers of 1 / z from the third on, highest
# first: Bernoulli numbers. With TRIGAMMA_SHIFT added to z the first term left out is below 1e-16.
TRIGAMMA_SERIES = (-691 / 2730, 5 / 66, -1 / 30, 1 / 42, -1 / 30, 1 / 6)
TRIGAMMA_SHIFT = 12

# ---------------------------------------------------------------------------------- error functions


def _erf_near(x: Any) -> Any:
    return x * polynomial(tables.ERF_CENTRAL, x * x)


def _erfc_positive(x: Any) -> Any:
    """For x >= 1/2. The square of `high` is exact, so exp(-x * x) loses nothing for large x."""
    x = minimum(x, tables.ERFC_LARGEST)
    high = floor(16 * x) / 16
    square = exp(-(high * high)) * exp(-((x - high) * (x + high)))
    t = (x - tables.ERFC_SCALE) / (x + tables.ERFC_SCALE)
    return square * (polynomial(tables.ERFC_SCALED, t) / (1 + 2 * x))


def _erf(x: Any) -> Any:
    size = absolute(x)
    return where(size <= 1, _erf_near(x), copysign(1 - _erfc_positive(size), x))


def _erfc(x: Any) -> Any:
    size = absolute(x)
    tail = _erfc_positive(size)
    return where(size < 0.5, 1 - _erf_near(x), where(x < 0, 2 - tail, tail))


def _normal_pdf(x: Any) -> Any:
    size = minimum(absolute(x), tables.NORMAL_LARGEST)
    high = floor(16 * size) / 16
    square = exp(-0.5 * (high * high)) * exp(-0.5 * ((size - high) * (size + high)))
    return NORMAL_PEAK * square


def _normal_cdf(x: Any) -> Any:
    """As erfc(-x / sqrt(2)) / 2, with a density in which that quotient is not rounded."""
    size = minimum(absolute(x), tables.NORMAL_LARGEST)
    scaled = size * math.sqrt(0.5)
    t = (scaled - tables.ERFC_SCALE) / (scaled + tables.ERFC_SCALE)
    ratio = polynomial(tables.ERFC_SCALED, t) / (1 + 2 * scaled)
    tail = _normal_pdf(x) * (ratio * (0.5 / NORMAL_PEAK))
    near = 0.5 + 0.5 * _erf_near(x * math.sqrt(0.5))
    return where(scaled < 0.5, near, where(x < 0, tail, 1 - tail))


def _erfinv(x: Any) -> Any:
    """For types up to f32 the recipe that all backends repeat alike; for f64 its long form."""
    if x.dtype.itemsize < dtypes.f64.itemsize:
        return erfinv_f32_recipe(x, log, sqrt, where)
    w = -log((1 - x) * (1 + x))
    root = sqrt(w)
    central = polynomial(tables.ERFINV_CENTRAL, w - tables.ERFINV_CENTRE)
    tail = polynomial(tables.ERFINV_TAIL, root - tables.ERFINV_TAIL_CENTRE)
    far = polynomial(tables.ERFINV_FAR_TAIL, root - tables.ERFINV_FAR_CENTRE)
    tail = where(root < tables.ERFINV_FAR, tail, far)
    factor = where(w <= tables.ERFINV_SPLIT, central, tail)
    return where(equal(absolute(x), 1), x * np.inf, x * factor)


erf: Scalar = scalar(
    "erf",
    rounded(special.erf, widen=False),
    grad=lambda g, x, out: g * (ERF_SLOPE * exp(-x * x)),
    expand=_erf,
    domain=REAL,
    flops=30,
)
erfc: Scalar = scalar(
    "erfc",
    rounded(special.erfc, widen=False),
    grad=lambda g, x, out: -g * (ERF_SLOPE * exp(-x * x)),
    expand=_erfc,
    domain=REAL,
    flops=60,
)
erfinv: Scalar = scalar(
    "erfinv",
    rounded(special.erfinv, widen=False),
    grad=lambda g, x, out: g * exp(out * out) / ERF_SLOPE,
    expand=_erfinv,
    domain=((-0.9, 0.9),),
    flops=60,
)

normal_cdf: Scalar = scalar(
    "normal_cdf",
    rounded(special.normal_cdf, widen=False),
    grad=lambda g, x, out: g * normal_pdf(x),
    expand=_normal_cdf,
    domain=REAL,
    flops=40,
)
normal_pdf: Scalar = scalar(
    "normal_pdf",
    rounded(special.normal_pdf, widen=False),
    grad=lambda g, x, out: -g * (x * out),
    expand=_normal_pdf,
    domain=REAL,
    flops=25,
)

# A product of x and `normal_cdf` would do. As one row a backend may take less care of the last bit
# of the distribution function, which a product rounds anyway, and share its parts in the slope.
gelu: Scalar = scalar(
    "gelu",
    rounded(lambda x: x * special.normal_cdf(x)),
    grad=lambda g, x, out: g * gelu_slope(x),
    expand=lambda x: x * normal_cdf(x),
    domain=REAL,
    flops=40,
)
gelu_slope: Scalar = scalar(
    "gelu_slope",
    rounded(lambda x: special.normal_cdf(x) + x * special.normal_pdf(x)),
    grad=lambda g, x, out: g * (normal_pdf(x) * (2 - x * x)),
    expand=lambda x: normal_cdf(x) + x * normal_pdf(x),
    domain=REAL,
    flops=60,
)

# ---------------------------------------------------------------------------------- gamma functions


def _lgamma_near(x: Any) -> Any:
    """For -1/2 <= x <= 15/2, as lgamma(2 + u) plus the logarithm of a product."""
    nearest = rint(x)
    u = x - nearest
    rising = where(nearest >= 3, x - 1, 1)
    for step in range(2, 7):
        rising = rising * where(nearest >= step + 2, x - step, 1)
    falling = where(nearest < 1, x * (x + 1), x)
    shift = where(nearest < 2, -log(absolute(falling)), log(rising))
    return u * polynomial(tables.LGAMMA_CENTRAL, u) + shift


def _lgamma_right(x: Any) -> Any:
    rest = polynomial(tables.LGAMMA_STIRLING, 1 / (x * x)) / x
    far = (x - 0.5) * (log(x) - 1) + (rest + (tables.HALF_LOG_TWO_PI - 0.5))
    return where(x > 7.5, where(isinf(x), x, far), _lgamma_near(minimum(x, 7.5)))


def _lgamma(x: Any) -> Any:
    right = _lgamma_right(where(x < -0.5, -x, x))
    fraction = x - rint(x)
    sine = absolute(sin(math.pi * fraction))
    left = log(math.pi / sine) - log(-x) - right
    left = where(equal(fraction, 0) | isinf(x), np.inf, left)
    return where(x < -0.5, left, right)


def _digamma_right(x: Any) -> Any:
    """For x >= -1/2: recurrence up to x >= 8, then the asymptotic series."""
    shift = where(x < 8, 1 / x, 0)
    x = where(x < 8, x + 1, x)
    for _ in range(8):
        shift = shift + where(x < 8, 1 / x, 0)
        x = where(x < 8, x + 1, x)
    square = 1 / (x * x)
    return log(x) - 0.5 / x - square * polynomial(tables.DIGAMMA_STIRLING, square) - shift


def _digamma(x: Any) -> Any:
    right = _digamma_right(where(x < -0.5, -x, x))
    fraction = x - rint(x)
    left = right - 1 / x - math.pi / tan(math.pi * fraction)
    left = where(equal(fraction, 0), np.nan, left)
    return where(x < -0.5, left, right)


def _trigamma(x: Any) -> Any:
    """The derivative of digamma, as plain arithmetic, so that it has derivatives itself."""
    is_left = x < 0.5
    z = where(is_left, 1 - x, x)
    total = 1 / (z * z)
    for step in range(1, TRIGAMMA_SHIFT):
        total = total + 1 / ((z + step) * (z + step))
    inverse = 1 / (z + TRIGAMMA_SHIFT)
    square = inverse * inverse
    total = total + inverse + square * (0.5 + inverse * polynomial(TRIGAMMA_SERIES, square))
    # trigamma(x) + trigamma(1 - x) = (pi / sin(pi x)) ** 2.
    sine = sin(math.pi * where(is_left, x, 0.5)) / math.pi
    return where(is_left, 1 / (sine * sine) - total, total)


lgamma: Scalar = scalar(
    "lgamma",
    rounded(special.lgamma, widen=False),
    grad=lambda g, x, out: g * digamma(x),
    expand=_lgamma,
    domain=((0.25, 6.0),),
    flops=100,
)
digamma: Scalar = scalar(
    "digamma",
    rounded(special.digamma, widen=False),
    grad=lambda g, x, out: g * _trigamma(x),
    expand=_digamma,
    domain=((0.25, 6.0),),
    flops=100,
)
