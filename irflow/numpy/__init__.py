"""NumPy's names on tensors: run at once outside of `irf.jit`, traced inside.

All of the array API standard, and NumPy's everyday names; `dir(irflow.numpy)` lists them.
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
from irflow.frontend.conversion import asarray
from irflow.frontend.tensor import Tensor as ndarray
from irflow.numpy import fft, linalg
from irflow.numpy.comparing import (
    allclose,
    array_equal,
    array_equiv,
    isclose,
    isneginf,
    isposinf,
    nan_to_num,
)
from irflow.numpy.complex_parts import (
    angle,
    conj,
    conjugate,
    imag,
    iscomplex,
    isreal,
    real,
)
from irflow.numpy.counting import (
    bincount,
    digitize,
    histogram,
    histogram_bin_edges,
)
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
from irflow.numpy.data_types import (
    can_cast,
    finfo,
    iinfo,
    iscomplexobj,
    isdtype,
    isrealobj,
    promote_types,
    result_type,
)
from irflow.numpy.diagonals import (
    diag,
    diagflat,
    diagonal,
    trace,
    tri,
)
from irflow.numpy.differences import (
    diff,
    ediff1d,
    gradient,
    interp,
    trapezoid,
)
from irflow.numpy.elementwise import clip, float_power, positive, round, where
from irflow.numpy.elementwise import table as _table
from irflow.numpy.functions import (
    bitwise_count,
    deg2rad,
    degrees,
    divmod,
    fabs,
    fix,
    fmax,
    fmin,
    frexp,
    gcd,
    heaviside,
    lcm,
    ldexp,
    logaddexp2,
    modf,
    rad2deg,
    radians,
    sinc,
    spacing,
    unwrap,
)
from irflow.numpy.grids import (
    bartlett,
    blackman,
    broadcast_shapes,
    diag_indices,
    geomspace,
    hamming,
    hanning,
    indices,
    ix_,
    kaiser,
    logspace,
    ravel_multi_index,
    tril_indices,
    tril_indices_from,
    triu_indices,
    triu_indices_from,
    unravel_index,
)
from irflow.numpy.joining import (
    append,
    array_split,
    atleast_1d,
    atleast_2d,
    atleast_3d,
    block,
    column_stack,
    concat,
    concatenate,
    dsplit,
    dstack,
    hsplit,
    hstack,
    row_stack,
    split,
    stack,
    unstack,
    vsplit,
    vstack,
)
from irflow.numpy.known_values import (
    argwhere,
    flatnonzero,
    intersect1d,
    isin,
    nonzero,
    setdiff1d,
    setxor1d,
    union1d,
    unique,
    unique_all,
    unique_counts,
    unique_inverse,
    unique_values,
)
from irflow.numpy.manipulation import (
    astype,
    broadcast_arrays,
    broadcast_to,
    copy,
    expand_dims,
    flip,
    matrix_transpose,
    moveaxis,
    ndim,
    permute_dims,
    ravel,
    repeat,
    reshape,
    roll,
    shape,
    size,
    squeeze,
    swapaxes,
    take,
    take_along_axis,
    tile,
    transpose,
    tril,
    triu,
)
from irflow.numpy.namespace_info import SUPPORTED_VERSIONS, NamespaceInfo
from irflow.numpy.nan_statistics import (
    nanargmax,
    nanargmin,
    nancumprod,
    nancumsum,
    nanmax,
    nanmean,
    nanmin,
    nanprod,
    nanstd,
    nansum,
    nanvar,
)
from irflow.numpy.padding import (
    pad,
)
from irflow.numpy.placement import put_along_axis
from irflow.numpy.polynomials import (
    polyadd,
    polyder,
    polyfit,
    polyint,
    polymul,
    polysub,
    polyval,
    vander,
)
from irflow.numpy.products import (
    cross,
    dot,
    dot_general,
    einsum,
    inner,
    matmul,
    multi_dot,
    outer,
    tensordot,
    vdot,
    vecdot,
)
from irflow.numpy.quantiles import (
    median,
    nanmedian,
    nanpercentile,
    nanquantile,
    percentile,
    quantile,
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
from irflow.numpy.selecting import (
    choose,
    compress,
    delete,
    extract,
    fliplr,
    flipud,
    insert,
    lexsort,
    piecewise,
    resize,
    rollaxis,
    rot90,
    select,
    trim_zeros,
)
from irflow.numpy.signals import (
    convolve,
    correlate,
    kron,
    matvec,
    vecmat,
)
from irflow.numpy.statistics import (
    all,
    any,
    argmax,
    argmin,
    average,
    corrcoef,
    count_nonzero,
    cov,
    max,
    mean,
    min,
    prod,
    ptp,
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
euler_gamma = 0.5772156649015329
newaxis = None

__array_namespace_info__ = NamespaceInfo
__array_api_version__ = SUPPORTED_VERSIONS[-1]

amax, amin = max, min
around = round
_elementwise = _table()
globals().update(_elementwise)

__all__ = [
    "NamespaceInfo", "SUPPORTED_VERSIONS", "all", "allclose", "amax", "amin", "angle", "any",
    "append", "arange", "argmax", "argmin", "argsort", "argwhere", "around", "array", "array_equal",
    "array_equiv", "array_split", "asarray", "astype", "atleast_1d", "atleast_2d", "atleast_3d",
    "average", "bartlett", "bf16", "bfloat16", "bincount", "bitwise_count", "blackman", "block",
    "bool", "bool_", "broadcast_arrays", "broadcast_shapes", "broadcast_to", "can_cast", "choose",
    "clip", "column_stack", "complex128", "complex64", "compress", "concat", "concatenate", "conj",
    "conjugate", "convolve", "copy", "corrcoef", "correlate", "count_nonzero", "cov", "cross",
    "cumprod", "cumsum", "cumulative_prod", "cumulative_sum", "deg2rad", "degrees", "delete",
    "diag", "diag_indices", "diagflat", "diagonal", "diff", "digitize", "divmod", "dot",
    "dot_general", "dsplit", "dstack", "e", "ediff1d", "einsum", "empty", "empty_like",
    "euler_gamma", "expand_dims", "extract", "eye", "f16", "f32", "f64", "fabs", "fft", "finfo",
    "fix", "flatnonzero", "flip", "fliplr", "flipud", "float16", "float32", "float64",
    "float_power", "fmax", "fmin", "frexp", "from_dlpack", "full", "full_like", "gcd", "geomspace",
    "gradient", "hamming", "hanning", "heaviside", "histogram", "histogram_bin_edges", "hsplit",
    "hstack", "i16", "i32", "i64", "i8", "identity", "iinfo", "imag", "indices", "inf", "inner",
    "insert", "int16", "int32", "int64", "int8", "interp", "intersect1d", "isclose", "iscomplex",
    "iscomplexobj", "isdtype", "isin", "isneginf", "isposinf", "isreal", "isrealobj", "ix_",
    "kaiser", "kron", "lcm", "ldexp", "lexsort", "linalg", "linspace", "logaddexp2", "logspace",
    "matmul", "matrix_transpose", "matvec", "max", "mean", "median", "meshgrid", "min", "modf",
    "moveaxis", "multi_dot", "nan", "nan_to_num", "nanargmax", "nanargmin", "nancumprod",
    "nancumsum", "nanmax", "nanmean", "nanmedian", "nanmin", "nanpercentile", "nanprod",
    "nanquantile", "nanstd", "nansum", "nanvar", "ndarray", "ndim", "newaxis", "nonzero", "ones",
    "ones_like", "outer", "pad", "percentile", "permute_dims", "pi", "piecewise", "polyadd",
    "polyder", "polyfit", "polyint", "polymul", "polysub", "polyval", "positive", "prod",
    "promote_types", "ptp", "put_along_axis", "quantile", "rad2deg", "radians", "ravel",
    "ravel_multi_index", "real", "repeat", "reshape", "resize", "result_type", "roll", "rollaxis",
    "rot90", "round", "row_stack", "searchsorted", "select", "setdiff1d", "setxor1d", "shape",
    "sinc", "size", "sort", "spacing", "split", "squeeze", "stack", "std", "sum", "swapaxes",
    "take", "take_along_axis", "tensordot", "tile", "top_k", "trace", "transpose", "trapezoid",
    "tri", "tril", "tril_indices", "tril_indices_from", "trim_zeros", "triu", "triu_indices",
    "triu_indices_from", "u16", "u32", "u64", "u8", "uint16", "uint32", "uint64", "uint8",
    "union1d", "unique", "unique_all", "unique_counts", "unique_inverse", "unique_values",
    "unravel_index", "unstack", "unwrap", "vander", "var", "vdot", "vecdot", "vecmat", "vsplit",
    "vstack", "where", "zeros", "zeros_like",
]  # fmt: skip
__all__ += sorted(_elementwise)
