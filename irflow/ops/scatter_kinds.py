"""The kinds of `scatter`, and the derivatives of those that are not linear.

They are written against two functions of the geometry at hand, so that they need no op:
`scattered(kind, x, updates)` and `gathered(x)`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from irflow.errors import DTypeError
from irflow.ir.types import TensorType
from irflow.ops.elementwise import convert
from irflow.scalars import KINDS as ROW_KINDS
from irflow.scalars import Scalar, find

ROWS = {"add": "add", "multiply": "multiply", "min": "minimum", "max": "maximum"}
KINDS = ("add", "set", "multiply", "min", "max")
ARITHMETIC = ("add", "multiply")

Scattered = Callable[[str, Any, Any], Any]
Gathered = Callable[[Any], Any]


def row_of(kind: str) -> Scalar | None:
    """The row that joins an update to what is there; None for "set"."""
    return find(ROWS[kind]) if kind in ROWS else None


def check_joins(kind: str, x: TensorType) -> None:
    """DTypeError unless elements of the operand can be joined in this way."""
    row = row_of(kind)
    if row and x.dtype.kind not in ROW_KINDS[row.accepts]:
        raise DTypeError(
            f"scatter: {kind} is not defined for {x.dtype}", facts=[("operand", x, x.dtype)]
        )


def factors(
    kind: str, x: Any, updates: Any, y: Any, scattered: Scattered, gathered: Gathered
) -> tuple[Any, Any]:
    """How much of a change of each element of `x` and of `updates` reaches the result `y`.

    The derivative of the result by `updates` is the second factor at the place of the update.
    """
    if kind == "multiply":
        return _product_factors(x, updates, scattered, gathered)
    equal = find("equal")
    hits = [convert(equal(x, y), y.dtype), convert(equal(updates, gathered(y)), y.dtype)]
    # Where the result is NaN nothing equals it, and no derivative is defined.
    share = 1 / find("maximum")(scattered("add", *hits), 1)
    return hits[0] * share, hits[1] * gathered(share)


def _product_factors(
    x: Any, updates: Any, scattered: Scattered, gathered: Gathered
) -> tuple[Any, Any]:
    """The products of all other factors: a quotient, but for factors that are 0."""
    where, equal = find("where"), find("equal")
    is_zero = equal(updates, 0)
    safe = where(is_zero, 1, updates)
    others = gathered(scattered("multiply", x, safe))
    zeros = gathered(scattered("add", x.full(0, x.shape), convert(is_zero, x.dtype)))
    at_zero = where(equal(zeros, 1), others, 0)
    elsewhere = where(equal(zeros, 0), others / safe, 0)
    to_x = scattered("multiply", x.full(1, x.shape), updates)
    return to_x, where(is_zero, at_zero, elsewhere)


def joined_tangent(factors: tuple[Any, Any], tangents: Sequence[Any], scattered: Scattered) -> Any:
    """The tangent of the result from those of `x` and `updates`, of which one may be None."""
    of_x, of_updates = tangents
    direct = None if of_x is None else of_x * factors[0]
    if of_updates is None:
        return direct
    base = factors[0].full(0, factors[0].shape) if direct is None else direct
    return scattered("add", base, of_updates * factors[1])
