"""The batch axis, axis 0 of an operand, moved among the axes of an element and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from irflow.ops.shape import transpose

if TYPE_CHECKING:
    from irflow.ops.operand import GraphOperand


def inwards(x: GraphOperand, axis: int) -> Any:
    """The batch axis moved in front of axis `axis` of an element."""
    return transpose(x, [*range(1, axis + 1), 0, *range(axis + 1, x.ndim)])


def outwards(x: GraphOperand, axis: int) -> Any:
    """The inverse: axis `axis` of `x` moved to the front."""
    return transpose(x, [axis, *range(axis), *range(axis + 1, x.ndim)])
