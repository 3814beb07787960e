"""`power` of f32, computed in f64 as 2^(y log2(x)).

Bases that are not positive normal numbers, exponents that are not finite, and results near the
ends of the range take the C library's function; where there are none, nothing is called.
"""

from __future__ import annotations

import numpy as np

from irflow import dtypes
from irflow_llvm.casts import cast
from irflow_llvm.code import Value, fma
from irflow_llvm.elementary import FORMATS, as_float, polynomial
from irflow_llvm.logarithms import split_exponent

# power's LOG and EXP of tests/tools/fit_elementary.py: log2(m) / s, where s = (m - 1) / (m + 1), in
# powers of s², and 2^r for |r| <= 1/2; the largest relative errors are 2.7e-14 and 1.9e-9.
# fmt: off
LOG = (
    2.88539008177785, 0.9617966941133053, 0.5770779423770301, 0.41220925104196576,
    0.3199057552504819, 0.2828992827037051)
EXP = (
    1.0000000005607508, 0.6931472057386004, 0.24022646869443876, 0.05550328744957754,
    0.009618490474077526, 0.0013399945571183091, 0.00015345513870145406)
# fmt: on


def power(x: Value, y: Value) -> Value:
    """`x` to the power of `y`, floats; within 1 ulp in f32, the C library's in f64."""
    code = x.code
    if x.dtype is not dtypes.f32:
        return code.library("pow", [x, y])
    form = FORMATS[dtypes.f64]
    k, m = split_exponent(cast(x, dtypes.f64), form)
    s = (m - 1) / (m + 1)
    exponent = cast(y, dtypes.f64) * fma(s, polynomial(LOG, s * s), cast(k, dtypes.f64))
    shifted = exponent + form.magic
    r = exponent - (shifted - form.magic)
    scale = as_float((code.change("bitcast", shifted, form.bits) + form.bias) << form.fraction)
    value = cast(polynomial(EXP, r) * scale, dtypes.f32)
    tiny = code.literal(float(np.finfo(np.float32).tiny), dtypes.f32, x.lanes)
    infinity = code.literal(np.inf, dtypes.f32, x.lanes)
    edge = code.literal(126.0, dtypes.f64, x.lanes)
    # Unordered comparisons are true for NaN as well.
    is_far = code.compare("fcmp ugt", abs(exponent), edge)
    is_odd = code.compare("fcmp ult", x, tiny) | code.compare("fcmp uge", x, infinity)
    return code.rarely(is_far | is_odd, lambda: code.library("pow", [x, y]), value)
