"""Functions of bit patterns: bools and integers of any width."""

from __future__ import annotations

from typing import Any

import numpy as np

from irflow.scalars.meaning import WHOLE, all_ones, no_ones, rounded
from irflow.scalars.row import Scalar, scalar


def _multiply_high(x: Any, y: Any) -> Any:
    x, y = np.broadcast_arrays(x, y)
    bits = 8 * x.dtype.itemsize
    if bits == 64:
        return _multiply_high_64(x, y)
    wide = np.int64 if x.dtype.kind == "i" else np.uint64
    return (x.astype(wide) * y.astype(wide)) >> wide(bits)


def _multiply_high_64(x: Any, y: Any) -> Any:
    """The schoolbook product of 32-bit halves; signed operands borrow from the unsigned product."""
    a, b = x.astype(np.uint64), y.astype(np.uint64)
    half, mask = np.uint64(32), np.uint64(0xFFFFFFFF)
    a_low, a_high, b_low, b_high = a & mask, a >> half, b & mask, b >> half
    middle = a_high * b_low + ((a_low * b_low) >> half)
    carried = (middle & mask) + a_low * b_high
    high = a_high * b_high + (middle >> half) + (carried >> half)
    if x.dtype.kind == "i":
        high = high - np.where(x < 0, b, 0) - np.where(y < 0, a, 0)
    return high


bitwise_and: Scalar = scalar(
    "bitwise_and",
    np.bitwise_and,
    "bits",
    identity=all_ones,
    commutative=True,
    associative=True,
    domain=WHOLE * 2,
)
bitwise_or: Scalar = scalar(
    "bitwise_or",
    np.bitwise_or,
    "bits",
    identity=no_ones,
    commutative=True,
    associative=True,
    domain=WHOLE * 2,
)
bitwise_xor: Scalar = scalar(
    "bitwise_xor",
    np.bitwise_xor,
    "bits",
    identity=no_ones,
    commutative=True,
    associative=True,
    domain=WHOLE * 2,
)
invert: Scalar = scalar("invert", np.invert, "bits", domain=WHOLE)

# Shifting by the width or more gives 0, or -1 for negative numbers shifted right. Right shifts of
# signed numbers copy the sign bit. Negative shift counts are the caller's error.
left_shift: Scalar = scalar("left_shift", np.left_shift, "integer", domain=(*WHOLE, (0.0, 40.0)))
right_shift: Scalar = scalar("right_shift", np.right_shift, "integer", domain=(*WHOLE, (0.0, 40.0)))

# The upper half of the product of double width, e.g. bits 32 to 63 for u32, as Philox needs it.
multiply_high: Scalar = scalar(
    "multiply_high",
    rounded(_multiply_high),
    "integer",
    commutative=True,
    domain=((-1e4, 1e9),) * 2,
    flops=2,
)
