"""What rules ask about values: which op makes them, whether they are one known number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from irflow import dims
from irflow.dims import Size
from irflow.ir.graph import Node, Value
from irflow.ir.op import Op
from irflow.ops.broadcast import Broadcast
from irflow.ops.constants import Constant
from irflow.ops.elementwise import Elementwise

OpType = TypeVar("OpType", bound=Op)


def made_by(value: Value, kind: type[OpType]) -> tuple[Node, OpType] | None:
    """The node behind `value` and its op, if the op is of this class."""
    node = value.node
    if node is not None and isinstance(node.op, kind):
        return node, node.op
    return None


def made_by_row(value: Value, *names: str) -> Node | None:
    """The node behind `value` if it is elementwise, of one of these rows."""
    node = value.node
    if node is None or type(node.op) is not Elementwise:
        return None
    return node if node.op.row.name in names else None


def uniform(value: Value) -> np.generic | None:
    """The number that all elements of `value` are: a constant of one element, or one repeated."""
    node = value.node
    while node is not None and isinstance(node.op, Broadcast):
        node = node.inputs[0].node
    if node is None or not isinstance(node.op, Constant) or node.op.value.size != 1:
        return None
    number: np.generic = node.op.value.array.flat[0]
    return number


def is_constant(value: Value) -> bool:
    """Whether `value` is a constant, or one repeated."""
    node = value.node
    while node is not None and isinstance(node.op, Broadcast):
        node = node.inputs[0].node
    return node is not None and isinstance(node.op, Constant)


def is_exact(value: Value) -> bool:
    """Whether the elements are integers or bools, whose arithmetic does not round."""
    return not value.type.dtype.is_inexact


def is_positive(size: Size) -> bool:
    """Whether a size is at least 1, whatever its symbols are."""
    lowest = size if isinstance(size, int) else dims.bounds(size)[0]
    return lowest is not None and lowest >= 1


def are_static(sizes: Sequence[Size]) -> bool:
    """Whether all sizes are ints."""
    return all(isinstance(size, int) for size in sizes)
