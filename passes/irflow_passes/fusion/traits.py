"""What fusion asks about single nodes: how they read their operands and what an element costs."""

from __future__ import annotations

import enum
from collections.abc import Hashable

from irflow.ir.graph import Node
from irflow.ir.op import Lowering
from irflow.ops.broadcast import Broadcast, Reduce, Reshape
from irflow.ops.constants import Constant, Iota, SizeOf
from irflow.ops.elementwise import Convert, Elementwise
from irflow.ops.selection import ArgReduce
from irflow.ops.shape import Concatenate, Pad, Reverse, Slice, Transpose

# Above so many operations an element is not computed again where it could be stored.
EXPENSIVE = 8
# Up to here an element may be computed in two kernels instead of being stored and loaded.
CHEAP = 4

_MOVES = (Transpose, Reshape, Broadcast, Reverse, Slice, Pad, Concatenate)
_PROLOGUE = (Transpose, Reshape, Broadcast, Convert)


class Reading(enum.Enum):
    """How often an op evaluates an element of an operand, if that is computed where it is read."""

    SAME = "at the index of the result"
    ONCE = "at another index, at most once"
    REPEATED = "several times"
    NEVER = "from memory only"


def reading(node: Node, position: int) -> Reading:
    """How `node` reads one of its operands."""
    op = node.op
    match op:
        case Elementwise() | Convert():
            return Reading.SAME
        case Broadcast():
            repeated = op.repeated_axes(node.inputs[0].type.shape)
            is_copy = all(op.shape[axis] == 1 for axis in repeated)
            return Reading.ONCE if is_copy else Reading.REPEATED
        case Pad():
            return Reading.REPEATED if position == 1 else Reading.ONCE
        case Transpose() | Reshape() | Reverse() | Slice() | Concatenate() | Reduce() | ArgReduce():
            return Reading.ONCE
        case _:
            contraction = op.lowering is Lowering.CONTRACTION
            return Reading.ONCE if contraction else Reading.NEVER


def index_map(node: Node, position: int) -> Hashable:
    """From the index of a result to that of an operand: equal keys, equal maps."""
    match node.op:
        case Reduce(axes=axes):
            return ("reduce", axes)
        case ArgReduce(axis=axis):
            return ("reduce", (axis,))
        case op:
            return (op, position)


def reduction(node: Node) -> Hashable | None:
    """What reductions in one kernel have in common: the shape that they read and the axes."""
    match node.op:
        case Reduce(axes=axes):
            return (node.inputs[0].type.shape, axes)
        case ArgReduce(axis=axis):
            return (node.inputs[0].type.shape, (axis,))
        case _:
            return None


def is_contraction(node: Node) -> bool:
    return node.op.lowering is Lowering.CONTRACTION


def is_prologue(node: Node) -> bool:
    """Whether a contraction may compute this while it reads an operand."""
    return isinstance(node.op, _PROLOGUE) or is_scalar_constant(node)


def is_scalar_constant(node: Node) -> bool:
    return isinstance(node.op, Constant) and node.output.type.size == 1


def is_free(node: Node) -> bool:
    """Whether it costs less to compute an element than to load it."""
    return isinstance(node.op, Iota | SizeOf | Broadcast) or is_scalar_constant(node)


def flops(node: Node) -> int:
    """Operations for one element of the result; large for what must not be repeated."""
    match node.op:
        case Elementwise(row=row):
            return row.flops
        case Constant() | Iota() | SizeOf() | Convert():
            return 0
        case op if isinstance(op, _MOVES):
            return 0
        case _:
            return 1000


def refusal(node: Node) -> str | None:
    """Why a node can be no part of any group, or None."""
    if len(node.outputs) != 1:
        return f"{node.op.name} has several results"
    if isinstance(node.op, Constant) and not is_scalar_constant(node):
        return "a constant array stays in memory"
    match node.op.lowering:
        case Lowering.ELEMENT | Lowering.CONTRACTION:
            return None
        case Lowering.REDUCTION if reduction(node) is not None:
            return None
        case lowering:
            return f"{node.op.name} is a {lowering.value} of its own"
