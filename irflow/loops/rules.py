"""The rules of the simplifier: small functions in a table, true for all values of variables.

A rule takes an `Apply` whose parts are simple already and what is known of variables, and returns a
simpler expression or None. Integers wrap, so a rule that moves a division over a sum asks whether
the sum can overflow. Floats are left alone except where the result is the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from irflow import dtypes
from irflow.loops.bounds import Bounds, Interval, interval, is_exact, limits
from irflow.loops.evaluate import convert
from irflow.loops.nodes import Apply, Broadcast, Cast, Const, Expr, Select
from irflow.scalars import Literal

Rule = Callable[[Apply, Bounds], Expr | None]

# Rows that IEEE 754 defines to the last bit, so that folding them gives what every machine gives.
EXACT_ON_FLOATS = frozenset(
    [
        *("add", "subtract", "multiply", "divide", "sqrt", "negative", "absolute", "copysign"),
        *("floor", "ceil", "trunc", "rint", "minimum", "maximum", "where", "signbit"),
        *("isnan", "isinf", "isfinite", "equal", "not_equal"),
        *("less", "less_equal", "greater", "greater_equal"),
    ]
)


def is_literal(expr: Expr, value: Literal) -> bool:
    """Whether `expr` is the literal `value`, in every lane; the sign of zero counts."""
    inner = expr.value if isinstance(expr, Broadcast) else expr
    if not isinstance(inner, Const) or inner.value != value:
        return False
    return value != 0 or not inner.dtype.is_float or str(float(inner.value)) == str(float(value))


def literal(value: Literal, like: Expr) -> Expr:
    """`value` with the type and lanes of another expression."""
    result = Const(value, like.dtype)
    return result if like.lanes == 1 else Broadcast(result, like.lanes)


def from_numpy(value: Any, like: Expr) -> Expr:
    """A literal from a NumPy scalar."""
    return literal(float(value) if like.dtype.is_float else np.asarray(value).item(), like)


# ------------------------------------------------------------------------------------------ folding


def fold(expr: Apply, _: Bounds) -> Expr | None:
    """Rows of literals, by their NumPy meaning."""
    constants = []
    for arg in expr.args:
        value = arg.value if isinstance(arg, Broadcast) else arg
        if not isinstance(value, Const):
            return None
        constants.append(value)
    if expr.dtype.kind == "complex":
        return None
    if any(a.dtype.is_float for a in constants) and expr.row.name not in EXACT_ON_FLOATS:
        return None
    values = [a.dtype.numpy.type(a.value) for a in constants]
    return from_numpy(expr.row.numpy(*values), expr)


def fold_cast(expr: Cast) -> Expr | None:
    """A cast of a literal, or to the type that the value has."""
    if expr.value.dtype is expr.dtype:
        return expr.value
    inner = expr.value.value if isinstance(expr.value, Broadcast) else expr.value
    if not isinstance(inner, Const) or expr.dtype.kind == "complex":
        return None
    return from_numpy(convert(inner.dtype.numpy.type(inner.value), expr.dtype), expr)


def fold_select(expr: Select) -> Expr | None:
    """A choice that is made, or that makes no difference."""
    if is_literal(expr.condition, True):
        return expr.then
    if is_literal(expr.condition, False):
        return expr.otherwise
    return expr.then if expr.then == expr.otherwise else None


# ------------------------------------------------------------------------------------ neutral terms


def neutral(left: Literal | None, right: Literal | None) -> Rule:
    """`left` op x, and x op `right`, are x."""

    def rule(expr: Apply, _: Bounds) -> Expr | None:
        a, b = expr.args
        if right is not None and is_literal(b, right):
            return a
        return b if left is not None and is_literal(a, left) else None

    return rule


def add_zero(expr: Apply, _: Bounds) -> Expr | None:
    """Adding 0 changes nothing; for floats only with the zero that is negative."""
    a, b = expr.args
    zero = -0.0 if expr.dtype.is_float else 0
    if is_literal(b, zero):
        return a
    return b if is_literal(a, zero) else None


def all_ones(expr: Apply, _: Bounds) -> Expr | None:
    """The number of ones only: neutral for `bitwise_and`, absorbing for `bitwise_or`."""
    ones = True if expr.dtype is dtypes.bool_ else limits(expr.dtype).high
    signed = -1 if expr.dtype.kind == "int" else ones
    for this, other in (expr.args, expr.args[::-1]):
        if is_literal(this, signed):
            return other if expr.row.name == "bitwise_and" else this
    return None


def absorbing(value: Literal, dtypes_: str) -> Rule:
    """`value` op x, and x op `value`, are `value`, for types of these kinds."""

    def rule(expr: Apply, _: Bounds) -> Expr | None:
        if expr.dtype.kind not in dtypes_.split():
            return None
        return literal(value, expr) if any(is_literal(a, value) for a in expr.args) else None

    return rule


def zero_over(expr: Apply, _: Bounds) -> Expr | None:
    """0 // x and 0 % x are 0, also where x is 0."""
    is_zero = expr.dtype.is_integer and is_literal(expr.args[0], 0)
    return literal(0, expr) if is_zero else None


def same_operands(result: Literal | None, kinds: str) -> Rule:
    """The result of x op x, or x where that is None, for x of these kinds."""

    def rule(expr: Apply, _: Bounds) -> Expr | None:
        a, b = expr.args
        if a != b or a.dtype.kind not in kinds.split():
            return None
        return a if result is None else literal(result, expr)

    return rule


def twice(expr: Apply, _: Bounds) -> Expr | None:
    """A function that is its own inverse, applied twice."""
    (inner,) = expr.args
    return inner.args[0] if isinstance(inner, Apply) and inner.row is expr.row else None


def where_rule(expr: Apply, _: Bounds) -> Expr | None:
    """The row `where` with a known condition."""
    return fold_select(Select(*expr.args))


# -------------------------------------------------------------------------------- literals together


def literal_last(expr: Apply, _: Bounds) -> Expr | None:
    """3 + x is x + 3, so that fewer rules are needed; NaN payloads do not count."""
    a, b = expr.args
    if isinstance(a, Const) and not isinstance(b, Const) and expr.dtype.is_integer:
        return Apply(expr.row, (b, a))
    return None


def regroup(expr: Apply, _: Bounds) -> Expr | None:
    """(x op c) op d is x op (c op d) for wrapping integers."""
    a, b = expr.args
    if not expr.dtype.is_integer or not isinstance(b, Const):
        return None
    if isinstance(a, Apply) and a.row is expr.row and isinstance(a.args[1], Const):
        return Apply(expr.row, (a.args[0], _fold_two(expr, a.args[1], b)))
    return None


def _fold_two(expr: Apply, a: Expr, b: Expr) -> Expr:
    folded = fold(Apply(expr.row, (a, b)), {})
    assert folded is not None
    return folded


# ----------------------------------------------------------------------------------------- division


def _positive_divisor(expr: Apply) -> int:
    """The literal divisor of an i64 division, or 0."""
    divisor = expr.args[1]
    is_index = expr.dtype is dtypes.i64 and isinstance(divisor, Const)
    return max(int(divisor.value), 0) if is_index and isinstance(divisor, Const) else 0


def split_terms(expr: Expr) -> list[tuple[Expr | None, int]]:
    """A sum as (term, factor) pairs; None stands for the constant 1."""
    match expr:
        case Const(value):
            return [(None, int(value))]
        case Apply(row, (a, b)) if row.name == "add":
            return split_terms(a) + split_terms(b)
        case Apply(row, (a, b)) if row.name == "subtract":
            return split_terms(a) + [(t, -f) for t, f in split_terms(b)]
        case Apply(row, (a, Const(value))) if row.name == "multiply":
            return [(t, f * int(value)) for t, f in split_terms(a)]
        case _:
            return [(expr, 1)]


def join_terms(terms: list[tuple[Expr | None, int]]) -> Expr:
    """The sum of (term, factor) pairs."""
    total: Expr | None = None
    for term, factor in terms:
        product = (
            Const(factor, dtypes.i64) if term is None else term * factor if factor != 1 else term
        )
        total = product if total is None else total + product
    return total if total is not None else Const(0, dtypes.i64)


def _divide_sum(expr: Apply, known: Bounds) -> tuple[Expr, Expr] | None:
    """`(a*c*k + b)` by `c` as (a*k, b), where nothing can overflow and b is within 0 and c - 1."""
    divisor = _positive_divisor(expr)
    if not divisor or not is_exact(expr.args[0], known) or expr.lanes > 1:
        return None
    terms = split_terms(expr.args[0])
    whole = [(t, f // divisor) for t, f in terms if f % divisor == 0]
    rest = join_terms([(t, f) for t, f in terms if f % divisor])
    if not _is_within(interval(rest, known), divisor):
        return None
    return join_terms(whole), rest


def _is_within(values: Interval, divisor: int) -> bool:
    return values.is_exact and values.low >= 0 and values.high < divisor


def quotient_of_sum(expr: Apply, known: Bounds) -> Expr | None:
    """(a*c + b) // c is a, where 0 <= b < c."""
    parts = _divide_sum(expr, known)
    return parts and parts[0]


def remainder_of_sum(expr: Apply, known: Bounds) -> Expr | None:
    """(a*c + b) % c is b, where 0 <= b < c."""
    parts = _divide_sum(expr, known)
    return parts and parts[1]


def quotient_of_quotient(expr: Apply, _: Bounds) -> Expr | None:
    """(x // c) // d is x // (c*d)."""
    outer, inner = _positive_divisor(expr), expr.args[0]
    if not outer or not isinstance(inner, Apply) or inner.row is not expr.row:
        return None
    product = _positive_divisor(inner) * outer
    if not 0 < product < 2**63:
        return None
    return Apply(expr.row, (inner.args[0], Const(product, dtypes.i64)))


def remainder_of_remainder(expr: Apply, _: Bounds) -> Expr | None:
    """(x % c) % d is x % d, where d divides c."""
    outer, inner = _positive_divisor(expr), expr.args[0]
    if not outer or not isinstance(inner, Apply) or inner.row is not expr.row:
        return None
    divisor = _positive_divisor(inner)
    return (
        Apply(expr.row, (inner.args[0], expr.args[1])) if divisor and divisor % outer == 0 else None
    )


# ----------------------------------------------------------------------------------- from intervals


def by_bounds(decide: Callable[[Interval, Interval], bool | None]) -> Rule:
    """A comparison that the bounds of its operands decide."""

    def rule(expr: Apply, known: Bounds) -> Expr | None:
        a, b = expr.args
        if not a.dtype.is_integer:
            return None
        result = decide(interval(a, known), interval(b, known))
        return None if result is None else literal(result, expr)

    return rule


def _less(a: Interval, b: Interval) -> bool | None:
    if a.high < b.low:
        return True
    return False if a.low >= b.high else None


def _equal(a: Interval, b: Interval) -> bool | None:
    if a.high < b.low or b.high < a.low:
        return False
    return True if a.is_constant and b.is_constant and a.low == b.low else None


def _negate(value: bool | None) -> bool | None:
    return None if value is None else not value


def pick(is_minimum: bool) -> Rule:
    """A minimum or maximum that the bounds of its operands decide."""

    def rule(expr: Apply, known: Bounds) -> Expr | None:
        if not expr.dtype.is_integer:
            return None
        a, b = expr.args
        first, second = interval(a, known), interval(b, known)
        if first.high <= second.low:
            return a if is_minimum else b
        if second.high <= first.low:
            return b if is_minimum else a
        return None

    return rule


RULES: dict[str, tuple[Rule, ...]] = {
    "add": (fold, add_zero, literal_last, regroup),
    "subtract": (fold, neutral(None, 0), same_operands(0, "int uint")),
    "multiply": (fold, neutral(1, 1), absorbing(0, "int uint"), literal_last, regroup),
    "divide": (fold, neutral(None, 1)),
    "floor_divide": (fold, zero_over, quotient_of_sum, quotient_of_quotient),
    "remainder": (fold, zero_over, remainder_of_sum, remainder_of_remainder),
    "minimum": (fold, pick(True), same_operands(None, "bool int uint float")),
    "maximum": (fold, pick(False), same_operands(None, "bool int uint float")),
    "less": (fold, by_bounds(_less), same_operands(False, "bool int uint float")),
    "less_equal": (
        fold,
        by_bounds(lambda a, b: _negate(_less(b, a))),
        same_operands(True, "bool int uint"),
    ),
    "greater": (
        fold,
        by_bounds(lambda a, b: _less(b, a)),
        same_operands(False, "bool int uint float"),
    ),
    "greater_equal": (
        fold,
        by_bounds(lambda a, b: _negate(_less(a, b))),
        same_operands(True, "bool int uint"),
    ),
    "equal": (fold, by_bounds(_equal), same_operands(True, "bool int uint")),
    "not_equal": (
        fold,
        by_bounds(lambda a, b: _negate(_equal(a, b))),
        same_operands(False, "bool int uint"),
    ),
    "logical_and": (
        fold,
        neutral(True, True),
        absorbing(False, "bool"),
        same_operands(None, "bool"),
    ),
    "logical_or": (
        fold,
        neutral(False, False),
        absorbing(True, "bool"),
        same_operands(None, "bool"),
    ),
    "logical_not": (fold, twice),
    "bitwise_and": (
        fold,
        all_ones,
        absorbing(0, "bool int uint"),
        same_operands(None, "bool int uint"),
    ),
    "bitwise_or": (fold, all_ones, neutral(0, 0), same_operands(None, "bool int uint")),
    "bitwise_xor": (fold, neutral(0, 0), same_operands(0, "bool int uint")),
    "invert": (fold, twice),
    "negative": (fold, twice),
    "where": (fold, where_rule),
}
"""The rules of each row, tried in order; a row without an entry is only folded."""
