"""Algebraic rules of arithmetic rows.

Every rule is exact for every float, infinities, NaN and signed zeros included, unless its text says
otherwise. So `x * 0` and `x - x` are left alone in floats, and `x + 0.0`, which turns -0.0 into
0.0.
"""

# ruff: noqa: ARG001 -- all rules have one signature, needed or not

from __future__ import annotations

import math

import numpy as np

from irflow.ir.graph import Node, Value
from irflow.ops.elementwise import Elementwise
from irflow.transform import NoMatch, RuleBuilder, rewrites
from irflow_passes.rules.match import is_constant, is_exact, made_by_row, uniform

_NON_NEGATIVE = ("absolute", "square", "exp", "exp2", "sqrt", "cosh", "sigmoid")
_REASSOCIATED = ("add", "multiply", "bitwise_and", "bitwise_or", "bitwise_xor")
_EXACT_IN_FLOATS = ("maximum", "minimum", "logical_and", "logical_or", "logical_xor")


def _is(value: Value, number: float) -> bool:
    known = uniform(value)
    return known is not None and bool(known == number)


def _is_float_negative_zero(value: Value) -> bool:
    known = uniform(value) if value.type.dtype.is_float else None
    return known is not None and bool(known == 0) and bool(np.signbit(known))


@rewrites("add")
def add_zero(node: Node, build: RuleBuilder) -> Value | NoMatch | None:
    """`x + 0` is x for integers, `x + -0.0` for floats."""
    x, y = node.inputs
    if not _is(y, 0):
        return None
    if is_exact(x) or _is_float_negative_zero(y):
        return x
    return NoMatch("x + 0.0 differs from x at -0.0")


@rewrites("subtract")
def subtract_zero(node: Node, build: RuleBuilder) -> Value | None:
    """`x - 0` is x."""
    x, y = node.inputs
    if not _is(y, 0) or not (x.type.dtype.is_integer or x.type.dtype.is_float):
        return None
    return None if _is_float_negative_zero(y) else x


@rewrites("subtract")
def subtract_itself(node: Node, build: RuleBuilder) -> Value | None:
    """`x - x` is 0 for integers."""
    x, y = node.inputs
    return build.full(0, node.output.type) if x is y and is_exact(x) else None


@rewrites("subtract")
def subtract_integer_constant(node: Node, build: RuleBuilder) -> Value | None:
    """`x - c` is `x + -c` for integers, which wrap around."""
    x, y = node.inputs
    known = uniform(y)
    if known is None or not x.type.dtype.is_integer:
        return None
    with np.errstate(over="ignore"):
        return build.row("add", x, build.full(np.negative(known), y.type))


@rewrites("subtract")
def subtract_from_zero(node: Node, build: RuleBuilder) -> Value | None:
    """`0 - x` is `-x` for integers, `-0.0 - x` for floats."""
    zero, x = node.inputs
    if not _is(zero, 0) or not (x.type.dtype.is_integer or _is_float_negative_zero(zero)):
        return None
    return build.row("negative", x)


@rewrites("multiply")
def multiply_by_one(node: Node, build: RuleBuilder) -> Value | None:
    """`x * 1` is x."""
    x, y = node.inputs
    return x if _is(y, 1) and x.type.dtype.kind != "complex" else None


@rewrites("multiply")
def multiply_by_zero(node: Node, build: RuleBuilder) -> Value | NoMatch | None:
    """`x * 0` is 0 for integers."""
    x, y = node.inputs
    if not _is(y, 0):
        return None
    return y if is_exact(x) else NoMatch("x * 0.0 is not 0.0 for infinities, NaN and negative x")


@rewrites("multiply")
def multiply_by_minus_one(node: Node, build: RuleBuilder) -> Value | None:
    """`x * -1` is `-x`."""
    x, y = node.inputs
    if x.type.dtype.kind not in ("int", "float") or not _is(y, -1):
        return None
    return build.row("negative", x)


@rewrites("multiply")
def multiply_by_itself(node: Node, build: RuleBuilder) -> Value | None:
    """`x * x` is `square x`."""
    x, y = node.inputs
    return build.row("square", x) if x is y else None


@rewrites("divide")
def divide_by_one(node: Node, build: RuleBuilder) -> Value | None:
    """`x / 1` is x."""
    x, y = node.inputs
    return x if _is(y, 1) and x.type.dtype.is_float else None


@rewrites("divide")
def divide_by_power_of_two(node: Node, build: RuleBuilder) -> Value | NoMatch | None:
    """`x / 8` is `x * 0.125`: the reciprocal of a power of two is exact."""
    x, y = node.inputs
    known = uniform(y)
    if known is None or not x.type.dtype.is_float:
        return None
    number = float(known)
    if not math.isfinite(number) or abs(math.frexp(number)[0]) != 0.5:
        return NoMatch("the reciprocal of the divisor is not exact")
    inverse = np.asarray(1.0 / number).astype(x.type.dtype.numpy)
    smallest = 2.0 * float(np.finfo(np.float16).tiny) if x.type.dtype.bits == 16 else 2.0**-126
    # A subnormal reciprocal may be flushed to zero by some hardware.
    if not np.isfinite(inverse) or abs(float(inverse)) < smallest:
        return NoMatch("the reciprocal of the divisor is out of range")
    return build.row("multiply", x, build.full(inverse, y.type))


@rewrites("negative")
def negate_twice(node: Node, build: RuleBuilder) -> Value | None:
    """`-(-x)` is x."""
    inner = made_by_row(node.inputs[0], "negative")
    return inner.inputs[0] if inner else None


@rewrites("add")
def add_negative(node: Node, build: RuleBuilder) -> Value | None:
    """`x + -y` is `x - y`, `-x + y` is `y - x`."""
    x, y = node.inputs
    inner = made_by_row(y, "negative")
    if inner is not None:
        return build.row("subtract", x, inner.inputs[0])
    inner = made_by_row(x, "negative")
    return build.row("subtract", y, inner.inputs[0]) if inner and not is_constant(y) else None


@rewrites("subtract")
def subtract_negative(node: Node, build: RuleBuilder) -> Value | None:
    """`x - (-y)` is `x + y`."""
    x, y = node.inputs
    inner = made_by_row(y, "negative")
    return build.row("add", x, inner.inputs[0]) if inner else None


@rewrites("multiply", "divide")
def cancel_signs(node: Node, build: RuleBuilder) -> Value | None:
    """`-x * -y` is `x * y`, `-x / -y` is `x / y`."""
    left = made_by_row(node.inputs[0], "negative")
    right = made_by_row(node.inputs[1], "negative")
    if left is None or right is None:
        return None
    return build(node.op, left.inputs[0], right.inputs[0])


@rewrites("square", "absolute")
def drop_sign(node: Node, build: RuleBuilder) -> Value | None:
    """`square(-x)` is `square(x)`; likewise for `absolute`, and of an absolute value."""
    inner = made_by_row(node.inputs[0], "negative", "absolute")
    if inner is None or node.output.type.dtype.kind == "uint":
        return None
    # The magnitude of a complex number has another type than the number.
    return build(node.op, inner.inputs[0]) if not inner.has_complex else None


@rewrites("absolute")
def absolute_of_non_negative(node: Node, build: RuleBuilder) -> Value | None:
    """`absolute` of what has no sign, but for that of NaN."""
    x = node.inputs[0]
    if x.type.dtype.kind == "uint":
        return x
    return x if x.type.dtype.is_float and made_by_row(x, *_NON_NEGATIVE) else None


@rewrites("power")
def power_of_constant(node: Node, build: RuleBuilder) -> Value | NoMatch | None:
    """`x ** 1` is x, `x ** 2` is `square x`, `x ** 0.5` of non-negative x is `sqrt x`.

    The square is rounded correctly, `power` of the platform perhaps not; they agree within one unit
    in the last place. `x ** -1` is `reciprocal x` in the same sense.
    """
    x, y = node.inputs
    known = uniform(y)
    if known is None or not x.type.dtype.is_float:
        return None
    if known == 1:
        return x
    if known == 2:
        return build.row("square", x)
    if known == -1:
        return build.row("reciprocal", x)
    if known == 0.5:
        if made_by_row(x, *_NON_NEGATIVE):
            return build.row("sqrt", x)
        return NoMatch("sqrt differs from ** 0.5 at -0.0 and -inf")
    return None


@rewrites(*_REASSOCIATED, *_EXACT_IN_FLOATS)
def merge_constants(node: Node, build: RuleBuilder) -> Value | NoMatch | None:
    """`(x + a) + b` is `x + (a + b)` for integers, and for rows that do not round."""
    assert isinstance(node.op, Elementwise)
    row = node.op.row
    y = node.inputs[1]
    inner = made_by_row(node.inputs[0], row.name)
    if inner is None or not is_constant(y) or not is_constant(inner.inputs[1]):
        return None
    if not is_exact(y) and row.name not in _EXACT_IN_FLOATS:
        return NoMatch("float constants are not reassociated")
    return build(node.op, inner.inputs[0], build(node.op, inner.inputs[1], y))


RULES = (
    add_zero,
    subtract_zero,
    subtract_itself,
    subtract_integer_constant,
    subtract_from_zero,
    multiply_by_one,
    multiply_by_zero,
    multiply_by_minus_one,
    multiply_by_itself,
    divide_by_one,
    divide_by_power_of_two,
    negate_twice,
    add_negative,
    subtract_negative,
    cancel_signs,
    drop_sign,
    absolute_of_non_negative,
    power_of_constant,
    merge_constants,
)
