"""Pieces of an axis in which each element is made in one way.

    y[j] = j < 128 ? a[j] : b[j - 128]      ->      y[j] = a[j], then y[128 + j] = b[j]

Where parts are put side by side, one loop over all of them would load what each part needs and
choose; loops over the parts leave nothing to choose.
"""

from __future__ import annotations

from itertools import accumulate, pairwise

from irflow.dims import Size
from irflow.ir.graph import Value
from irflow.lowering.group import Group
from irflow.ops import Concatenate, Convert, Elementwise, Pad
from irflow.records import dataclass

MOST_PIECES = 8
"""Each piece is code of its own."""


@dataclass(frozen=True, slots=True)
class Pieces:
    """An axis of the outputs that is cut.

    Attributes:
        axis: its number.
        bounds: where each piece starts and ends.
    """

    axis: int
    bounds: tuple[tuple[int, int], ...]


def pieces(group: Group, lanes: int) -> Pieces | None:
    """The pieces of the last axis, or else of the first one with several; None for one piece.

    Args:
        group: with outputs of one shape.
        lanes: of a vector; pieces of the last axis are whole ones.
    """
    rank = group.outputs[0].type.rank
    joined = {node.op.axis for node in group.nodes if isinstance(node.op, Concatenate)}
    if rank < 2 or not (joined or any(isinstance(node.op, Pad) for node in group.nodes)):
        return None
    # Along other axes padding is left alone: what it would save is less than the code it takes.
    others = [axis for axis in sorted(joined) if axis < rank - 1]
    for axis, unit in ((rank - 1, lanes), *((axis, 1) for axis in others)):
        found = _cut(group, axis, unit)
        if len(found) > 1:
            return Pieces(axis, tuple(found))
    return None


def _cut(group: Group, axis: int, unit: int) -> list[tuple[int, int]]:
    """Where the pieces of an axis start and end; none where these are no multiples of a unit."""
    shape = group.outputs[0].type.shape
    if axis >= len(shape) or not isinstance(end := shape[axis], int):
        return []
    found = sorted(_bounds(group, axis) | {0, end})
    if any(bound % unit for bound in found) or len(found) > MOST_PIECES + 1:
        return []
    return list(pairwise(found))


def _bounds(group: Group, axis: int) -> set[int]:
    """The indices of an axis of the outputs from which on elements are made in another way."""
    found: set[int] = set()
    inside = {value for node in group.nodes for value in node.outputs}
    waiting: list[tuple[Value, int]] = [(value, 0) for value in group.outputs]
    seen = set(waiting)
    while waiting:
        for part, start in _parts(*waiting.pop(), axis):
            end = start + part.type.shape[axis]
            if not isinstance(start, int) or not isinstance(end, int):
                continue
            found |= {start, end}
            if part in inside and (part, start) not in seen:
                seen.add((part, start))
                waiting.append((part, start))
    return found


def _parts(value: Value, start: int, axis: int) -> list[tuple[Value, Size]]:
    """What a value that starts somewhere is made of, side by side or element by element."""
    node = value.node
    if node is None:
        return []
    match node.op:
        case Elementwise() | Convert():
            return [(operand, start) for operand in node.inputs]
        case Pad(low, _, interior) if not interior[axis]:
            return [(node.inputs[0], start + low[axis])]
        case Concatenate(joined) if joined == axis:
            sizes = [operand.type.shape[axis] for operand in node.inputs]
            starts = accumulate(sizes[:-1], initial=start)
            return list(zip(node.inputs, starts, strict=True))
        case Concatenate():
            return [(operand, start) for operand in node.inputs]
    return []
