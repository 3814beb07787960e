# ruff: noqa: F401 -- a namespace: all that is imported is what it offers
"""NumPy's names on tensors: run at once outside of `irf.jit`, traced inside.

The part of NumPy and of the array API standard that exists so far; `dir(irflow.numpy)` lists it.
"""

import math as _math

from irflow.dtypes import (
    bf16,
    bool_,
    complex64,
    complex128,
    f16,
    f32,
    f64,
    i8,
    i16,
    i32,
    i64,
    u8,
    u16,
    u32,
    u64,
)
from irflow.frontend.tensor import Tensor as ndarray
from irflow.frontend.tensor import asarray
from irflow.numpy import linalg
from irflow.numpy.complex_parts import conj, imag, real
from irflow.numpy.creation import (
    arange,
    empty,
    empty_like,
    eye,
    from_dlpack,
    full,
    full_like,
    identity,
    linspace,
    meshgrid,
    ones,
    ones_like,
    zeros,
    zeros_like,
)
from irflow.numpy.data_types import can_cast, finfo, iinfo, isdtype, result_type
from irflow.numpy.elementwise import clip, float_power, positive, round, where
from irflow.numpy.elementwise import table as _table
from irflow.numpy.known_values import (
    argwhere,
    flatnonzero,
    isin,
    nonzero,
    unique_all,
    unique_counts,
    unique_inverse,
    unique_values,
)
from irflow.numpy.manipulation import (
    astype,
    broadcast_arrays,
    broadcast_to,
    concat,
    concatenate,
    diff,
    expand_dims,
    flip,
    matrix_transpose,
    moveaxis,
    ndim,
    pad,
    permute_dims,
    ravel,
    repeat,
    reshape,
    roll,
    shape,
    split,
    squeeze,
    stack,
    swapaxes,
    take,
    take_along_axis,
    tile,
    transpose,
    tril,
    triu,
    unstack,
)
from irflow.numpy.namespace_info import SUPPORTED_VERSIONS, NamespaceInfo
from irflow.numpy.products import (
    dot,
    dot_general,
    einsum,
    inner,
    matmul,
    outer,
    tensordot,
    vdot,
    vecdot,
)
from irflow.numpy.scans import (
    argsort,
    cumprod,
    cumsum,
    cumulative_prod,
    cumulative_sum,
    searchsorted,
    sort,
    top_k,
)
from irflow.numpy.statistics import (
    all,
    any,
    argmax,
    argmin,
    count_nonzero,
    max,
    mean,
    min,
    prod,
    std,
    sum,
    var,
)

array = asarray
bool = bool_
int8, int16, int32, int64 = i8, i16, i32, i64
uint8, uint16, uint32, uint64 = u8, u16, u32, u64
float16, bfloat16, float32, float64 = f16, bf16, f32, f64
pi, e, inf, nan = _math.pi, _math.e, _math.inf, _math.nan
newaxis = None

__array_namespace_info__ = NamespaceInfo
__array_api_version__ = SUPPORTED_VERSIONS[-1]

amax, amin = max, min
globals().update(_table())
