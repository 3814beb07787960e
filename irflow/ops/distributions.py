"""Distributions and keys from random bits, as composites that every backend computes alike.

Integers, uniforms and Bernoulli draws are exact: each is an integer, or an integer times a power of
two that the dtype represents. Normals are as exact as the backend's `log` and `sqrt`.

A key is `u32[2]`. The last word of Philox's counter tells what blocks are used for, so that no two
uses of a key meet: 0 for draws, whose counter is `(0, 0)`; `SPLIT` for new keys, with `(0, 1)`;
`FOLD` for keys with data, with `(data, 2)`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from irflow import dtypes
from irflow.dims import Size
from irflow.dtypes import DType
from irflow.errors import DTypeError, ShapeError, UsageError
from irflow.ops.broadcast import reshape
from irflow.ops.concatenation import concatenate
from irflow.ops.elementwise import convert
from irflow.ops.operand import GraphOperand
from irflow.ops.random_bits import random_bits
from irflow.ops.shape import slice_axis
from irflow.scalars import find

SPLIT, FOLD = 1, 2

# The precision of each float type in bits: that many of a draw are used.
PRECISION = {dtypes.bf16: 8, dtypes.f16: 11, dtypes.f32: 24, dtypes.f64: 53}


# -------------------------------------------------------------------------------------------- keys


def split_key(key: GraphOperand, count: Size) -> Any:
    """New keys `u32[count, 2]`, of which none is used for anything else made of `key`."""
    return random_bits(key, (count, 2), key.constant(np.array([0, SPLIT], np.uint32)))


def fold_in(key: GraphOperand, data: GraphOperand) -> Any:
    """The key `u32[2]` number `data` of `key`, for instance for an iteration of a loop.

    Args:
        key: `u32[2]`.
        data: `u32[]`.
    """
    if data.dtype is not dtypes.u32 or data.ndim:
        raise DTypeError("fold_in: the data is one u32", facts=[("data", data.type)])
    domain = key.constant(np.array([FOLD], np.uint32))
    return random_bits(key, (2,), concatenate([reshape(data, (1,)), domain], 0))


# ------------------------------------------------------------------------------------------- draws


def bits_shape(shape: Sequence[Size], dtype: DType) -> tuple[Size, ...]:
    """The shape of the bits for draws of `shape`: f64 and integers take two words each."""
    is_wide = dtype is dtypes.f64 or dtype.is_integer
    return (2, *shape) if is_wide else tuple(shape)


def uniform01(bits: GraphOperand, dtype: DType = dtypes.f32) -> Any:
    """Floats in [0, 1), exact multiples of `2**-p` where `p` is the precision of `dtype`.

    Args:
        bits: u32, `[...]`; for f64 `[2, ...]`.
        dtype: f32 (p = 24), f64 (53), f16 (11) or bf16 (8).

    Returns:
        `[...]` of `dtype`; all multiples are equally likely, 1 never occurs.
    """
    precision = _precision(dtype)
    exact = dtypes.compute_dtype(dtype)
    return convert(convert(_leading(bits, dtype), exact) * 2.0**-precision, dtype)


def bernoulli(bits: GraphOperand, p: Any) -> Any:
    """Bools that are true with probability `p`.

    Args:
        bits: u32, `[...]`.
        p: a number in [0, 1], or an f32 operand of the shape of `bits`. Either is rounded up to a
            multiple of `2**-24`; 0 and 1 are exact. Both spellings give the same draws.

    Raises:
        UsageError: a number outside [0, 1].
    """
    if isinstance(p, GraphOperand):
        return uniform01(bits) < p
    if not 0.0 <= p <= 1.0:
        raise UsageError(f"bernoulli: {p} is no probability")
    threshold = math.ceil(float(np.float32(p)) * 2**24)
    return (bits >> 8) < threshold


def normal(bits: GraphOperand, dtype: DType = dtypes.f32) -> Any:
    """Standard normal numbers, `sqrt(2) * erfinv(u)`.

    `u` is an odd multiple of `2**-p` in (-1, 1), so it is never 0, 1 or -1, and the distribution is
    symmetric. In f32, `p = 24` and the numbers are below 5.42 in magnitude; in f64, 53 and 8.3. f16
    and bf16 are rounded from f32.

    Args:
        bits: u32, `[...]`; for f64 `[2, ...]`.
        dtype: any float type.
    """
    exact = dtypes.compute_dtype(dtype)
    return convert(find("erfinv")(centred(bits, exact)) * math.sqrt(2.0), dtype)


def centred(bits: GraphOperand, dtype: DType = dtypes.f32) -> Any:
    """Floats in (-1, 1): odd multiples of `2**-p`, all equally likely, so never -1, 0 or 1.

    Args:
        bits: u32, `[...]`; for f64 `[2, ...]`.
        dtype: f32 (p = 24) or f64 (53).
    """
    precision = _precision(dtype)
    odd = convert(_leading(bits, dtype), dtypes.i64 if dtype is dtypes.f64 else dtypes.i32)
    return convert(odd * 2 + (1 - 2**precision), dtype) * 2.0**-precision


def positive(bits: GraphOperand, dtype: DType = dtypes.f32) -> Any:
    """Floats in (0, 1): odd multiples of `2**-p`, all equally likely, so never 0 or 1.

    Args:
        bits: u32, `[...]`; for f64 `[2, ...]`.
        dtype: f32 (p = 24) or f64 (53).
    """
    precision = _precision(dtype)
    whole = convert(_leading(bits, dtype), dtypes.i64 if dtype is dtypes.f64 else dtypes.i32)
    return convert((whole >> 1) * 2 + 1, dtype) * 2.0**-precision


def randint(bits: GraphOperand, low: int, high: int, dtype: DType = dtypes.i64) -> Any:
    """Integers in [low, high), almost equally likely.

    For up to `2**32` values, the upper part of 64 bits times their number; for more, the remainder.
    Either way a value's probability is off by less than `2**-64`.

    Args:
        bits: u32, `[2, ...]`.
        low: the least value.
        high: above the greatest value.
        dtype: an integer type that holds all values.

    Returns:
        `[...]` of `dtype`.

    Raises:
        UsageError: there is no value, or `dtype` does not hold all of them.
    """
    _check_range(low, high, dtype)
    count = high - low
    upper, lower = (convert(word, dtypes.u64) for word in _two_words(bits))
    if count <= 2**32:
        offset = (upper * count + ((lower * count) >> 32)) >> 32
    else:
        word = (upper << 32) | lower
        offset = word if count == 2**64 else word % count
    return convert(offset, dtype) + low


def _check_range(low: int, high: int, dtype: DType) -> None:
    if not dtype.is_integer:
        raise DTypeError(f"randint: {dtype} is no integer type")
    least = -(2 ** (dtype.bits - 1)) if dtype.kind == "int" else 0
    end = least + 2**dtype.bits
    if not least <= low < high <= end:
        raise UsageError(
            f"randint: no values, or values that {dtype} does not hold",
            facts=[("values", f"{low} to {high - 1}"), (dtype, f"{least} to {end - 1}")],
        )


def _precision(dtype: DType) -> int:
    if dtype not in PRECISION:
        raise DTypeError(
            f"random numbers of type {dtype}", facts=[("known", ", ".join(map(str, PRECISION)))]
        )
    return PRECISION[dtype]


def _leading(bits: GraphOperand, dtype: DType) -> Any:
    """The first bits of each draw, as many as `dtype` has precision, as an unsigned integer."""
    if dtype is not dtypes.f64:
        return bits >> (32 - PRECISION[dtype])
    upper, lower = _two_words(bits)
    return (convert(upper, dtypes.u64) << 21) | convert(lower >> 11, dtypes.u64)


def _two_words(bits: GraphOperand) -> tuple[Any, Any]:
    if not bits.ndim or bits.shape[0] != 2:
        raise ShapeError(
            "two words a draw are needed", facts=[("bits", bits.type, "axis 0 is not 2")]
        )
    upper, lower = (reshape(slice_axis(bits, 0, i, i + 1), bits.shape[1:]) for i in (0, 1))
    return upper, lower
