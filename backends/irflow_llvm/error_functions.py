"""The error functions and the normal distribution, with one exponential and one division.

For a >= 0 the upper tail of the normal distribution is exp(-a² / 2) R(a), where R falls smoothly
from 1/2 to 1 / (sqrt(2 pi) a), so R(a) = U(a) / (1 + a (sqrt(2 pi) U(a) + L(a))) with polynomials U
and L. Their coefficients are positive: no digits cancel, and the tail is relatively accurate down
to the smallest number of the type. `normal_cdf`, which gelu waits for, takes this as it is. `erfc`
corrects what rounding does to the quotient: erfc(x) = exp(-x²) V(x) / (sqrt(pi) (1 + x (V(x) +
M(x)))) with polynomials V and M.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from irflow import dtypes
from irflow.scalars import where
from irflow.special import ERF_CENTRAL
from irflow_llvm.code import Value, fma
from irflow_llvm.elementary import FORMATS, Format, as_float, at_most, polynomial

SQRT_TAU = math.sqrt(2 * math.pi)


@dataclass(frozen=True, slots=True)
class Tables:
    """What the error functions need to know of a floating-point format.

    Attributes:
        upper, lower: U and L on [0, `largest`], lowest degrees first.
        ratio: V and M.
        central: erf(x) / x as a polynomial in x² on [0, 1].
        largest: beyond it the tail is 0.
        shift: exp(-a² / 2) is computed 2^`shift` times too large, so that it is a normal number.
    """

    upper: tuple[float, ...]
    lower: tuple[float, ...]
    ratio: tuple[tuple[float, ...], tuple[float, ...]]
    central: tuple[float, ...]
    largest: float
    shift: int


# U and L by least squares of the relative error of R, reweighted until the error oscillates evenly
# (Lawson, 1961), for f32 with each coefficient rounded before the next was fitted; that error is
# 1.8e-8 and 4e-18. In f32 V and M are RATIO of tests/tools/fit_elementary.py, with an error of
# 3.2e-8; in f64 they are U and L for another argument. The central polynomials are interpolants;
# theirs is 1.3e-9 and 1e-17.
# fmt: off
F32 = Tables(
    upper=(0.5, 0.4565602242946625, 0.19692344963550568, 0.04528827592730522,
           0.004816787783056498),
    lower=(0.45769160985946655, 0.11459575593471527, 0.012018042616546154,
           1.2302635923333582e-06),
    ratio=((1.7724539041519165, 2.3478381633758545, 1.462449550628662, 0.4874543249607086,
            0.07596776634454727),
           (0.6805538535118103, 0.24514418840408325, 0.03789922222495079, 1.96117161976872e-06)),
    central=(1.1283791657295594, -0.376126258374651, 0.11283585248605635, -0.02685381458207252,
             0.005188330482592488, -0.0008010202699272506, 7.853849828429409e-05),
    largest=14.5,
    shift=64,
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
    ratio=(tuple(SQRT_TAU * c * 2 ** ((k + 1) / 2) for k, c in enumerate(UPPER_F64)),
           tuple(c * 2 ** ((k + 1) / 2) for k, c in enumerate(LOWER_F64))),
    central=tuple(reversed(ERF_CENTRAL)),
    largest=38.7,
    shift=512,
)
# fmt: on
TABLES = {dtypes.f32: F32, dtypes.f64: F64}


def normal_cdf(x: Value) -> Value | None:
    """The normal distribution function; within 4 ulp, also far below 0."""
    if x.dtype not in TABLES:
        return None
    tail = _tail(abs(x), TABLES[x.dtype], 0.5)
    result: Value = where(x < 0, tail, 1 - tail)
    return result


def normal_pdf(x: Value) -> Value | None:
    """The density of the normal distribution; within 2 ulp."""
    if x.dtype not in TABLES:
        return None
    tables = TABLES[x.dtype]
    power, rest = _bell(at_most(abs(x), tables.largest), tables, 0.5)
    peak = power * math.ldexp(1 / SQRT_TAU, -tables.shift)
    return fma(peak, rest, peak)


def erfc(x: Value) -> Value | None:
    """The complementary error function; within 3 ulp in f32, 2 in f64, also far above 0."""
    if x.dtype not in TABLES:
        return None
    tables, size = TABLES[x.dtype], abs(x)
    tail = _precise_tail(size, tables)
    first, *others = tables.central
    near = fma(-x, polynomial([first - 1, *others], x * x), 1 - x)
    result: Value = where(size < 0.9, near, where(x < 0, 2 - tail, tail))
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


def _precise_tail(size: Value, tables: Tables) -> Value:
    """The complementary error function of |x|."""
    size = at_most(size, tables.largest / math.sqrt(2))
    upper, lower = (polynomial(terms, size) for terms in tables.ratio)
    slope = upper + lower
    divisor = fma(size, slope, 1.0)
    inverse = 1 / divisor
    # How far the inverse is off, with what rounding took from the slope and the divisor.
    lost = fma(size, (upper - slope) + lower, fma(size, slope, 1 - divisor))
    error = fma(-inverse, lost, fma(-inverse, divisor, 1.0))
    # 1 / sqrt(pi) is a half of this.
    power, rest = _bell(size, tables, 1.0, 2 / math.sqrt(math.pi))
    share = upper * math.ldexp(0.5, -tables.shift) * inverse * power
    return fma(share, fma(error, rest + 1, rest), share)


def _bell(x: Value, tables: Tables, weight: float, factor: float = 1.0) -> tuple[Value, Value]:
    """Values p and q so that `factor` exp(-weight x²) 2^shift = p + p q, where p is a power of 2.

    `weight` is a power of 2 and x at most `tables.largest`. The rounding error of x² would count up
    to a hundredfold, so the square is summed from two parts of which the larger is exact.
    """
    form = FORMATS[x.dtype]
    high = _upper_half(x, form)
    square = high * high
    magic = form.magic + (tables.shift + form.bias)
    shifted = fma(square, -weight / math.log(2), magic)
    n = shifted - magic
    # The rest is kept divided by the weight, which spares a product; so are the coefficients.
    ln2_high, ln2_low = (part / weight for part in form.ln2)
    rest = fma(n, -ln2_low, fma(n, -ln2_high, -square))
    rest = fma(high - x, high + x, rest)
    terms = (1.0, *form.exp_terms)
    series = polynomial([c * factor * weight ** (k + 1) for k, c in enumerate(terms)], rest)
    series = rest * series if factor == 1 else fma(rest, series, factor - 1)
    bits = x.code.change("bitcast", shifted, form.bits)
    return as_float(bits << form.fraction), series


def _upper_half(x: Value, form: Format) -> Value:
    """`x` cut off so that its square is exact."""
    dropped = form.fraction // 2 + 1
    kept = -1 << dropped
    return as_float(x.code.change("bitcast", x, form.bits) & kept)
