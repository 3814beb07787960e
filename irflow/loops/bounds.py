"""Which values an index expression can take, from the extents of loops and the bounds of sizes.

Integers wrap, and a result that may have wrapped can be anything; so that sizes and loop variables
do not all end there, they are taken to stay below what any machine can hold or count to.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from irflow import dtypes
from irflow.dtypes import DType
from irflow.loops.nodes import Apply, Broadcast, Cast, Const, Expr, Ramp, Select, Var

LARGEST_SIZE = 2**40
"""No axis is longer."""

LARGEST_EXTENT = 2**47
"""No loop runs more often."""


class Interval(NamedTuple):
    """All integers from `low` to `high`; `is_exact` unless a step on the way may overflow."""

    low: int
    high: int
    is_exact: bool = True

    @property
    def is_constant(self) -> bool:
        return self.is_exact and self.low == self.high


Bounds = dict[str, Interval]
"""What is known of variables, by name."""


@cache
def limits(dtype: DType) -> Interval:
    """All values of an integer type, or of bool."""
    if dtype is dtypes.bool_:
        return Interval(0, 1)
    info = np.iinfo(dtype.numpy.name)
    return Interval(int(info.min), int(info.max))


def interval(expr: Expr, known: Bounds) -> Interval:
    """The values of an integer or bool expression."""
    match expr:
        case Const(value):
            return Interval(int(value), int(value))
        case Var(name) if name in known:
            return known[name]
        case Cast(dtype, value) if value.dtype.is_integer:
            inner = interval(value, known)
            return inner if _is_inside(inner, limits(dtype)) else limits(dtype)
        case Select(_, then, otherwise):
            return _union(interval(then, known), interval(otherwise, known))
        case Broadcast(value):
            return interval(value, known)
        case Ramp(start, stride, lanes):
            return _add(interval(start, known), _span(stride * (lanes - 1)))
        case Apply(row, (a, b)) if row.name in _RULES and expr.dtype.is_integer:
            left, right = interval(a, known), interval(b, known)
            return _settle(_RULES[row.name](left, right), left, right, expr.dtype)
        case _:
            return limits(expr.dtype)


def is_exact(expr: Expr, known: Bounds) -> bool:
    """Whether no step of an expression can overflow."""
    match expr:
        case Apply(row, args):
            if row.name not in _RULES or not expr.dtype.is_integer:
                return True
            return interval(expr, known).is_exact and all(is_exact(a, known) for a in args)
        case _:
            return interval(expr, known).is_exact


def _settle(result: Interval, left: Interval, right: Interval, dtype: DType) -> Interval:
    """The result, unless it can overflow."""
    whole = limits(dtype)
    if _is_inside(result, whole):
        return Interval(result.low, result.high, left.is_exact and right.is_exact)
    return Interval(whole.low, whole.high, False)


def _is_inside(inner: Interval, outer: Interval) -> bool:
    return outer.low <= inner.low and inner.high <= outer.high


def _union(a: Interval, b: Interval) -> Interval:
    return Interval(min(a.low, b.low), max(a.high, b.high), a.is_exact and b.is_exact)


def _span(distance: int) -> Interval:
    return Interval(min(distance, 0), max(distance, 0))


def _add(a: Interval, b: Interval) -> Interval:
    return Interval(a.low + b.low, a.high + b.high)


def _subtract(a: Interval, b: Interval) -> Interval:
    return Interval(a.low - b.high, a.high - b.low)


def _multiply(a: Interval, b: Interval) -> Interval:
    corners = [x * y for x in a[:2] for y in b[:2]]
    return Interval(min(corners), max(corners))


def _floor_divide(a: Interval, b: Interval) -> Interval:
    if b.low <= 0:
        # A division by zero gives 0, and the least number divided by -1 overflows.
        largest = max(abs(a.low), abs(a.high))
        return Interval(-largest, largest)
    corners = [x // y for x in a[:2] for y in b[:2]]
    return Interval(min(corners), max(corners))


def _remainder(a: Interval, b: Interval) -> Interval:
    if b.low <= 0:
        largest = max(abs(b.low), abs(b.high))
        return Interval(-largest, largest)
    if a.low >= 0 and a.high < b.low:
        return a
    return Interval(0, min(b.high - 1, a.high) if a.low >= 0 else b.high - 1)


def _minimum(a: Interval, b: Interval) -> Interval:
    return Interval(min(a.low, b.low), min(a.high, b.high))


def _maximum(a: Interval, b: Interval) -> Interval:
    return Interval(max(a.low, b.low), max(a.high, b.high))


_RULES = {
    "add": _add,
    "subtract": _subtract,
    "multiply": _multiply,
    "floor_divide": _floor_divide,
    "remainder": _remainder,
    "minimum": _minimum,
    "maximum": _maximum,
}
