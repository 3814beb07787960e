"""Powers, logarithms, trigonometric and hyperbolic functions.

The expansions hold for real numbers; they are written so that no step overflows, cancels or divides
zero by zero where the result does not. Complex numbers are supported by the rows that accept
`"inexact"`, and only as primitives: `decompose` leaves them alone.
"""

# ruff: noqa: ARG005 -- all gradient rules have one signature, needed or not

from __future__ import annotations

import math
from typing import Any

import numpy as np

from irflow.scalars.arithmetic import absolute, copysign, maximum, minimum, square
from irflow.scalars.comparison import equal, signbit, where
from irflow.scalars.meaning import POSITIVE, REAL, rounded
from irflow.scalars.row import Scalar, scalar

LN2, LN10 = math.log(2.0), math.log(10.0)
UNIT = ((-0.9, 0.9),)

# Above this, x * x + 1 is x * x in f64, and x * x is still far from overflow in f32.
LARGE = 1e9

# -------------------------------------------------------------------------- powers and exponentials


def _power_by_base(g: Any, x: Any, y: Any) -> Any:
    # x ** (y - 1) is infinite at x = 0 for y = 0, where the derivative is 0.
    exponent = where(equal(y, 0), 1, y - 1)
    return where(equal(y, 0), 0, g * y * power(x, exponent))


def _power_by_exponent(g: Any, x: Any, out: Any) -> Any:
    return where(x <= 0, 0, g * out * log(where(x <= 0, 1, x)))


def _expm1(x: Any) -> Any:
    # The rounding error of u = exp(x) cancels in (u - 1) / log(u).
    u = exp(x)
    value = where(equal(u, 1), x, (u - 1) * x / log(u))
    return where(absolute(x) < 1, value, u - 1)


def _log1p(x: Any) -> Any:
    # The rounding error of u = 1 + x cancels in log(u) / (u - 1).
    u = 1 + x
    value = log(u) * x / (u - 1)
    return where(equal(u, 1), x, where(u > LARGE, log(u), value))


def _cbrt(x: Any) -> Any:
    """One Newton step repairs the rounding of 1/3."""
    size = absolute(x)
    root = power(size, 1 / 3)
    root = root - (root - size / (root * root)) / 3
    return where((size > 0) & (size < np.inf), copysign(root, x), x)


def _hypot(x: Any, y: Any) -> Any:
    a, b = absolute(x), absolute(y)
    large, small = maximum(a, b), minimum(a, b)
    ratio = small / where(equal(large, 0), 1, large)
    length = large * sqrt(1 + ratio * ratio)
    return where(equal(a, np.inf) | equal(b, np.inf), np.inf, length)


def _logaddexp(x: Any, y: Any) -> Any:
    # The first choice is for infinities, whose difference is NaN.
    distance = where(equal(x, y), 0, absolute(x - y))
    return maximum(x, y) + log1p(exp(-distance))


def _logaddexp_share(g: Any, x: Any, out: Any) -> Any:
    return g * exp(where(equal(x, out), 0, x - out))


def _numpy_power(x: Any, y: Any) -> Any:
    """NumPy's, but total for integers: they wrap around, and an exponent's bits are unsigned."""
    dtype = np.result_type(x, y)
    if dtype.kind != "i":
        return np.power(x, y)
    bits = np.dtype(f"u{dtype.itemsize}")
    base, exponent = (np.asarray(z, dtype).view(bits) for z in (x, y))
    return np.power(base, exponent).view(dtype)


power: Scalar = scalar(
    "power",
    rounded(_numpy_power),
    "number",
    grad=(
        lambda g, x, y, out: _power_by_base(g, x, y),
        lambda g, x, y, out: _power_by_exponent(g, x, out),
    ),
    domain=POSITIVE + REAL,
    flops=40,
)
exp: Scalar = scalar(
    "exp", np.exp, "inexact", grad=lambda g, x, out: g * out, domain=REAL, flops=10
)
exp2: Scalar = scalar(
    "exp2",
    np.exp2,
    "inexact",
    grad=lambda g, x, out: g * out * LN2,
    expand=lambda x: power(2, x),
    domain=REAL,
    flops=10,
)
expm1: Scalar = scalar(
    "expm1",
    np.expm1,
    "inexact",
    grad=lambda g, x, out: g * (out + 1),
    expand=_expm1,
    domain=REAL,
    flops=15,
)
log: Scalar = scalar(
    "log", np.log, "inexact", grad=lambda g, x, out: g / x, domain=POSITIVE, flops=10
)
log2: Scalar = scalar(
    "log2",
    np.log2,
    "inexact",
    grad=lambda g, x, out: g / (x * LN2),
    expand=lambda x: log(x) / LN2,
    domain=POSITIVE,
    flops=12,
)
log10: Scalar = scalar(
    "log10",
    np.log10,
    "inexact",
    grad=lambda g, x, out: g / (x * LN10),
    expand=lambda x: log(x) / LN10,
    domain=POSITIVE,
    flops=12,
)
log1p: Scalar = scalar(
    "log1p",
    np.log1p,
    "inexact",
    grad=lambda g, x, out: g / (1 + x),
    expand=_log1p,
    domain=((-0.75, 3.0),),
    flops=15,
)
logaddexp: Scalar = scalar(
    "logaddexp",
    rounded(np.logaddexp),
    grad=(
        lambda g, x, y, out: _logaddexp_share(g, x, out),
        lambda g, x, y, out: _logaddexp_share(g, y, out),
    ),
    expand=_logaddexp,
    identity=lambda dtype: -np.inf,
    commutative=True,
    associative=True,
    domain=REAL * 2,
    flops=25,
)
sqrt: Scalar = scalar(
    "sqrt", np.sqrt, "inexact", grad=lambda g, x, out: 0.5 * g / out, domain=POSITIVE, flops=4
)
rsqrt: Scalar = scalar(
    "rsqrt",
    rounded(lambda x: 1 / np.sqrt(x)),
    grad=lambda g, x, out: -0.5 * g * out / x,
    expand=lambda x: 1 / sqrt(x),
    domain=POSITIVE,
    flops=8,
)
cbrt: Scalar = scalar(
    "cbrt",
    rounded(np.cbrt),
    grad=lambda g, x, out: g / (3 * out * out),
    expand=_cbrt,
    domain=POSITIVE,
    flops=20,
)
hypot: Scalar = scalar(
    "hypot",
    rounded(np.hypot),
    grad=(lambda g, x, y, out: g * (x / out), lambda g, x, y, out: g * (y / out)),
    expand=_hypot,
    identity=lambda dtype: 0,
    commutative=True,
    domain=REAL + POSITIVE,
    flops=10,
)

# ------------------------------------------------------------------------------------ trigonometric


def _arctan2(y: Any, x: Any) -> Any:
    """The angle in the first half quadrant, then reflected to where the point is."""
    a, b = absolute(x), absolute(y)
    large, small = maximum(a, b), minimum(a, b)
    ratio = small / where(equal(large, 0), 1, large)
    angle = arctan(where(equal(small, np.inf), 1, ratio))
    angle = where(b > a, math.pi / 2 - angle, angle)
    angle = where(signbit(x), math.pi - angle, angle)
    return copysign(angle, y)


sin: Scalar = scalar(
    "sin", np.sin, "inexact", grad=lambda g, x, out: g * cos(x), domain=REAL, flops=15
)
cos: Scalar = scalar(
    "cos", np.cos, "inexact", grad=lambda g, x, out: -g * sin(x), domain=REAL, flops=15
)
tan: Scalar = scalar(
    "tan",
    np.tan,
    "inexact",
    grad=lambda g, x, out: g * (1 + out * out),
    expand=lambda x: sin(x) / cos(x),
    domain=((-1.2, 1.2),),
    flops=20,
)
arcsin: Scalar = scalar(
    "arcsin",
    np.arcsin,
    "inexact",
    grad=lambda g, x, out: g / sqrt((1 - x) * (1 + x)),
    expand=lambda x: arctan(x / sqrt((1 - x) * (1 + x))),
    domain=UNIT,
    flops=20,
)
arccos: Scalar = scalar(
    "arccos",
    np.arccos,
    "inexact",
    grad=lambda g, x, out: -g / sqrt((1 - x) * (1 + x)),
    expand=lambda x: 2 * arctan(sqrt((1 - x) / (1 + x))),
    domain=UNIT,
    flops=20,
)
arctan: Scalar = scalar(
    "arctan", np.arctan, "inexact", grad=lambda g, x, out: g / (1 + x * x), domain=REAL, flops=15
)
arctan2: Scalar = scalar(
    "arctan2",
    rounded(np.arctan2),
    grad=(
        lambda g, y, x, out: g * (x / (x * x + y * y)),
        lambda g, y, x, out: -g * (y / (x * x + y * y)),
    ),
    expand=_arctan2,
    domain=REAL + POSITIVE,
    flops=25,
)

# --------------------------------------------------------------------------------------- hyperbolic


def _sinh(x: Any) -> Any:
    size = absolute(x)
    t = expm1(size)
    # exp(x) overflows sooner than sinh(x).
    half = exp(0.5 * size)
    return copysign(where(size < 20, 0.5 * (t + t / (t + 1)), (0.5 * half) * half), x)


def _cosh(x: Any) -> Any:
    half = exp(0.5 * absolute(x))
    whole = half * half
    return where(whole < LARGE, 0.5 * (whole + 1 / whole), (0.5 * half) * half)


def _tanh(x: Any) -> Any:
    t = expm1(2 * minimum(absolute(x), 20))
    return copysign(t / (t + 2), x)


def _arcsinh(x: Any) -> Any:
    size = absolute(x)
    near = minimum(size, LARGE)
    value = log1p(near + near * near / (1 + sqrt(1 + near * near)))
    return copysign(where(size < LARGE, value, log(size) + LN2), x)


def _arccosh(x: Any) -> Any:
    above = minimum(x, LARGE) - 1
    value = log1p(above + sqrt(above) * sqrt(above + 2))
    return where(x < LARGE, value, log(x) + LN2)


def _arctanh(x: Any) -> Any:
    size = absolute(x)
    return copysign(0.5 * log1p(2 * size / (1 - size)), x)


sinh: Scalar = scalar(
    "sinh",
    np.sinh,
    "inexact",
    grad=lambda g, x, out: g * cosh(x),
    expand=_sinh,
    domain=REAL,
    flops=20,
)
cosh: Scalar = scalar(
    "cosh",
    np.cosh,
    "inexact",
    grad=lambda g, x, out: g * sinh(x),
    expand=_cosh,
    domain=REAL,
    flops=20,
)
tanh: Scalar = scalar(
    "tanh",
    np.tanh,
    "inexact",
    grad=lambda g, x, out: g * (1 - square(out)),
    expand=_tanh,
    domain=REAL,
    flops=15,
)
arcsinh: Scalar = scalar(
    "arcsinh",
    np.arcsinh,
    "inexact",
    grad=lambda g, x, out: g / hypot(x, 1),
    expand=_arcsinh,
    domain=REAL,
    flops=25,
)
arccosh: Scalar = scalar(
    "arccosh",
    np.arccosh,
    "inexact",
    grad=lambda g, x, out: g / sqrt((x - 1) * (x + 1)),
    expand=_arccosh,
    domain=((1.25, 4.0),),
    flops=25,
)
arctanh: Scalar = scalar(
    "arctanh",
    np.arctanh,
    "inexact",
    grad=lambda g, x, out: g / ((1 - x) * (1 + x)),
    expand=_arctanh,
    domain=UNIT,
    flops=25,
)
