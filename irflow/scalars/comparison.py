"""Comparisons, tests of a number's class, logic, and the choice between two values."""

# ruff: noqa: ARG005 -- all gradient rules have one signature, needed or not

from __future__ import annotations

import numpy as np

from irflow.scalars.meaning import BIT, REAL, rounded
from irflow.scalars.row import Scalar, scalar

# ------------------------------------------------------------------------------------------- choice

where: Scalar = scalar(
    "where",
    rounded(np.where),
    "any",
    grad=(None, lambda g, c, x, y, out: where(c, g, 0), lambda g, c, x, y, out: where(c, 0, g)),
    domain=BIT + REAL * 2,
    selects=True,
)

# -------------------------------------------------------------------------------------- comparisons
# All are false for NaN, except not_equal, which is true.

equal: Scalar = scalar("equal", np.equal, "any", result="bool", domain=REAL * 2, commutative=True)
not_equal: Scalar = scalar(
    "not_equal",
    np.not_equal,
    "any",
    result="bool",
    expand=lambda x, y: ~equal(x, y),
    domain=REAL * 2,
    commutative=True,
)
less: Scalar = scalar("less", np.less, "real", result="bool", domain=REAL * 2)
less_equal: Scalar = scalar(
    "less_equal",
    np.less_equal,
    "real",
    result="bool",
    expand=lambda x, y: less(x, y) | equal(x, y),
    domain=REAL * 2,
)
greater: Scalar = scalar(
    "greater",
    np.greater,
    "real",
    result="bool",
    expand=lambda x, y: less(y, x),
    domain=REAL * 2,
)
greater_equal: Scalar = scalar(
    "greater_equal",
    np.greater_equal,
    "real",
    result="bool",
    expand=lambda x, y: less(y, x) | equal(x, y),
    domain=REAL * 2,
)

# ------------------------------------------------------------------------------- classes of numbers

signbit: Scalar = scalar("signbit", np.signbit, "float", result="bool", domain=REAL)
isnan: Scalar = scalar(
    "isnan", np.isnan, "inexact", result="bool", expand=lambda x: not_equal(x, x), domain=REAL
)
isinf: Scalar = scalar(
    "isinf",
    np.isinf,
    "inexact",
    result="bool",
    expand=lambda x: equal(x, np.inf) | equal(x, -np.inf),
    domain=REAL,
)
isfinite: Scalar = scalar(
    "isfinite",
    np.isfinite,
    "inexact",
    result="bool",
    expand=lambda x: less(x, np.inf) & less(-np.inf, x),
    domain=REAL,
)

# -------------------------------------------------------------------------------------------- logic

logical_and: Scalar = scalar(
    "logical_and",
    np.logical_and,
    "bool",
    expand=lambda x, y: x & y,
    identity=lambda dtype: True,
    commutative=True,
    associative=True,
    domain=BIT * 2,
)
logical_or: Scalar = scalar(
    "logical_or",
    np.logical_or,
    "bool",
    expand=lambda x, y: x | y,
    identity=lambda dtype: False,
    commutative=True,
    associative=True,
    domain=BIT * 2,
)
logical_xor: Scalar = scalar(
    "logical_xor",
    np.logical_xor,
    "bool",
    expand=lambda x, y: x ^ y,
    identity=lambda dtype: False,
    commutative=True,
    associative=True,
    domain=BIT * 2,
)
logical_not: Scalar = scalar("logical_not", np.logical_not, "bool", expand=lambda x: ~x, domain=BIT)
