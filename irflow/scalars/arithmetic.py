"""Arithmetic, rounding, and what depends on sign and order only.

Integers wrap around; an integer division by zero gives 0. The expansion of `floor_divide` is
for floats only; on integers it is a primitive.
"""

# ruff: noqa: ARG005 -- all gradient rules have one signature, needed or not

from __future__ import annotations

from typing import Any

import numpy as np

from irflow.scalars.comparison import equal, isinf, not_equal, signbit, where
from irflow.scalars.meaning import POSITIVE, QUOTIENT, REAL, highest, lowest, rounded
from irflow.scalars.row import Scalar, scalar

# ----------------------------------------------------------------------------------- the four rules

add: Scalar = scalar(
    "add",
    np.add,
    "number",
    grad=(lambda g, x, y, out: g, lambda g, x, y, out: g),
    identity=lambda dtype: 0,
    commutative=True,
    associative=True,
    domain=REAL * 2,
)
subtract: Scalar = scalar(
    "subtract",
    np.subtract,
    "number",
    grad=(lambda g, x, y, out: g, lambda g, x, y, out: -g),
    expand=lambda x, y: x + (-y),
    domain=REAL * 2,
)
multiply: Scalar = scalar(
    "multiply",
    np.multiply,
    "number",
    grad=(lambda g, x, y, out: g * y, lambda g, x, y, out: g * x),
    identity=lambda dtype: 1,
    commutative=True,
    associative=True,
    domain=REAL * 2,
)
divide: Scalar = scalar(
    "divide",
    np.divide,
    "inexact",
    grad=(lambda g, x, y, out: g / y, lambda g, x, y, out: -g * out / y),
    domain=REAL + POSITIVE,
    flops=4,
)
negative: Scalar = scalar("negative", np.negative, "number", grad=lambda g, x, out: -g, domain=REAL)
reciprocal: Scalar = scalar(
    "reciprocal",
    rounded(np.reciprocal),
    "inexact",
    grad=lambda g, x, out: -g * out * out,
    expand=lambda x: 1 / x,
    domain=POSITIVE,
    flops=4,
)
square: Scalar = scalar(
    "square",
    np.square,
    "number",
    grad=lambda g, x, out: 2 * g * x,
    expand=lambda x: x * x,
    domain=REAL,
)

# --------------------------------------------------------------------------- division and remainder


def _has_other_sign(rest: Any, y: Any) -> Any:
    return not_equal(rest, 0) & ((rest < 0) ^ (y < 0))


def _floor_divide(x: Any, y: Any) -> Any:
    """NumPy's steps: the exact remainder first, so that the quotient rounds once."""
    rest = fmod(x, y)
    quotient = (x - rest) / y
    quotient = where(_has_other_sign(rest, y), quotient - 1, quotient)
    nearest = floor(quotient)
    nearest = where(quotient - nearest > 0.5, nearest + 1, nearest)
    nearest = where(equal(quotient, 0), copysign(quotient, x / y), nearest)
    return where(equal(y, 0), x / y, nearest)


def _remainder(x: Any, y: Any) -> Any:
    rest = fmod(x, y)
    size = absolute(rest)
    zero = where(y < 0, -size, size)
    rest = where(_has_other_sign(rest, y), rest + y, rest)
    return where(equal(size, 0), zero, rest)


floor_divide: Scalar = scalar(
    "floor_divide",
    rounded(np.floor_divide),
    "real_number",
    expand=_floor_divide,
    domain=QUOTIENT,
    flops=6,
)
remainder: Scalar = scalar(
    "remainder",
    rounded(np.remainder),
    "real_number",
    grad=(lambda g, x, y, out: g, lambda g, x, y, out: -g * floor(x / y)),
    expand=_remainder,
    domain=QUOTIENT,
    flops=8,
)
fmod: Scalar = scalar(
    "fmod",
    rounded(np.fmod),
    "real_number",
    grad=(lambda g, x, y, out: g, lambda g, x, y, out: -g * trunc(x / y)),
    domain=QUOTIENT,
    flops=6,
)

# ----------------------------------------------------------------------------------- sign and order


def _sign(x: Any) -> Any:
    # Without a literal -1, which unsigned integers do not have.
    one = where((x < 0) | (x > 0), 1, absolute(x))
    return where(x < 0, -one, one)


def _share(g: Any, wins: Any, x: Any, y: Any) -> Any:
    """The whole of `g` where this operand won, half where it tied."""
    return where(wins, g, where(equal(x, y), 0.5 * g, 0))


absolute: Scalar = scalar(
    "absolute",
    np.absolute,
    "number",
    result="real",
    grad=lambda g, x, out: g * sign(x),
    expand=lambda x: where(x > 0, x, 0 - x),
    domain=REAL,
)
sign: Scalar = scalar("sign", rounded(np.sign), "number", expand=_sign, domain=REAL, flops=2)
# NaN wins over every number.
maximum: Scalar = scalar(
    "maximum",
    np.maximum,
    "real",
    grad=(lambda g, x, y, out: _share(g, x > y, x, y), lambda g, x, y, out: _share(g, y > x, x, y)),
    expand=lambda x, y: where((x >= y) | not_equal(x, x), x, y),
    identity=lowest,
    commutative=True,
    associative=True,
    domain=REAL * 2,
)
minimum: Scalar = scalar(
    "minimum",
    np.minimum,
    "real",
    grad=(lambda g, x, y, out: _share(g, x < y, x, y), lambda g, x, y, out: _share(g, y < x, x, y)),
    expand=lambda x, y: where((x <= y) | not_equal(x, x), x, y),
    identity=highest,
    commutative=True,
    associative=True,
    domain=REAL * 2,
)
copysign: Scalar = scalar(
    "copysign",
    np.copysign,
    "float",
    grad=(lambda g, x, y, out: where(signbit(x) ^ signbit(y), -g, g), None),
    expand=lambda x, y: where(signbit(x) ^ signbit(y), -x, x),
    domain=REAL * 2,
)
nextafter: Scalar = scalar("nextafter", np.nextafter, "float", domain=REAL * 2)

# ----------------------------------------------------------------------------------------- rounding


def _rint(x: Any) -> Any:
    """Ties go to the even neighbour. Numbers without a fraction, infinities and NaN stay."""
    below = floor(x)
    fraction = x - below
    is_odd = not_equal(floor(0.5 * below) * 2, below)
    up = (fraction > 0.5) | (equal(fraction, 0.5) & is_odd)
    return copysign(where(equal(x, below) | isinf(x), x, where(up, below + 1, below)), x)


floor: Scalar = scalar("floor", np.floor, "float", domain=REAL)
ceil: Scalar = scalar("ceil", np.ceil, "float", expand=lambda x: -floor(-x), domain=REAL)
trunc: Scalar = scalar(
    "trunc", np.trunc, "float", expand=lambda x: where(x < 0, ceil(x), floor(x)), domain=REAL
)
rint: Scalar = scalar("rint", np.rint, "inexact", expand=_rint, domain=REAL)
