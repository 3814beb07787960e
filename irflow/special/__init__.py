"""Special functions that NumPy lacks: the error function's and the gamma function's families.

Each function takes anything `numpy.asarray` accepts and returns an array of the same shape, 0-d
for a number. Floating dtypes are kept: f64 computes in f64; f16, bf16 and f32 compute in f64 and
are rounded at the end, so they are correct to about half an ulp. Booleans and integers give f64, as
with NumPy's own functions. NaN gives NaN, and no floating-point warning is ever raised.

`tests/tools/fit_special.py` fitted the polynomials; it states the reductions, and it measures the
errors quoted in the docstrings.
"""

from irflow.special.error_function import erf, erfc, erfinv, normal_cdf, normal_pdf
from irflow.special.gamma import digamma, lgamma
from irflow.special.logistic import sigmoid, softplus

__all__ = [
    "erf",
    "erfc",
    "erfinv",
    "lgamma",
    "digamma",
    "sigmoid",
    "softplus",
    "normal_cdf",
    "normal_pdf",
]
