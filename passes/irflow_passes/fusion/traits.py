"""What fusion asks about single nodes: how they read their operands and what an element costs."""

from __future__ import annotations

import enum
from collections.abc import Hashable

from irflow import dims
from irflow.ir.graph import Graph, Node, Value
from irflow.ir.op import Lowering
from irflow.ops.barrier import OptimizationBarrier
from irflow.ops.broadcast import Broadcast, Reduce, Reshape
from irflow.ops.concatenation import Concatenate
from irflow.ops.constants import Constant, Iota, SizeOf
from irflow.ops.elementwise import Convert, Elementwise
from irflow.ops.pool_op import PoolOp
from irflow.ops.selection import ArgReduce
from irflow.ops.shape import Pad, Reverse, Slice, Transpose

# Above so many operations an element is not computed again where it could be stored.
EXPENSIVE = 8
# Up to here an element may be computed in two kernels instead of being stored and loaded.
CHEAP = 4
# Numbers of columns are computed for themselves where so many rows read them.
_MANY_ROWS = 32
# Nodes that are looked at in search of sums of rows.
_PATIENCE = 32

_MOVES = (Transpose, Reshape, Broadcast, Reverse, Slice, Pad, Concatenate)
_PROLOGUE = (Transpose, Reshape, Broadcast, Convert, Slice)


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
    return Reading.ONCE if node.is_contraction else Reading.NEVER


def _reading_of_broadcast(node: Node) -> Reading:
    assert isinstance(node.op, Broadcast)
    shape = node.op.shape
    repeated = node.op.repeated_axes(node.inputs[0].type.shape)
    return Reading.ONCE if all(shape[axis] == 1 for axis in repeated) else Reading.REPEATED


def repeats_columns(node: Node) -> bool:
    """Whether a broadcast repeats numbers of columns for many rows."""
    op = node.op
    if type(op) is not Broadcast or len(op.shape) < 2 or op.axes != (len(op.shape) - 1,):
        return False
    rows = dims.product(op.shape[:-1])
    fewest = rows if isinstance(rows, int) else dims.bounds(rows)[0]
    return fewest is not None and fewest >= _MANY_ROWS


def index_map(node: Node, position: int) -> Hashable:
    """From the index of a result to that of an operand: equal keys, equal maps."""
    axes = reduced_axes(node)
    return (node.op, position) if axes is None else ("reduce", axes)


def reduction(node: Node) -> Hashable | None:
    """What reductions in one kernel have in common: the shape that they read and the axes."""
    if isinstance(node.op, PoolOp):
        return node.op, tuple(value.type.shape for value in node.inputs)
    axes = reduced_axes(node)
    return None if axes is None else (node.inputs[0].type.shape, axes)


def reduced_axes(node: Node) -> tuple[int, ...] | None:
    """The axes of a reduction; None for other nodes."""
    op = node.op
    if type(op) is Reduce:
        return op.axes
    return (op.axis,) if type(op) is ArgReduce else None


def is_prologue(node: Node) -> bool:
    """Whether a contraction may compute this while it reads an operand.

    A reshape of permuted or cut axes it may not, unless only axes of size 1 come and go: every
    element would be found by divisions.
    """
    if type(node.op) is Reshape and (source := node.inputs[0].node) is not None:
        return type(source.op) not in (Transpose, Slice) or _only_moves_ones(node)
    return type(node.op) in _PROLOGUE or is_scalar_constant(node)


def _only_moves_ones(node: Node) -> bool:
    before, after = node.inputs[0].type.shape, node.output.type.shape
    return [size for size in before if size != 1] == [size for size in after if size != 1]


def epilogue_ends(graph: Graph) -> set[Node]:
    """Where chains of elementwise nodes behind contractions end.

    Each node of such a chain is all that reads the one before, element by element.
    """
    ends = set()
    for node in graph:
        if node.is_contraction and len(node.outputs) == 1:
            while (following := _only_reader(node)) is not None:
                node = following
            ends.add(node)
    return ends


def _only_reader(node: Node) -> Node | None:
    users = {user for user, _ in node.output.uses}
    user = users.pop() if len(users) == 1 else None
    if not isinstance(user, Node) or type(user.op) not in _POINTWISE:
        return None
    return user if user.output.type.shape == node.output.type.shape else None


def is_shift_of_stored(node: Node) -> bool:
    """Whether an operand is in memory, and the others are numbers repeated for its elements.

    Then to compute an element costs no more traffic than to load it.
    """
    stored = [value for value in node.inputs if not _is_repeated(value)]
    if len(stored) != 1 or type(node.op) is not Elementwise:
        return False
    source = stored[0].node
    return source is None or source.is_contraction


def _is_repeated(value: Value) -> bool:
    node = value.node
    return node is not None and (type(node.op) is Broadcast or is_scalar_constant(node))


def leads_to_rows(node: Node) -> bool:
    """Whether functions of the elements lead to sums along the last axis, so that rows pay."""
    shape, axes = node.output.type.shape, (node.output.type.rank - 1,)
    waiting, seen = [node], 0
    while waiting and seen < _PATIENCE:
        seen += 1
        for user in waiting.pop().output.users:
            if reduced_axes(user) == axes:
                return True
            if type(user.op) in _POINTWISE and user.output.type.shape == shape:
                waiting.append(user)
    return False


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
