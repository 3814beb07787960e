"""Machine operations outside the table of scalar rows: rows that stand in `Intrinsic` nodes only.

They are not entered in `ROWS`: graphs cannot name them, and a backend without a spelling reports
it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from irflow.loops.nodes import Expr, Intrinsic
from irflow.scalars import Scalar


def _fma(a: Any, b: Any, c: Any) -> Any:
    wide = np.longdouble if np.asarray(a).dtype == np.float64 else np.float64
    total = np.asarray(a, wide) * np.asarray(b, wide) + np.asarray(c, wide)
    return total.astype(np.asarray(a).dtype)


fma = Scalar("fma", _fma, arity=3, accepts="float", flops=2)
"""`a * b + c` with a single rounding where the machine has it; for contractions only."""


def multiply_add(a: Expr, b: Expr, c: Expr) -> Expr:
    """`a * b + c` as one machine operation, on operands of equal dtype and lanes."""
    return Intrinsic(fma, (a, b, c), c.dtype, c.lanes)
