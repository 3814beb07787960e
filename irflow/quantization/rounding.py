"""The arithmetic of bytes: weights with a sign and a scale a column, the other operand without.

What a layer is given becomes `x / step + zero` in `u8`, its weights `w / column` in `i8`. The exact
sums of products, less `zero` times those of the weights, count steps of `step * column`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from irflow import dims, dtypes, ops
from irflow.analysis.signs import is_non_negative
from irflow.ir.builder import Builder
from irflow.ir.graph import Graph, Node, Value
from irflow.ops import Convolution, Handle, Reshape, Slice, Transpose
from irflow.ops.barrier import optimization_barrier
from irflow.quantization.layers import Found
from irflow.records import dataclass
from irflow.scalars import find

STEPS = 127
"""Steps from 0 to the largest number of a row or column."""
CENTRE = 128
"""The byte for 0 where numbers may have either sign."""
BYTE = 255
"""The largest byte."""
SMALLEST = 1e-30
"""Rows of nothing but smaller numbers become 0."""
WORD = 4
"""Channels of an image come in so many, which processors multiply at once."""


@dataclass(frozen=True, slots=True)
class Range:
    """Between which numbers an operand is; 0 is one of them."""

    low: float
    high: float

    def joined(self, low: float, high: float) -> Range:
        """With more numbers."""
        return Range(min(self.low, low), max(self.high, high))

    @property
    def step(self) -> float:
        """From one byte to the next."""
        return max(self.high - self.low, SMALLEST) / BYTE

    @property
    def zero(self) -> int:
        """The byte for 0."""
        return round(-self.low / self.step)


@dataclass(frozen=True, slots=True)
class Rounded:
    """An operand in bytes.

    Attributes:
        bytes: in `u8`.
        step: from one byte to the next: one, or one a row or image, of rank 1.
        zero: the byte for 0.
    """

    bytes: Handle
    step: float | Handle
    zero: int


def in_bytes(graph: Graph, found: Found, reach: Range | None) -> Value:
    """What a layer gives, computed in bytes.

    Args:
        graph: where new nodes go, in front of the layer's.
        found: the layer; its weights are constant.
        reach: of the numbers that it is given; None where they are to be looked at in each call.
    """
    node, weights = found.node, found.weights
    assert weights is not None
    columns = _largest(weights) / np.float32(STEPS)
    right = np.rint(weights / columns).astype(np.int8)
    builder = Builder(graph, before=node, location=node.location)
    x = Handle(builder, node.inputs[0])
    left = _by_call(x) if reach is None else _by_range(x, reach)
    value: Value = _scaled(
        _centred(_sums(left, right, node), left.zero, right), left, columns
    ).value
    return value


def _largest(weights: np.ndarray) -> np.ndarray:
    """The largest absolute weight of every column."""
    largest = np.abs(weights).max(axis=tuple(range(weights.ndim - 1)))
    return np.asarray(np.maximum(largest, np.float32(SMALLEST)))


def _sums(left: Rounded, right: np.ndarray, node: Node) -> Any:
    """The exact sums of products, `i32[…, n]`."""
    op, x = node.op, left.bytes
    if not isinstance(op, Convolution):
        return ops.integer_matmul(x, x.constant(right))
    missing = -right.shape[-2] % WORD
    if missing:
        none = (0,) * (x.ndim - 1)
        x = ops.pad(x, (*none, 0), (*none, missing), fill=np.uint8(left.zero))
        x = optimization_barrier(x)
        right = np.pad(right, [*[(0, 0)] * (right.ndim - 2), (0, missing), (0, 0)])
    geometry = op.strides, op.padding, op.dilations
    return ops.integer_convolution(x, x.constant(right), *geometry, zero=left.zero)


def _centred(total: Handle, zero: int, right: np.ndarray) -> Handle:
    """Sums without what the byte for 0 has added to them."""
    if not zero:
        return total
    shift = zero * right.sum(axis=tuple(range(right.ndim - 1)), dtype=np.int32)
    shape = total.shape
    result: Handle = total - ops.broadcast(total.constant(shift), shape, (len(shape) - 1,))
    return result


def _scaled(total: Handle, left: Rounded, columns: np.ndarray) -> Handle:
    """Numbers from counts of steps; of `columns`, those on the right."""
    shape, last = total.shape, (total.ndim - 1,)
    if not isinstance(left.step, Handle):
        columns = columns * np.float32(left.step)
    counts = ops.convert(total, dtypes.f32)
    result: Handle = counts * ops.broadcast(total.constant(columns), shape, last)
    if isinstance(left.step, Handle):
        result = result * ops.broadcast(left.step, shape, (0,))
    return result


# ------------------------------------------------------------------------------ the other operand


def origin(value: Value) -> tuple[Value, list[Node]]:
    """What an operand consists of, and the moves from there, the last one first.

    Numbers are rounded before they are moved, so that all who read them share the bytes.
    """
    moves = list[Node]()
    while value.node is not None and isinstance(value.node.op, Reshape | Slice | Transpose):
        moves.append(value.node)
        value = value.node.inputs[0]
    return value, moves


def _by_range(x: Handle, reach: Range) -> Rounded:
    """Bytes by a range that is known before."""
    source, moves = origin(x.value)
    left = _as_bytes(Handle(x.builder, source) * (1 / reach.step), reach.zero)
    for move in reversed(moves):
        (left,) = left.emit(move.op, [left])
    return Rounded(left, reach.step, reach.zero)


def _by_call(x: Handle) -> Rounded:
    """Bytes by the largest absolute number of each row of a matrix, or of each image."""
    is_positive = is_non_negative(x.value)
    most, zero = (BYTE, 0) if is_positive else (STEPS, CENTRE)
    rows = ops.reshape(x, (x.shape[0], dims.product(x.shape[1:])))
    size = rows if is_positive else find("absolute")(rows)
    highest = ops.reduce(find("maximum"), size, (1,))
    safe = find("maximum")(highest, x.full(SMALLEST, highest.shape))
    steps = x * ops.broadcast(x.full(float(most), safe.shape) / safe, x.shape, (0,))
    return Rounded(_as_bytes(steps, zero), safe * (1 / most), zero)


def _as_bytes(steps: Handle, zero: int) -> Handle:
    """The nearest byte: conversion cuts off what is behind the point, and what does not fit."""
    whole = ops.convert(steps + (zero + 0.5), dtypes.u8)
    result: Handle = optimization_barrier(whole)
    return result
