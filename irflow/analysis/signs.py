"""Which values are known to have no negative elements."""

from __future__ import annotations

from irflow.ir.graph import Value
from irflow.ops import Broadcast, Constant, Elementwise, Reshape, Slice, Transpose
from irflow.ops.pools import Pool

NON_NEGATIVE = ("absolute", "exp", "relu", "sigmoid", "square")
"""Rows whose results never are negative."""


def is_non_negative(value: Value) -> bool:
    """Whether no element is less than 0, as behind relu, its clipped form, and moves of those."""
    node = value.node
    if node is None:
        return False
    match node.op:
        case Constant(dense):
            return bool((dense.array >= 0).all())
        case Elementwise(row) if row.name == "maximum":
            return any(map(is_non_negative, node.inputs))
        case Elementwise(row) if row.name in ("add", "minimum"):
            return all(map(is_non_negative, node.inputs))
        case Elementwise(row):
            return row.name in NON_NEGATIVE
        case Pool():
            return _sees_something(node.op) and is_non_negative(node.inputs[0])
        case Broadcast() | Reshape() | Slice() | Transpose():
            return is_non_negative(node.inputs[0])
    return False


def _sees_something(pool: Pool) -> bool:
    """Whether every window has an element in it: the largest of none is less than all numbers."""
    axes = zip(pool.window, pool.padding, pool.dilations, strict=True)
    return all(max(zeros) < size and step == 1 for size, zeros, step in axes)
