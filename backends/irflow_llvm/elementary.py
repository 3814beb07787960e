"""`exp`, `exp2`, `expm1` and `tanh` without branches or calls, so that they run on whole vectors.

The lanes of a vector get the bits that a scalar gets; machines with and without `fma` may differ in
the last one.

exp(x) = 2^n e^r with n the nearest integer to x / ln 2, so |r| <= ln(2) / 2 = 0.347.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from irflow import dtypes
from irflow.dtypes import DType
from irflow.scalars import equal, where
from irflow_llvm.code import Value, fma


@dataclass(frozen=True, slots=True)
class Format:
    """A binary floating-point format, and what the functions need to know of it.

    Attributes:
        bits: the integer type of its width.
        fraction: stored bits of the significand.
        bias: of the exponent.
        exp_terms: of (e^r - 1 - r) / r^2, lowest degree first.
        exp_range: exp underflows to 0 below the first and overflows above the second.
    """

    bits: DType
    fraction: int
    bias: int
    exp_terms: tuple[float, ...]
    exp_range: tuple[float, float]

    @property
    def magic(self) -> float:
        """Adding it rounds to an integer, which then stands in the lowest bits."""
        return 1.5 * 2.0**self.fraction

    @property
    def ln2(self) -> tuple[float, float]:
        """The logarithm of 2 as two numbers; see `short`."""
        return self.short(math.log(2), LN2_BEYOND)

    def short(self, number: float, beyond: float) -> tuple[float, float]:
        """A number as one whose product with an exponent is exact, and the rest.

        `beyond` is what the number lacks as an f64.
        """
        scale = 2.0 ** (self.fraction - 12)
        high = math.floor(number * scale) / scale
        return high, (number - high) + beyond


LN2_BEYOND = 2.3190468138462996e-17

# Remez's algorithm for the relative error of e^r on |r| <= ln(2) / 2, with the terms 1 and r given;
# the largest error is 3.1e-9 and 3.7e-18.
# fmt: off
EXP_F32 = (
    0.4999999345492552, 0.16666520681980482, 0.04166838644920109, 0.008368710691575031,
    0.001381466871722232)
EXP_F64 = (
    0.5000000000000011, 0.16666666666666413, 0.041666666666530267, 0.008333333333494267,
    0.0013888888943598306, 0.00019841269506931043, 2.4801493135417177e-05, 2.755758612640897e-06,
    2.7630234255458114e-07, 2.500011779384187e-08)
# fmt: on

FORMATS = {
    dtypes.f32: Format(dtypes.i32, 23, 127, EXP_F32, (-105.0, 89.0)),
    dtypes.f64: Format(dtypes.i64, 52, 1023, EXP_F64, (-747.0, 710.0)),
}


def exp(x: Value) -> Value | None:
    """The exponential function; within 1 ulp, gradual underflow included."""
    if x.dtype not in FORMATS:
        return None
    form = FORMATS[x.dtype]
    r, bits = _reduce(between(x, *form.exp_range), form, 2 * form.bias)
    return _scaled(polynomial([1.0, 1.0, *form.exp_terms], r), bits, form)


def exp2(x: Value) -> Value | None:
    """2 to the power of x, exact for integers; within 1 ulp, gradual underflow included."""
    if x.dtype not in FORMATS:
        return None
    form = FORMATS[x.dtype]
    low, high = form.exp_range
    magic = form.magic + 2 * form.bias
    x = between(x, math.floor(low / math.log(2)), math.ceil(high / math.log(2)))
    shifted = x + magic
    r = (x - (shifted - magic)) * math.log(2)
    bits = x.code.change("bitcast", shifted, form.bits)
    return _scaled(polynomial([1.0, 1.0, *form.exp_terms], r), bits, form)


def _scaled(series: Value, bits: Value, form: Format) -> Value:
    """`series` times 2^n, where `bits` end in n and twice the bias."""
    # In two steps, since 2^n may be no number of this format where the product is one.
    half = (bits >> 1) << form.fraction
    rest = (bits << form.fraction) - half
    result: Value = series * as_float(half) * as_float(rest)
    return result


def expm1(x: Value) -> Value | None:
    """The exponential function minus 1, also where that is small; within 2 ulp."""
    if x.dtype not in FORMATS:
        return None
    form = FORMATS[x.dtype]
    # Below, the result is -1; above, 2^n still is a number, and twice it overflows.
    near = between(x, -40.0, form.exp_range[1])
    r, bits = _reduce(near, form, form.bias - 1)
    series = fma(r * r, polynomial(form.exp_terms, r), r)
    scale = as_float(bits << form.fraction)
    value = fma(scale, series, scale - 0.5) * 2
    result: Value = where(equal(x, 0), x, value)
    return result


def between(x: Value, low: float, high: float) -> Value:
    """`x` moved into an interval; NaN stays. One instruction a bound, unlike the rows."""
    code = x.code
    for bound, predicate in ((high, "fcmp olt"), (low, "fcmp ogt")):
        limit = code.literal(bound, x.dtype, x.lanes)
        x = code.select(code.compare(predicate, limit, x), limit, x)
    return x


def as_float(bits: Value) -> Value:
    """The float of its width with these bits."""
    return bits.code.change("bitcast", bits, dtypes.f32 if bits.dtype.bits == 32 else dtypes.f64)


def polynomial(coefficients: Sequence[float], x: Value) -> Value:
    """The polynomial with these coefficients, lowest degree first, by Horner's rule."""
    last, *others = reversed(coefficients)
    total: Value | float = last
    for coefficient in others:
        total = fma(total, x, coefficient)
    assert isinstance(total, Value)
    return total


def _reduce(x: Value, form: Format, offset: int) -> tuple[Value, Value]:
    """The rest r = x - n ln 2, and bits of which the low half is n + `offset`."""
    high, low = form.ln2
    magic = form.magic + offset
    shifted = fma(x, 1 / math.log(2), magic)
    n = shifted - magic
    bits = x.code.change("bitcast", shifted, form.bits)
    return fma(n, -low, fma(n, -high, x)), bits
