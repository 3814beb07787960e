"""Machine operations outside the table of scalar rows: rows that stand in `Intrinsic` nodes only.

They are not entered in `ROWS`: graphs cannot name them, and a backend without a spelling reports
it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from irflow import dtypes
from irflow.dtypes import DType
from irflow.loops.nodes import Broadcast, Const, Expr, Intrinsic
from irflow.records import dataclass
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


# ------------------------------------------------------------------------------- dot products


@dataclass(frozen=True, eq=False, slots=True)
class Dot:
    """Short sums of products in every lane: words of 32 bits hold several narrow elements.

    Attributes:
        left, right: the types of the elements of both factors.
        length: how many a word holds.
        total: the type in which they are summed up.
        row: `total + the sum of products`, of a total and two words.
    """

    left: DType
    right: DType
    length: int
    total: DType
    row: Scalar

    def joined(self, parts: Sequence[Expr]) -> Expr:
        """Words of elements, the first one in the lowest bits."""
        return Intrinsic(joined_words, tuple(parts), dtypes.u32, parts[0].lanes)

    def product(self, a: Expr, b: Expr) -> Expr:
        """The sum of products, which `accumulated` adds to a total."""
        zero = Const(0.0 if self.total.is_float else 0, self.total)
        start = zero if a.lanes == 1 else Broadcast(zero, a.lanes)
        return Intrinsic(self.row, (start, a, b), self.total, a.lanes)


def as_words(narrow: Expr, dot: Dot) -> Expr:
    """Neighbouring lanes of a vector as words."""
    return Intrinsic(words, (narrow,), dtypes.u32, narrow.lanes // dot.length)


def _words(narrow: Any) -> Any:
    found = np.ascontiguousarray(narrow).view(np.uint32)
    return found if found.size > 1 else found[0]


def _joined(*parts: Any) -> Any:
    return _words(np.stack([np.atleast_1d(part) for part in parts], axis=-1)).reshape(
        np.shape(parts[0])
    )


def _bf16_dot(total: Any, a: Any, b: Any) -> Any:
    result = np.asarray(total)
    for low in (True, False):
        x, y = (_half(word, low) for word in (a, b))
        result = _fma(x, y, result)
    return result


def _half(word: Any, low: bool) -> Any:
    bits = np.asarray(word, np.uint32)
    return (bits << 16 if low else bits & 0xFFFF0000).astype(np.uint32).view(np.float32)


def _u8_i8_dot(total: Any, a: Any, b: Any) -> Any:
    result = np.asarray(total, np.int32)
    for i in range(4):
        left = (np.asarray(a, np.uint32) >> 8 * i & 0xFF).astype(np.int32)
        right = (np.asarray(b, np.uint32) >> 8 * i & 0xFF).astype(np.uint8).view(np.int8)
        result = (result + left * right).astype(np.int32)
    return result


words = Scalar("words", _words, accepts="any", flops=0)
joined_words = Scalar("joined_words", _joined, arity=2, accepts="any", flops=2)
bf16_dot = Scalar("bf16_dot", _bf16_dot, arity=3, accepts="any", flops=4)

u8_i8_dot = Scalar("u8_i8_dot", _u8_i8_dot, arity=3, accepts="any", flops=8)

BF16_DOT = Dot(dtypes.bf16, dtypes.bf16, 2, dtypes.f32, bf16_dot)
"""Pairs of bf16, in f32. Machines may round once a pair and take subnormal numbers as zero."""
U8_I8_DOT = Dot(dtypes.u8, dtypes.i8, 4, dtypes.i32, u8_i8_dot)
"""Fours of bytes, of which those on the left have no sign; exact."""

DOTS = {dot.left.name: dot for dot in (BF16_DOT, U8_I8_DOT)}
"""What targets may have, by the type of the elements on the left."""
