"""The table of scalar functions.

`irflow.scalars.tanh` is a row, and is called like a function: `scalars.tanh(x)`.
`find("tanh")` looks it up by name, `ROWS` holds all rows.
"""

# What a backend must have, everything else expanding into it (`Scalar.expand`):
#
#   all types       where equal less add multiply negative
#   floats          divide floor fmod signbit power sqrt exp log sin cos arctan
#   integers        floor_divide fmod power left_shift right_shift
#   bools and bits  bitwise_and bitwise_or bitwise_xor invert
#   rarely needed   nextafter, multiply_high (random bits)
#   complex types   real imag conjugate complex_of
#
# Expansions share subexpressions: who expands must give each a name, or
# the code grows exponentially.

from collections.abc import Mapping
from types import MappingProxyType

from irflow.scalars.activation import (
    relu,
    sigmoid,
    softplus,
)
from irflow.scalars.arithmetic import (
    absolute,
    add,
    ceil,
    copysign,
    divide,
    floor,
    floor_divide,
    fmod,
    maximum,
    minimum,
    multiply,
    negative,
    nextafter,
    reciprocal,
    remainder,
    rint,
    sign,
    square,
    subtract,
    trunc,
)
from irflow.scalars.bitwise import (
    bitwise_and,
    bitwise_or,
    bitwise_xor,
    invert,
    left_shift,
    multiply_high,
    right_shift,
)
from irflow.scalars.comparison import (
    equal,
    greater,
    greater_equal,
    isfinite,
    isinf,
    isnan,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    not_equal,
    signbit,
    where,
)
from irflow.scalars.complex_parts import complex_of, conjugate, imag, real
from irflow.scalars.elementary import (
    arccos,
    arccosh,
    arcsin,
    arcsinh,
    arctan,
    arctan2,
    arctanh,
    cbrt,
    cos,
    cosh,
    exp,
    exp2,
    expm1,
    hypot,
    log,
    log1p,
    log2,
    log10,
    logaddexp,
    power,
    rsqrt,
    sin,
    sinh,
    sqrt,
    tan,
    tanh,
)
from irflow.scalars.row import KINDS, ROWS, Literal, Operand, Scalar, find, scalar
from irflow.scalars.special_functions import (
    digamma,
    erf,
    erfc,
    erfinv,
    gelu,
    gelu_slope,
    lgamma,
    normal_cdf,
    normal_pdf,
)

OWN: Mapping[str, Scalar] = MappingProxyType(dict(ROWS))
"""The rows of irflow itself, by name; others may add to `ROWS`."""

__all__ = [
    "KINDS",
    "OWN",
    "ROWS",
    "Literal",
    "Operand",
    "Scalar",
    "find",
    "scalar",
    # activation
    "relu",
    "sigmoid",
    "softplus",
    # arithmetic
    "absolute",
    "add",
    "ceil",
    "copysign",
    "divide",
    "floor",
    "floor_divide",
    "fmod",
    "maximum",
    "minimum",
    "multiply",
    "negative",
    "nextafter",
    "reciprocal",
    "remainder",
    "rint",
    "sign",
    "square",
    "subtract",
    "trunc",
    # bitwise
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "invert",
    "left_shift",
    "multiply_high",
    "right_shift",
    # comparison
    "equal",
    "greater",
    "greater_equal",
    "isfinite",
    "isinf",
    "isnan",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "not_equal",
    "signbit",
    "where",
    # complex parts
    "complex_of",
    "conjugate",
    "imag",
    "real",
    # elementary
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "cbrt",
    "cos",
    "cosh",
    "exp",
    "exp2",
    "expm1",
    "hypot",
    "log",
    "log10",
    "log1p",
    "log2",
    "logaddexp",
    "power",
    "rsqrt",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    # special functions
    "digamma",
    "erf",
    "erfc",
    "erfinv",
    "gelu",
    "gelu_slope",
    "lgamma",
    "normal_cdf",
    "normal_pdf",
]
