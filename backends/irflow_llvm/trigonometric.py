"""Trigonometric functions of vectors, and their inverses: a reduction, then a polynomial.

`sin`, `cos` and `tan` take off multiples of pi / 2. Lanes so large that this would be wrong take
the C library's function; where there are none, nothing is called.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from irflow import dtypes
from irflow.dtypes import DType
from irflow.records import dataclass
from irflow.scalars import equal, where
from irflow_llvm.code import Value, fma
from irflow_llvm.elementary import FORMATS, as_float, divided, polynomial


@dataclass(frozen=True, slots=True)
class Tables:
    """What the functions need to know of a floating-point format.

    Attributes:
        half_pi: its sum is pi / 2; the product of all but the last with a multiple is exact.
        limit: up to which size of the argument they are.
        sine: (sin(r) - r) / r^3 as a polynomial in r², lowest degree first.
        cosine: (cos(r) - 1 + r² / 2) / r^4, likewise.
        arctangent: (arctan(r) - r) / r^3 for |r| <= tan(pi / 8), likewise.
        arcsine: (arcsin(r) - r) / r^3 for |r| <= 1 / 2, likewise.
    """

    half_pi: tuple[float, ...]
    limit: float
    sine: tuple[float, ...]
    cosine: tuple[float, ...]
    arctangent: tuple[float, ...]
    arcsine: tuple[float, ...]


# SINE, COSINE, ARCTANGENT and ARCSINE of tests/tools/fit_elementary.py; the largest relative errors
# are 4.9e-9 and 1.7e-17.
# fmt: off
TABLES = {
    dtypes.f32: Tables(
        half_pi=(1.5703125, 0.0004837512969970703, 7.549533620476723e-08, 2.563344151594519e-12),
        limit=6000.0,
        sine=(-0.16666655242443085, 0.008332189172506332, -0.0001951829035533592),
        cosine=(0.04166664555668831, -0.0013887309469282627, 2.4432330974377692e-05),
        arctangent=(-0.33333316445350647, 0.19998528063297272, -0.14244389533996582,
                    0.10599147528409958, -0.06089996546506882),
        arcsine=(0.16666752099990845, 0.07495307177305222, 0.04546952620148659,
                 0.02418273687362671, 0.04216189682483673),
    ),
    dtypes.f64: Tables(
        half_pi=(1.5707963267341256, 6.077100506303966e-11, 2.0222662487111665e-21,
                 8.4784276603689e-32),
        limit=1.5e6,
        sine=(-0.1666666666666663, 0.008333333333322094, -0.00019841269829572037,
              2.755731361589004e-06, -2.5050746978198268e-08, 1.5896188335308126e-10),
        cosine=(0.041666666666666595, -0.0013888888888873064, 2.4801587288856576e-05,
                -2.7557314180640743e-07, 2.08757010221577e-09, -1.1358545835271344e-11),
        arctangent=(-0.333333333333332, 0.19999999999953244, -0.14285714280165532,
                    0.11111110782060084, -0.09090897721483027, 0.07692059636014428,
                    -0.06663098154625792, 0.058478509683478695, -0.050391507768574983,
                    0.038061091414945465, -0.017903859277483763),
        arcsine=(0.16666666666665406, 0.07500000000337827, 0.044642856827754776,
                 0.030381959157381736, 0.022371757621191094, 0.0173597105333347,
                 0.013885183896326038, 0.012169522099392009, 0.006526729831869079,
                 0.019531458297656595, -0.016228986983159856, 0.03191535787603917),
    ),
}
# fmt: on

PI_BEYOND = 1.2246467991473532e-16
"""What f64 lacks of pi."""


@dataclass(frozen=True, slots=True)
class Turned:
    """An angle after its quarter turns were taken off.

    Attributes:
        quarters: the number of these, in the lowest bits.
        r, low: the rest in two parts, of which the second is tiny.
        sine, cosine: of the rest.
        sine_terms, cosine_terms: factors of which the products are `sine` - r and `cosine` - 1.
    """

    quarters: Value
    r: Value
    low: Value
    sine: Value
    cosine: Value
    sine_terms: tuple[Value, Value]
    cosine_terms: tuple[Value, Value]


def sin(x: Value) -> Value | None:
    """The sine; within 2 ulp."""

    def fast(angle: Turned) -> Value:
        is_odd = _bit(angle.quarters, 0)
        value = _turned(where(is_odd, angle.cosine, angle.sine), angle.quarters)
        result: Value = where(equal(x, 0), x, value)
        return result

    return _by_quarter(x, "sin", fast)


def cos(x: Value) -> Value | None:
    """The cosine; within 2 ulp."""

    def fast(angle: Turned) -> Value:
        is_odd = _bit(angle.quarters, 0)
        return _turned(where(is_odd, angle.sine, angle.cosine), angle.quarters + 1)

    return _by_quarter(x, "cos", fast)


def tan(x: Value) -> Value | None:
    """The tangent; within 2 ulp."""

    def fast(angle: Turned) -> Value:
        is_odd = _bit(angle.quarters, 0)
        sine, cosine = angle.sine, angle.cosine
        # What rounding took from both.
        sine_lost = fma(*angle.sine_terms, angle.r - sine) + angle.low
        cosine_lost = fma(-sine, angle.low, fma(*angle.cosine_terms, 1 - cosine))
        quotient = divided(
            where(is_odd, -cosine, sine),
            where(is_odd, sine, cosine),
            where(is_odd, sine_lost, cosine_lost),
            where(is_odd, -cosine_lost, sine_lost),
        )
        result: Value = where(equal(x, 0), x, quotient)
        return result

    return _by_quarter(x, "tan", fast)


def arctan(x: Value) -> Value | None:
    """The inverse tangent; within 2 ulp.

    Above tan(pi / 8) it is pi / 4 + arctan((x - 1) / (x + 1)), above its inverse pi / 2 - arctan(1
    / x).
    """
    if x.dtype not in TABLES:
        return None
    size = abs(x)
    zero, one = (x.code.literal(number, x.dtype, x.lanes) for number in (0.0, 1.0))
    is_middle, is_large = size > math.sqrt(2) - 1, size > math.sqrt(2) + 1
    upper = where(is_large, -1.0, where(is_middle, size - 1, size))
    lower = where(is_large, size, where(is_middle, size + 1, one))
    r = upper / lower
    square = r * r
    series = r * square * polynomial(TABLES[x.dtype].arctangent, square)
    high, low = _pi(x.dtype, 0.25)
    turn, rest = (where(is_large, 2 * part, where(is_middle, part, zero)) for part in (high, low))
    return x.code.intrinsic("copysign", [turn + (r + (series + rest)), x])


def arcsin(x: Value) -> Value | None:
    """The inverse sine; within 2 ulp.

    For x above 1/2 it is pi / 2 - 2 arcsin(r) with r = sqrt((1 - x) / 2).
    """
    if x.dtype not in TABLES:
        return None
    is_far, r, rest = _half_angle(x)
    high, low = _pi(x.dtype, 0.5)
    far = (high - 2 * r) - (2 * rest - low)
    value = where(is_far, far, r + rest)
    return x.code.intrinsic("copysign", [value, x])


def arccos(x: Value) -> Value | None:
    """The inverse cosine; within 2 ulp."""
    if x.dtype not in TABLES:
        return None
    is_far, r, rest = _half_angle(x)
    right, full = _pi(x.dtype, 0.5), _pi(x.dtype, 1.0)
    zero, is_left = x.code.zero(x.dtype, x.lanes), x < 0
    factor = where(is_far, 2.0, where(is_left, x.code.literal(1, x.dtype, x.lanes), -1.0))
    factor = where(is_far & is_left, -2.0, factor)
    high, low = (
        where(is_far, where(is_left, whole, zero), half)
        for half, whole in zip(right, full, strict=True)
    )
    result: Value = fma(factor, r, high) + fma(factor, rest, low)
    return result


def _half_angle(x: Value) -> tuple[Value, Value, Value]:
    """Whether |x| > 1/2; r, which is then sqrt((1 - |x|) / 2), else |x|; and arcsin(r) - r."""
    size = abs(x)
    is_far = size > 0.5
    square = where(is_far, fma(size, -0.5, 0.5), size * size)
    r = where(is_far, x.code.intrinsic("sqrt", [square]), size)
    return is_far, r, r * square * polynomial(TABLES[x.dtype].arcsine, square)


def _pi(dtype: DType, share: float) -> tuple[float, float]:
    """A multiple of pi by a power of 2, in two parts."""
    high = float(dtype.numpy.type(math.pi))
    return high * share, (math.pi - high + PI_BEYOND) * share


def _by_quarter(x: Value, name: str, combine: Callable[[Turned], Value]) -> Value | None:
    """`combine` of x without its quarter turns."""
    if x.dtype not in TABLES:
        return None
    form, tables, code = FORMATS[x.dtype], TABLES[x.dtype], x.code
    shifted = fma(x, 1 / sum(tables.half_pi), form.magic)
    turns = shifted - form.magic
    first, *parts = tables.half_pi
    r, low = fma(turns, -first, x), code.zero(x.dtype, x.lanes)
    for part in parts:
        before, r = r, fma(turns, -part, r)
        low = low + fma(turns, -part, before - r)
    square = r * r
    sine_terms = r * square, polynomial(tables.sine, square)
    cosine_terms = square, fma(square, polynomial(tables.cosine, square), -0.5)
    angle = Turned(
        code.change("bitcast", shifted, form.bits),
        r,
        low,
        fma(*sine_terms, r),
        fma(*cosine_terms, 1.0),
        sine_terms,
        cosine_terms,
    )
    value = combine(angle)
    limit = code.literal(tables.limit, x.dtype, x.lanes)
    # The comparison is true for NaN as well.
    is_far = code.compare("fcmp ugt", abs(x), limit)
    return code.rarely(is_far, lambda: code.library(name, [x]), value)


def _bit(number: Value, position: int) -> Value:
    code = number.code
    zero = code.zero(number.dtype, number.lanes)
    return code.compare("icmp ne", number & (1 << position), zero)


def _turned(value: Value, quarters: Value) -> Value:
    """`value` with the other sign where the second lowest bit of `quarters` is set."""
    width = quarters.dtype.bits
    sign = (quarters << (width - 2)) & (-1 << (width - 1))
    return as_float(value.code.change("bitcast", value, quarters.dtype) ^ sign)
