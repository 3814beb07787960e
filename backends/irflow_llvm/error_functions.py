"""The error functions and the normal distribution, with one exponential and one division.

For a >= 0 the upper tail of the normal distribution is exp(-a² / 2) R(a), where R falls smoothly
from 1/2 to 1 / (sqrt(2 pi) a), so R(a) = U(a) / (1 + a (sqrt(2 pi) U(a) + L(a))) with polynomials U
and L. Their coefficients are positive: no digits cancel, and the tail is relatively accurate down
to the smallest number of the type. `gelu`, whose product rounds once more, and `erf` take this as
it is. `normal_cdf` and `erfc` correct what rounding does to the quotient and the exponent; their R
is c V(x) / (1 + x (V(x) + M(x))) with polynomials V and M, so that the errors of the sum are known.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from irflow import dtypes
from irflow.records import dataclass
from irflow.scalars import where
from irflow.special.tables import ERF_CENTRAL
from irflow_llvm.code import Value, fma
from irflow_llvm.elementary import FORMATS, Format, as_float, at_most, polynomial

SQRT_TAU = math.sqrt(2 * math.pi)


class Ratio(NamedTuple):
    """c, V and M, so that exp(w x²) times the tail of exp(-w x²) is c V / (1 + x (V + M))."""

    factor: float
    upper: tuple[float, ...]
    lower: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Tables:
    """What the error functions need to know of a floating-point format.

    Attributes:
        upper, lower: U and L on [0, `largest`], lowest degrees first.
        ratios: V and M by the weight of the square, and the factor that they were fitted with.
        central: erf(x) / x as a polynomial in x² on [0, 1].
        largest: beyond it the tail is 0.
        shift: exp(-a² / 2) is computed 2^`shift` times too large, so that it is a normal number.
        number: the type of NumPy's.
    """

    upper: tuple[float, ...]
    lower: tuple[float, ...]
    ratios: dict[float, Ratio]
    central: tuple[float, ...]
    largest: float
    shift: int
    number: type[np.floating]


# U and L by least squares of the relative error of R, reweighted until the error oscillates evenly
# (Lawson, 1961), for f32 with each coefficient rounded before the next was fitted; that error is
# 1.8e-8 and 4e-18. In f32 c, V and M are RATIO of tests/tools/fit_elementary.py, with errors of
# 1.6e-8 for erfc and 1.8e-8; in f64 they are U and L for another argument. The central polynomials
# are interpolants; their error is 1.3e-9 and 1e-17.
# fmt: off
F32 = Tables(
    upper=(0.5, 0.4565602242946625, 0.19692344963550568, 0.04528827592730522,
           0.004816787783056498),
    lower=(0.45769160985946655, 0.11459575593471527, 0.012018042616546154,
           1.2302635923333582e-06),
    ratios={
        1.0: Ratio(
            0.564189612865448,
            (1.772453784942627, 2.29050874710083, 1.3981643915176392, 0.45516258478164673,
             0.06858114898204803),
            (0.6482080817222595, 0.22972340881824493, 0.03413275256752968, 5.006030733056832e-06),
        ),
        0.5: Ratio(
            0.3989422804014327,
            (1.2533141374588013, 1.143675446510315, 0.4930095672607422, 0.11330355703830719,
             0.012037927284836769),
            (0.4570921063423157, 0.1143869012594223, 0.01198149099946022, 1.2467363603718695e-06),
        ),
    },
    central=(1.1283791657295594, -0.376126258374651, 0.11283585248605635, -0.02685381458207252,
             0.005188330482592488, -0.0008010202699272506, 7.853849828429409e-05),
    largest=14.5,
    shift=64,
    number=np.float32,
)
UPPER_F64 = (0.5, 0.846990823975297, 0.7096504656912264, 0.3807272047397149, 0.14361014659813962,
             0.039636149410163114, 0.008099344335400114, 0.0012120884506417664,
             0.00012771246553511473, 8.625072817024847e-06, 2.876315838846484e-07)
LOWER_F64 = (1.2385520714379599, 0.7844313592036898, 0.3225202214328886, 0.0934928251988286,
             0.019668998294823048, 0.0029950155278405683, 0.0003186857052662879,
             2.161985140492968e-05, 7.209854607841175e-07)
F64 = Tables(
    upper=UPPER_F64,
    lower=LOWER_F64,
    ratios={
        weight: Ratio(
            math.sqrt(weight / math.pi),
            tuple(SQRT_TAU * c * (2 * weight) ** ((k + 1) / 2) for k, c in enumerate(UPPER_F64)),
            tuple(c * (2 * weight) ** ((k + 1) / 2) for k, c in enumerate(LOWER_F64)),
        )
        for weight in (1.0, 0.5)
    },
    central=tuple(reversed(ERF_CENTRAL)),
    largest=38.7,
    shift=512,
    number=np.float64,
)
# fmt: on
TABLES = {dtypes.f32: F32, dtypes.f64: F64}


def normal_cdf(x: Value) -> Value | None:
    """The normal distribution function; within 2 ulp, also far below 0."""
    if x.dtype not in TABLES:
        return None
    tail = _precise_tail(abs(x), TABLES[x.dtype], 0.5)
    result: Value = where(x < 0, tail, 1 - tail)
    return result


def _quick_cdf(x: Value) -> Value:
    """The normal distribution function; within 4 ulp."""
    tail = _tail(abs(x), TABLES[x.dtype], 0.5)
    result: Value = where(x < 0, tail, 1 - tail)
    return result


def gelu(x: Value) -> Value | None:
    """`x` times the normal distribution function; within 4 ulp, also far below 0."""
    return x * _quick_cdf(x) if x.dtype in TABLES else None


def gelu_slope(x: Value) -> Value | None:
    """The derivative of `gelu`; within 4 ulp of the larger of its two summands."""
    density = normal_pdf(x)
    return None if density is None else fma(x, density, _quick_cdf(x))


def normal_pdf(x: Value) -> Value | None:
    """The density of the normal distribution; within 2 ulp."""
    if x.dtype not in TABLES:
        return None
    tables = TABLES[x.dtype]
    power, rest = _bell(at_most(abs(x), tables.largest), tables, 0.5)
    peak = power * math.ldexp(1 / SQRT_TAU, -tables.shift)
    return fma(peak, rest, peak)


def erfc(x: Value) -> Value | None:
    """The complementary error function; within 2 ulp, also far above 0."""
    if x.dtype not in TABLES:
        return None
    tables, size = TABLES[x.dtype], abs(x)
    tail = _precise_tail(size, tables, 1.0)
    first, *others = tables.central
    near = fma(-x, polynomial([first - 1, *others], x * x), 1 - x)
    result: Value = where(size < 0.8, near, where(x < 0, 2 - tail, tail))
    return result


def erf(x: Value) -> Value | None:
    """The error function; within 2 ulp."""
    if x.dtype not in TABLES:
        return None
    tables, size = TABLES[x.dtype], abs(x)
    far = x.code.intrinsic("copysign", [1 - _tail(size, tables, 1.0), x])
    first, *others = tables.central
    near = fma(x, polynomial([first - 1, *others], x * x), x)
    result: Value = where(size < 1, near, far)
    return result


def _tail(size: Value, tables: Tables, weight: float) -> Value:
    """Both tails of exp(-weight x²) together, times `weight`, from |x| on."""
    scale = math.sqrt(2 * weight)
    size = at_most(size, tables.largest / scale)
    factor = math.ldexp(2 * weight, -tables.shift)
    upper = polynomial([c * factor * scale**k for k, c in enumerate(tables.upper)], size)
    lower = polynomial([c * scale ** (k + 1) for k, c in enumerate(tables.lower)], size)
    # What the divisor shares with `upper` keeps the rounding errors of that from the quotient.
    slope = fma(upper, SQRT_TAU * scale / factor, lower)
    quotient: Value = upper / fma(size, slope, 1.0)
    power, rest = _bell(size, tables, weight)
    share = quotient * power
    return fma(share, rest, share)


def _precise_tail(size: Value, tables: Tables, weight: float) -> Value:
    """`weight` times the tails of exp(-weight x²), with what rounding took from them."""
    ratio = tables.ratios[weight]
    factor = 2 * ratio.factor
    share = float(tables.number(factor))
    size = at_most(size, tables.largest / math.sqrt(2 * weight))
    upper, lower = polynomial(ratio.upper, size), polynomial(ratio.lower, size)
    slope = upper + lower
    divisor = fma(size, slope, 1.0)
    inverse = share / divisor
    # How far the inverse is off, with what rounding took from the slope and the divisor.
    lost = fma(size, (upper - slope) + lower, fma(size, slope, 1 - divisor))
    error = fma(-inverse, lost, fma(-inverse, divisor, share))
    # The exponent takes it in, and how far the factor is off as a number of this type.
    error = fma(error, 1 / (share * weight), math.log(factor / share) / weight)
    power, rest = _precise_bell(size, tables, weight, error)
    quotient = upper * inverse
    beyond = fma(upper, inverse, -quotient)
    near = fma(quotient, rest, fma(beyond, rest, beyond)) + quotient
    result: Value = near * power * math.ldexp(0.5, -tables.shift)
    return result


def _bell(x: Value, tables: Tables, weight: float) -> tuple[Value, Value]:
    """Values p and q so that exp(-weight x²) 2^shift = p + p q, where p is a power of 2.

    `weight` is a power of 2 and x at most `tables.largest`. The rounding error of x² would count up
    to a hundredfold, so the square is summed from two parts of which the larger is exact.
    """
    form = FORMATS[x.dtype]
    high = _upper_half(x, form)
    square = high * high
    power, n = _power(square, tables, weight)
    # The rest is kept divided by the weight, which spares a product; so are the coefficients.
    ln2_high, ln2_low = (part / weight for part in form.ln2)
    rest = fma(n, -ln2_low, fma(n, -ln2_high, -square))
    rest = fma(high - x, high + x, rest)
    terms = [c * weight ** (k + 1) for k, c in enumerate((1.0, *form.exp_terms))]
    return power, rest * polynomial(terms, rest)


def _precise_bell(x: Value, tables: Tables, weight: float, error: Value) -> tuple[Value, Value]:
    """`_bell` of which q is rounded about once, where x² is less by a small `error`."""
    form = FORMATS[x.dtype]
    high = _upper_half(x, form)
    power, n = _power(x * x, tables, weight)
    ln2_high, ln2_low = (part / weight for part in form.ln2)
    beyond = fma(n, -ln2_low, fma(high - x, high + x, error))
    # The first summand is exact.
    rest = fma(n, -ln2_high, -(high * high)) + beyond
    terms = [c * weight ** (k + 2) for k, c in enumerate(form.exp_terms)]
    return power, fma(rest, weight, polynomial(terms, rest) * (rest * rest))


def _power(square: Value, tables: Tables, weight: float) -> tuple[Value, Value]:
    """2^(n + shift) and n, the nearest number to -weight `square` / ln 2."""
    form = FORMATS[square.dtype]
    magic = form.magic + (tables.shift + form.bias)
    shifted = fma(square, -weight / math.log(2), magic)
    bits = square.code.change("bitcast", shifted, form.bits)
    return as_float(bits << form.fraction), shifted - magic


def _upper_half(x: Value, form: Format) -> Value:
    """`x` cut off so that its square is exact."""
    dropped = form.fraction // 2 + 1
    kept = -1 << dropped
    return as_float(x.code.change("bitcast", x, form.bits) & kept)
