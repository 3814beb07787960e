"""What fusion asks about single nodes: how they read their operands and what an element costs."""

from __future__ import annotations

import enum
from collections.abc import Hashable

from irflow.ir.graph import Node
from irflow.ir.op import Lowering
from irflow.ops.barrier import OptimizationBarrier
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


# Dispatch is by exact class: these questions are asked for every edge of a graph.
_READS_ONCE = frozenset((Transpose, Reshape, Reverse, Slice, Concatenate, Reduce, ArgReduce))
_FREE_OF_FLOPS = frozenset((*_MOVES, Constant, Iota, SizeOf, Convert))
_POINTWISE = frozenset((Elementwise, Convert))


def reading(node: Node, position: int) -> Reading:
    """How `node` reads one of its operands."""
    kind = type(node.op)
    if kind in _POINTWISE:
        return Reading.SAME
    if kind in _READS_ONCE:
        return Reading.ONCE
    if kind is Broadcast:
        return _reading_of_broadcast(node)
    if kind is Pad:
        return Reading.REPEATED if position == 1 else Reading.ONCE
    return Reading.ONCE if is_contraction(node) else Reading.NEVER


def _reading_of_broadcast(node: Node) -> Reading:
    assert isinstance(node.op, Broadcast)
    shape = node.op.shape
    repeated = node.op.repeated_axes(node.inputs[0].type.shape)
    return Reading.ONCE if all(shape[axis] == 1 for axis in repeated) else Reading.REPEATED


def index_map(node: Node, position: int) -> Hashable:
    """From the index of a result to that of an operand: equal keys, equal maps."""
    axes = _reduced_axes(node)
    return (node.op, position) if axes is None else ("reduce", axes)


def reduction(node: Node) -> Hashable | None:
    """What reductions in one kernel have in common: the shape that they read and the axes."""
    axes = _reduced_axes(node)
    return None if axes is None else (node.inputs[0].type.shape, axes)


def _reduced_axes(node: Node) -> tuple[int, ...] | None:
    op = node.op
    if type(op) is Reduce:
        return op.axes
    return (op.axis,) if type(op) is ArgReduce else None


def is_contraction(node: Node) -> bool:
    """Whether the op is a matrix product or a convolution."""
    return node.lowering is Lowering.CONTRACTION


def is_prologue(node: Node) -> bool:
    """Whether a contraction may compute this while it reads an operand.

    A reshape of permuted axes it may not: every element would be found by divisions.
    """
    if type(node.op) is Reshape and (source := node.inputs[0].node) is not None:
        return type(source.op) is not Transpose
    return type(node.op) in _PROLOGUE or is_scalar_constant(node)


def is_scalar_constant(node: Node) -> bool:
    """Whether the op is a constant of one element, which kernels contain as a literal."""
    return type(node.op) is Constant and node.output.type.size == 1


def is_free(node: Node) -> bool:
    """Whether it costs less to compute an element than to load it."""
    return type(node.op) in (Broadcast, Iota, SizeOf) or is_scalar_constant(node)


def flops(node: Node) -> int:
    """Operations for one element of the result; large for what must not be repeated."""
    op = node.op
    if type(op) is Elementwise:
        return op.row.flops
    return 0 if type(op) in _FREE_OF_FLOPS else 1000


def refusal(node: Node) -> str | None:
    """Why a node can be no part of any group, or None."""
    if len(node.outputs) != 1:
        return f"{node.op.name} has several results"
    if type(node.op) is Constant and not is_scalar_constant(node):
        return "a constant array stays in memory"
    if type(node.op) is OptimizationBarrier:
        return "a barrier is its operand where that lies in memory"
    lowering = node.lowering
    if lowering in (Lowering.ELEMENT, Lowering.CONTRACTION):
        return None
    if lowering is Lowering.REDUCTION and reduction(node) is not None:
        return None
    return f"{node.op.name} is a {lowering.value} of its own"
