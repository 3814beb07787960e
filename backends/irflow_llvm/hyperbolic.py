"""Hyperbolic functions, their inverses, and what else is made of an exponential and a quotient.

What rounding takes from a divisor is known exactly and goes into the quotient's last step, so that
little more than the exponential's own error is left.
"""

from __future__ import annotations

import math

from irflow import dtypes
from irflow.scalars import where
from irflow_llvm.code import Value, fma
from irflow_llvm.elementary import (
    FORMATS,
    Format,
    as_float,
    at_least,
    at_most,
    divided,
    exp,
    polynomial,
    reduced,
)
from irflow_llvm.logarithms import log1p, log1p_to_one

# (sinh(r) - r) / r^3 as a polynomial in r² for |r| <= 1; SINH of tests/tools/fit_elementary.py.
# fmt: off
SINH = {
    dtypes.f32: (
        0.1666666716337204, 0.00833331048488617, 0.0001984289410756901, 2.7822300125990296e-06),
    dtypes.f64: (
        0.16666666666666666, 0.008333333333333333, 0.000198412698412696, 2.7557319224116247e-06,
        2.5052108346516444e-08, 1.6059050600607195e-10, 7.646482921744501e-13,
        2.848232708443078e-15),
}
# fmt: on

OVERFLOW = {dtypes.f32: 90.0, dtypes.f64: 711.2}
"""Where both sinh and cosh overflow, and 2^-2 exp(x) does not yet wrap around."""

LARGE = 1e9
"""Above, x * x + 1 is x * x in f64, and x * x is still far from overflow in f32."""


def sinh(x: Value) -> Value | None:
    """The hyperbolic sine; within 2 ulp."""
    if x.dtype not in FORMATS:
        return None
    square = x * x
    near = fma(x * square, polynomial(SINH[x.dtype], square), x)
    half, rest = _halves(x)
    far = x.code.intrinsic("copysign", [(half - rest) * 2, x])
    result: Value = where(abs(x) < 1, near, far)
    return result


def cosh(x: Value) -> Value | None:
    """The hyperbolic cosine; within 2 ulp."""
    if x.dtype not in FORMATS:
        return None
    half, rest = _halves(x)
    result: Value = (half + rest) * 2
    return result


def _halves(x: Value) -> tuple[Value, Value]:
    """A quarter of exp(|x|), and of exp(-|x|)."""
    form = FORMATS[x.dtype]
    r, bits = reduced(at_most(abs(x), OVERFLOW[x.dtype]), form, form.bias - 2)
    series = polynomial([1.0, 1.0, *form.exp_terms], r)
    half = series * as_float(bits << form.fraction)
    return half, 0.0625 / half


def tanh(x: Value) -> Value | None:
    """The hyperbolic tangent; within 2 ulp. It is t / (t + 2) with t = exp(2 |x|) - 1."""
    if x.dtype not in FORMATS:
        return None
    form = FORMATS[x.dtype]
    # Beyond, the result is 1.
    size = at_most(abs(x), 10.0 if x.dtype is dtypes.f32 else 20.0)
    t = _small_expm1(size * 2, form)
    lower = t + 2
    value = divided(t, lower, t - (lower - 2))
    return x.code.intrinsic("copysign", [value, x])


def _small_expm1(x: Value, form: Format) -> Value:
    """exp(x) - 1 where that neither overflows nor is nearly -1."""
    r, bits = reduced(x, form, form.bias)
    series = fma(r * r, polynomial(form.exp_terms, r), r)
    scale = as_float(bits << form.fraction)
    return fma(scale, series, scale - 1)


def sigmoid(x: Value) -> Value | None:
    """1 / (1 + exp(-x)); within 2 ulp, also far below 0."""
    if x.dtype not in FORMATS:
        return None
    # exp(-x) would overflow where the result still is a denormal number.
    e = exp(-abs(x))
    assert e is not None
    lower = e + 1
    return divided(where(x < 0, e, 1), lower, e - (lower - 1))


def softplus(x: Value) -> Value | None:
    """The logarithm of 1 + exp(x); within 2 ulp."""
    if x.dtype not in FORMATS:
        return None
    e = exp(-abs(x))
    assert e is not None
    return log1p_to_one(e, at_least(x, 0.0))


def logaddexp(x: Value, y: Value) -> Value | None:
    """The logarithm of exp(x) + exp(y)."""
    if x.dtype not in FORMATS:
        return None
    code, difference = x.code, x - y
    # Equal infinities have no difference.
    zero = code.zero(x.dtype, x.lanes)
    distance = code.select(code.compare("fcmp oeq", x, y), zero, abs(difference))
    larger = code.select(code.compare("fcmp ogt", x, y), x, y)
    e = exp(-distance)
    assert e is not None
    return log1p_to_one(e, larger)


def arcsinh(x: Value) -> Value | None:
    """The inverse hyperbolic sine; within 2 ulp."""
    if x.dtype not in FORMATS:
        return None
    size = abs(x)
    near = at_most(size, LARGE)
    square = near * near
    root = x.code.intrinsic("sqrt", [fma(near, near, 1.0)])
    value = _log1p_or_double(size, near + square / (root + 1))
    return x.code.intrinsic("copysign", [value, x])


def arccosh(x: Value) -> Value | None:
    """The inverse hyperbolic cosine; within 2 ulp."""
    if x.dtype not in FORMATS:
        return None
    above = at_most(x, LARGE) - 1
    root = x.code.intrinsic("sqrt", [fma(above, above, above * 2)])
    return _log1p_or_double(x, where(above < 0, math.nan, root + above))


def _log1p_or_double(x: Value, near: Value) -> Value:
    """log(1 + near) up to `LARGE`, log(2 x) above."""
    is_large = x > LARGE
    value = log1p(where(is_large, x, near))
    assert value is not None
    zero = x.code.zero(x.dtype, x.lanes)
    result: Value = value + where(is_large, math.log(2), zero)
    return result
