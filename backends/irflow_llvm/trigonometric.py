"""`sin`, `cos`, `tan` and `arctan` of vectors: a reduction to small arguments, then a polynomial.

The first three take off multiples of pi / 2. Lanes so large that this would be wrong take the C
library's function; where there are none, nothing is called.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from irflow import dtypes
from irflow.scalars import equal, where
from irflow_llvm.code import Value, fma
from irflow_llvm.elementary import FORMATS, as_float, polynomial


@dataclass(frozen=True, slots=True)
class Tables:
    """What the functions need to know of a floating-point format.

    Attributes:
        half_pi: its sum is pi / 2; the product of all but the last with a multiple is exact.
        limit: up to which size of the argument they are.
        sine: (sin(r) - r) / r^3 as a polynomial in r², lowest degree first.
        cosine: (cos(r) - 1 + r² / 2) / r^4, likewise.
        arctangent: (arctan(r) - r) / r^3 for |r| <= tan(pi / 8), likewise.
    """

    half_pi: tuple[float, ...]
    limit: float
    sine: tuple[float, ...]
    cosine: tuple[float, ...]
    arctangent: tuple[float, ...]


# Remez's algorithm for the relative errors; the largest are 3.8e-9 and 3.7e-18.
# fmt: off
TABLES = {
    dtypes.f32: Tables(
        half_pi=(1.5703125, 0.0004837512969970703, 7.549533620476723e-08, 2.563344151594519e-12),
        limit=6000.0,
        sine=(-0.16666654538111242, 0.008332156154128342, -0.0001951464608968401),
        cosine=(0.04166664555688375, -0.0013887309991982221, 2.4432428007078543e-05),
        arctangent=(-0.33333315188799384, 0.19998471528725187, -0.14243533587823604,
                    0.10593815435953263, -0.06078225458544938),
    ),
    dtypes.f64: Tables(
        half_pi=(1.5707963267341256, 6.077100506303966e-11, 2.0222662487111665e-21,
                 8.4784276603689e-32),
        limit=1.5e6,
        sine=(-0.1666666666666663, 0.008333333333322007, -0.0001984126982949736,
              2.7557313588311754e-06, -2.505074242259359e-08, 1.5895911704988898e-10),
        cosine=(0.041666666666666595, -0.00138888888888729, 2.480158728875073e-05,
                -2.7557314149377366e-07, 2.0875696677467237e-09, -1.1358316035629973e-11),
        arctangent=(-0.333333333333332, 0.1999999999995325, -0.1428571428016662,
                    0.11111110782157028, -0.09090897725293746, 0.07692059717983091,
                    -0.06663099208480168, 0.058478592990766305, -0.050391905124339366,
                    0.03806214149728417, -0.017905040719660478),
    ),
}
# fmt: on

PI_BEYOND = 1.2246467991473532e-16
"""What f64 lacks of pi."""


def sin(x: Value) -> Value | None:
    """The sine; within 2 ulp."""

    def fast(quarters: Value, sine: Value, cosine: Value) -> Value:
        value = _turned(where(_bit(quarters, 0), cosine, sine), quarters)
        result: Value = where(equal(x, 0), x, value)
        return result

    return _by_quarter(x, "sin", fast)


def cos(x: Value) -> Value | None:
    """The cosine; within 2 ulp."""

    def fast(quarters: Value, sine: Value, cosine: Value) -> Value:
        return _turned(where(_bit(quarters, 0), sine, cosine), quarters + 1)

    return _by_quarter(x, "cos", fast)


def tan(x: Value) -> Value | None:
    """The tangent; within 4 ulp."""

    def fast(quarters: Value, sine: Value, cosine: Value) -> Value:
        is_odd = _bit(quarters, 0)
        quotient: Value = where(is_odd, -cosine, sine) / where(is_odd, sine, cosine)
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
    high = float(x.dtype.numpy.type(math.pi / 4))
    low = math.pi / 4 - high + PI_BEYOND / 4
    turn, rest = (where(is_large, 2 * part, where(is_middle, part, zero)) for part in (high, low))
    return x.code.intrinsic("copysign", [turn + (r + (series + rest)), x])


def _by_quarter(
    x: Value, name: str, combine: Callable[[Value, Value, Value], Value]
) -> Value | None:
    """`combine` of the quarter turns in x and the sine and cosine of the rest."""
    if x.dtype not in TABLES:
        return None
    form, tables, code = FORMATS[x.dtype], TABLES[x.dtype], x.code
    shifted = fma(x, 1 / sum(tables.half_pi), form.magic)
    turns, r = shifted - form.magic, x
    for part in tables.half_pi:
        r = fma(turns, -part, r)
    square = r * r
    sine = fma(r * square, polynomial(tables.sine, square), r)
    cosine = fma(square, fma(square, polynomial(tables.cosine, square), -0.5), 1.0)
    value = combine(code.change("bitcast", shifted, form.bits), sine, cosine)
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
