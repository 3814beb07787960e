"""Pieces of rows in which each element is made in one way.

    y[j] = j < 128 ? a[j] : b[j - 128]      ->      y[j] = a[j], then y[128 + j] = b[j]

Where parts are put side by side along the last axis, one loop over all columns would load what all
parts need and choose; loops over the parts leave nothing to choose.
"""

from __future__ import annotations

from itertools import accumulate, pairwise

from irflow.dims import Size
from irflow.ir.graph import Value
from irflow.lowering.group import Group
from irflow.ops import Concatenate, Convert, Elementwise, Pad

MOST_PIECES = 8
"""Each piece is code of its own."""


def column_pieces(group: Group, lanes: int) -> list[tuple[int, int]]:
    """Where the pieces of the last axis start and end; none where these are no numbers.

    Args:
        group: with outputs of one shape.
        lanes: of a vector; pieces are whole ones.
    """
    shape = group.outputs[0].type.shape
    if len(shape) < 2 or not isinstance(shape[-1], int):
        return []
    found = sorted(_bounds(group) | {0, shape[-1]})
    is_whole = all(bound % lanes == 0 for bound in found)
    if not is_whole or len(found) > MOST_PIECES + 1:
        return [(0, shape[-1])]
    return list(pairwise(found))


def _bounds(group: Group) -> set[int]:
    """The columns of the outputs from which on elements are made in another way."""
    if not any(isinstance(node.op, (Concatenate, Pad)) for node in group.nodes):
        return set()
    found: set[int] = set()
    inside = {value for node in group.nodes for value in node.outputs}
    waiting: list[tuple[Value, int]] = [(value, 0) for value in group.outputs]
    seen = set(waiting)
    while waiting:
        for part, start in _parts(*waiting.pop()):
            end = start + part.type.shape[-1]
            if not isinstance(start, int) or not isinstance(end, int):
                continue
            found |= {start, end}
            if part in inside and (part, start) not in seen:
                seen.add((part, start))
                waiting.append((part, start))
    return found


def _parts(value: Value, start: int) -> list[tuple[Value, Size]]:
    """What a value that starts in some column is made of, side by side or element by element."""
    node = value.node
    if node is None:
        return []
    match node.op:
        case Elementwise() | Convert():
            return [(operand, start) for operand in node.inputs]
        case Pad(low, _, interior) if not interior[-1]:
            return [(node.inputs[0], start + low[-1])]
        case Concatenate(axis) if axis == value.type.rank - 1:
            sizes = [operand.type.shape[-1] for operand in node.inputs]
            starts = accumulate(sizes[:-1], initial=start)
            return list(zip(node.inputs, starts, strict=True))
    return []
