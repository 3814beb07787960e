"""`exp`, `expm1` and `log` without branches or calls, so that they run on whole vectors.

They give the same bits on every machine and for every number of lanes. Series instead of fitted
polynomials: one or two terms more, and every coefficient is a reciprocal that anyone can check.

exp(x) = 2^n e^r with n the nearest integer to x / ln 2, so |r| <= ln(2) / 2 = 0.347. log(x) = k ln
2 + log(m) with x = 2^k m and m between sqrt(1/2) and sqrt(2); log(m) = 2 artanh(s) with s = (m - 1)
/ (m + 1), so |s| <= 0.172.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from irflow import dtypes
from irflow.dtypes import DType
from irflow.scalars import equal, maximum, minimum, where
from irflow_llvm.casts import cast
from irflow_llvm.code import Value


@dataclass(frozen=True, slots=True)
class Format:
    """A binary floating-point format, and how many terms of each series it needs.

    Attributes:
        bits: the integer type of its width.
        fraction: stored bits of the significand.
        bias: of the exponent.
        exp_terms: the first term left out is below half an ulp of 1.
        log_terms: likewise, of the series in s * s.
        exp_range: exp underflows to 0 below the first and overflows above the second.
    """

    bits: DType
    fraction: int
    bias: int
    exp_terms: int
    log_terms: int
    exp_range: tuple[float, float]

    @property
    def magic(self) -> float:
        """Adding it rounds to an integer, which then stands in the lowest bits."""
        return 1.5 * 2.0**self.fraction

    @property
    def ln2(self) -> tuple[float, float]:
        """The logarithm of 2 as a short number, whose product with n is exact, and the rest."""
        scale = 2.0 ** (self.fraction - 12)
        high = math.floor(math.log(2) * scale) / scale
        # The rest of ln 2 beyond f64, for the high part in f64.
        return high, (math.log(2) - high) + LN2_BEYOND


LN2_BEYOND = 2.3190468138462996e-17

FORMATS = {
    dtypes.f32: Format(dtypes.i32, 23, 127, 8, 5, (-105.0, 89.0)),
    dtypes.f64: Format(dtypes.i64, 52, 1023, 14, 11, (-747.0, 710.0)),
}


def exp(x: Value) -> Value | None:
    """The exponential function; within 1 ulp, gradual underflow included."""
    if x.dtype not in FORMATS:
        return None
    form = FORMATS[x.dtype]
    low, high = form.exp_range
    x = maximum(minimum(x, high), low)
    n, r = _reduce(x, form)
    series = _horner([1 / math.factorial(k) for k in range(form.exp_terms)], r)
    # In two steps, since 2^n may be no number of this format where e^x is one.
    half = n >> 1
    result: Value = series * _power_of_two(half, form) * _power_of_two(n - half, form)
    return result


def expm1(x: Value) -> Value | None:
    """The exponential function minus 1, also where that is small; within 2 ulp."""
    if x.dtype not in FORMATS:
        return None
    form = FORMATS[x.dtype]
    # Below, the result is -1; above, 2^n still is a number, and twice it overflows.
    near = maximum(minimum(x, form.exp_range[1]), -40.0)
    n, r = _reduce(near, form)
    series = r * _horner([1 / math.factorial(k + 1) for k in range(form.exp_terms)], r)
    scale = _power_of_two(n - 1, form)
    value = (scale * series + (scale - 0.5)) * 2
    result: Value = where(equal(x, 0), x, value)
    return result


def log(x: Value) -> Value | None:
    """The natural logarithm; within 2 ulp, denormal numbers included."""
    if x.dtype not in FORMATS:
        return None
    form = FORMATS[x.dtype]
    is_small = x < float(np.finfo(x.dtype.numpy.name).tiny)
    lift = form.fraction + 1
    k, m = _split(where(is_small, x * 2.0**lift, x), form)
    k = where(is_small, k - float(lift), k)
    s = (m - 1) / (m + 1)
    square = s * s
    rest = square * _horner([2 / (2 * j + 3) for j in range(form.log_terms)], square)
    f = m - 1
    half = 0.5 * f * f
    high, low = form.ln2
    # log(m) = f - f²/2 + s (f²/2 + rest): the largest term is exact, the others are small.
    value = k * high - ((half - (s * (half + rest) + k * low)) - f)
    value = where(equal(x, np.inf), x, value)
    value = where(equal(x, 0), -np.inf, value)
    result: Value = where(x >= 0, value, np.nan)
    return result


def _reduce(x: Value, form: Format) -> tuple[Value, Value]:
    """The integer n, and r = x - n ln 2."""
    high, low = form.ln2
    shifted = x * (1 / math.log(2)) + form.magic
    count = shifted - form.magic
    bits = x.code.change("bitcast", shifted, form.bits)
    magic = int(np.asarray(form.magic, x.dtype.numpy).view(form.bits.numpy))
    return bits - magic, (x - count * high) - count * low


def _power_of_two(n: Value, form: Format) -> Value:
    dtype = dtypes.f32 if form.bits is dtypes.i32 else dtypes.f64
    return n.code.change("bitcast", (n + form.bias) << form.fraction, dtype)


def _split(x: Value, form: Format) -> tuple[Value, Value]:
    """The numbers k, as a float, and m, where x = 2^k m and m is between sqrt(1/2) and sqrt(2)."""
    code = x.code
    bits = code.change("bitcast", x, form.bits)
    root = int(np.asarray(math.sqrt(0.5), x.dtype.numpy).view(form.bits.numpy))
    k = (bits - root) >> form.fraction
    m = code.change("bitcast", bits - (k << form.fraction), x.dtype)
    return cast(k, x.dtype), m


def _horner(coefficients: Sequence[float], x: Any) -> Any:
    """The polynomial with these coefficients, lowest degree first."""
    total = coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        total = total * x + coefficient
    return total
