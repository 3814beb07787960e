"""Logarithms without branches or calls, so that they run on whole vectors.

log(x) = k ln 2 + log(1 + f) with x = 2^k (1 + f) and 1 + f between sqrt(1/2) and sqrt(2). In f32
log(1 + f) is f - f² / 2 + f³ P(f); in f64, where P would be long, it is 2 artanh(f / (2 + f)).
"""

from __future__ import annotations

import math

import numpy as np

from irflow.scalars import equal, minimum, where
from irflow_llvm.casts import cast
from irflow_llvm.code import Value, fma
from irflow_llvm.elementary import FORMATS, Format, as_float, polynomial

# LOG_F32 and LOG_F64 of tests/tools/fit_elementary.py; the largest relative error of the logarithm
# is 1.3e-8 and 1.6e-18.
# fmt: off
LOG_F32 = (
    0.3333333134651184, -0.250008225440979, 0.20001259446144104, -0.16623087227344513,
    0.14200744032859802, -0.13161572813987732, 0.1276184618473053, -0.07624134421348572)
LOG_F64 = (
    0.6666666666666734, 0.39999999999415603, 0.28571428742189886, 0.2222219859264116,
    0.18183563350668, 0.1531407476247344, 0.14795713683891487)
# fmt: on

BASES = {
    2.0: (1 / math.log(2), 2.0355273740931033e-17, 1.0, 0.0),
    10.0: (1 / math.log(10), 1.098319650216765e-17, math.log10(2), -2.8037281277851704e-18),
}
"""By base: 1 / log(base) and log(2) / log(base), each with what f64 lacks of it."""


def log(x: Value) -> Value | None:
    """The natural logarithm; within 1 ulp, denormal numbers included."""
    if x.dtype not in FORMATS:
        return None
    form = FORMATS[x.dtype]
    k, f, rest = _parts(*_normal(x, form), form)
    high, low = form.ln2
    return _with_edges(x, fma(k, high, f + fma(k, low, rest)))


def log1p(x: Value) -> Value | None:
    """The logarithm of 1 + x, also where x is small; within 2 ulp."""
    if x.dtype not in FORMATS:
        return None
    form, code = FORMATS[x.dtype], x.code
    u = 1 + x
    # What rounding took from u; Knuth's sum of two numbers.
    added = u - 1
    lost = (1 - (u - added)) + (x - added)
    k, m = split_exponent(u, form)
    scale = as_float((form.bias - minimum(k, form.bias)) << form.fraction)
    _, f, rest = _parts(k, m, form, lost * scale)
    high, low = form.ln2
    exponent = cast(k, x.dtype)
    value = _with_edges(u, fma(exponent, high, f + fma(exponent, low, rest)))
    return code.intrinsic("copysign", [value, x])


def log2(x: Value) -> Value | None:
    """The logarithm to base 2, exact for powers of 2; within 2 ulp."""
    return _to_base(x, 2.0)


def log10(x: Value) -> Value | None:
    """The logarithm to base 10; within 2 ulp."""
    return _to_base(x, 10.0)


def _to_base(x: Value, base: float) -> Value | None:
    if x.dtype not in FORMATS:
        return None
    form = FORMATS[x.dtype]
    k, f, rest = _parts(*_normal(x, form), form)
    factor, beyond, step, step_beyond = BASES[base]
    high = float(x.dtype.numpy.type(factor))
    step_high, step_low = form.short(step, step_beyond)
    small = fma(rest, factor, fma(f, (factor - high) + beyond, k * step_low))
    return _with_edges(x, fma(k, step_high, fma(f, high, small)))


def _normal(x: Value, form: Format) -> tuple[Value, Value]:
    """The numbers k, as a float, and m where x = 2^k m, also for denormal x."""
    is_small = x < float(np.finfo(x.dtype.numpy.name).tiny)
    lift = form.fraction + 1
    k, m = split_exponent(where(is_small, x * 2.0**lift, x), form)
    exponent = cast(k, x.dtype)
    return where(is_small, exponent - float(lift), exponent), m


def split_exponent(x: Value, form: Format) -> tuple[Value, Value]:
    """The numbers k, an integer, and m, where x = 2^k m and m is between sqrt(1/2) and sqrt(2)."""
    code = x.code
    bits = code.change("bitcast", x, form.bits)
    root = int(np.asarray(math.sqrt(0.5), x.dtype.numpy).view(form.bits.numpy))
    k = (bits - root) >> form.fraction
    return k, as_float(bits - (k << form.fraction))


def log1p_to_one(e: Value, more: Value) -> Value:
    """log(1 + e) + more for 0 <= e <= 1."""
    form, code = FORMATS[e.dtype], e.code
    is_upper = e > math.sqrt(2) - 1
    f = where(is_upper, fma(e, 0.5, -0.5), e)
    high, low = (where(is_upper, part, code.zero(e.dtype, e.lanes)) for part in form.ln2)
    result: Value = more + (high + (f + (low + _rest(f, form))))
    return result


def _parts(
    k: Value, m: Value, form: Format, more: Value | float = 0.0
) -> tuple[Value, Value, Value]:
    """The numbers k, f and g where log(m + more) = f + g, and g is small beside f."""
    f = m - 1
    if isinstance(more, Value):
        f = f + more
    return k, f, _rest(f, form)


def _rest(f: Value, form: Format) -> Value:
    """log(1 + f) - f."""
    square = f * f
    if form.fraction < 30:
        rest: Value = square * fma(f, polynomial(LOG_F32, f), -0.5)
        return rest
    s = f / (2 + f)
    z = s * s
    half = 0.5 * square
    return fma(s, fma(z, polynomial(LOG_F64, z), half), -half)


def _with_edges(x: Value, value: Value) -> Value:
    """The logarithm of x, where `value` is right for positive finite numbers."""
    code = x.code
    zero = code.zero(x.dtype, x.lanes)
    infinity = code.literal(np.inf, x.dtype, x.lanes)
    # Infinity and NaN are their own logarithms.
    value = code.select(code.compare("fcmp olt", x, infinity), value, x)
    edge = where(equal(x, 0), -np.inf, code.literal(np.nan, x.dtype, x.lanes))
    return code.select(code.compare("fcmp ole", x, zero), edge, value)
