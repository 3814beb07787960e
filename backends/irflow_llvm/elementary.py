"""`exp`, `exp2` and `expm1` without branches or calls, so that they run on whole vectors.

The lanes of a vector get the bits that a scalar gets; machines with and without `fma` may differ in
the last one.

exp(x) = 2^n e^r with n the nearest integer to x / ln 2, so |r| <= ln(2) / 2 = 0.347.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from irflow import dtypes
from irflow.dtypes import DType
from irflow.records import dataclass
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

# For |r| <= ln(2) / 2, with the terms 1 and r given; EXP of tests/tools/fit_elementary.py. The
# largest relative error of e^r is 4.3e-9 and 1.2e-17.
# fmt: off
EXP_F32 = (
    0.5, 0.16666488349437714, 0.04166555404663086, 0.008372285403311253, 0.0014035168569535017)
EXP_F64 = (
    0.5000000000000011, 0.1666666666666641, 0.04166666666653049, 0.008333333333495731,
    0.001388888894355052, 0.00019841269503909778, 2.4801493177403604e-05, 2.7557588738226813e-06,
    2.7630221131623465e-07, 2.4999308696091838e-08)
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
    r, bits = reduced(between(x, *form.exp_range), form, 2 * form.bias)
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
    if SCALING in series.code.features and series.type in SCALINGS:
        return _machine_scaled(series, as_float(bits) - (form.magic + 2 * form.bias))
    # In two steps, since 2^n may be no number of this format where the product is one.
    half = (bits >> 1) << form.fraction
    rest = (bits << form.fraction) - half
    result: Value = series * as_float(half) * as_float(rest)
    return result


SCALING = "avx512f"
SCALINGS = {"<16 x float>": ("ps.512", "i16"), "<8 x double>": ("pd.512", "i8")}
"""Vectors that processors with this feature multiply with powers of 2, also where 2^n is none."""


def _machine_scaled(series: Value, n: Value) -> Value:
    """The same by one instruction, which rounds as the last of the two products does."""
    code, kind = series.code, series.type
    name, mask = SCALINGS[kind]
    name = f"llvm.x86.avx512.mask.scalef.{name}"
    declared = f"declare {kind} @{name}({kind}, {kind}, {kind}, {mask}, i32)"
    code.symbols.setdefault(name, declared)
    rest = f"{kind} zeroinitializer, {mask} -1, i32 {CURRENT_ROUNDING}"
    return code.put(
        f"call {kind} @{name}({series.typed}, {n.typed}, {rest})", series.dtype, series.lanes
    )


CURRENT_ROUNDING = 4
"""Of an instruction that can be told another one."""


def expm1(x: Value) -> Value | None:
    """The exponential function minus 1, also where that is small; within 2 ulp."""
    if x.dtype not in FORMATS:
        return None
    form = FORMATS[x.dtype]
    # Below, the result is -1; above, 2^n still is a number, and twice it overflows.
    near = between(x, -40.0, form.exp_range[1])
    r, bits = reduced(near, form, form.bias - 1)
    series = fma(r * r, polynomial(form.exp_terms, r), r)
    scale = as_float(bits << form.fraction)
    value = fma(scale, series, scale - 0.5) * 2
    result: Value = where(equal(x, 0), x, value)
    return result


def between(x: Value, low: float, high: float) -> Value:
    """`x` moved into an interval; NaN stays."""
    return at_least(at_most(x, high), low)


def at_most(x: Value, high: float) -> Value:
    """The smaller of `x` and a number; NaN stays. One instruction, unlike the row's three."""
    return _bounded(x, high, "fcmp olt")


def at_least(x: Value, low: float) -> Value:
    """The larger of `x` and a number; NaN stays."""
    return _bounded(x, low, "fcmp ogt")


def _bounded(x: Value, bound: float, predicate: str) -> Value:
    limit = x.code.literal(bound, x.dtype, x.lanes)
    return x.code.select(x.code.compare(predicate, limit, x), limit, x)


def divided(upper: Value, lower: Value, lost: Value, beyond: Value | float = 0.0) -> Value:
    """(upper + beyond) / (lower + lost), where the second parts are small beside the first.

    It is rounded little more than once on machines with `fma`. All operands are finite.
    """
    inverse = 1 / lower
    quotient = upper * inverse
    rest = fma(-quotient, lost, fma(-quotient, lower, upper))
    if isinstance(beyond, Value):
        rest = rest + beyond
    return fma(rest, inverse, quotient)


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


def reduced(x: Value, form: Format, offset: int) -> tuple[Value, Value]:
    """The rest r = x - n ln 2, and bits of which the low half is n + `offset`."""
    high, low = form.ln2
    magic = form.magic + offset
    shifted = fma(x, 1 / math.log(2), magic)
    n = shifted - magic
    bits = x.code.change("bitcast", shifted, form.bits)
    return fma(n, -low, fma(n, -high, x)), bits
