"""How reductions along memory combine elements."""

from __future__ import annotations

from irflow.loops import Expr, Select
from irflow.scalars import Scalar, find


def combined(row: Scalar, before: Expr, value: Expr) -> Expr:
    """One more element of a reduction along memory.

    The larger of two floats is told by two comparisons. Rows that also tell 0.0 from -0.0, as the
    instructions of most machines do not, would take twice as long.
    """
    test = {"maximum": "greater", "minimum": "less"}.get(row.name)
    if test is None or not value.dtype.is_float:
        result: Expr = row(before, value)
        return result
    chosen = Select(find(test)(value, before), value, before)
    return Select(find("not_equal")(value, value), value, chosen)
