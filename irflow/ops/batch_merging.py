"""A batch as more of what an op takes anyway: more rows, columns, examples or channels.

The batch axis of an operand is its axis 0. `axis` counts the axes of one element of the batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from irflow.dims import Size
from irflow.ops.batch_axes import inwards, outwards
from irflow.ops.broadcast import reshape

if TYPE_CHECKING:
    from irflow.ops.operand import GraphOperand


def merged(x: GraphOperand, axis: int, parts: int = 1) -> Any:
    """The batch as more of axis `axis`: its indices run over `parts`, the batch, and the rest.

    `[B, a, parts * r, c]` becomes `[a, parts * B * r, c]`.
    """
    size, *shape = x.shape
    before, kept, after = shape[:axis], shape[axis], shape[axis + 1 :]
    if parts > 1:
        x = reshape(x, (size, *before, parts, kept // parts, *after))
    moved = inwards(x, axis + (parts > 1))
    return reshape(moved, (*before, size * kept, *after))


def parted(x: GraphOperand, axis: int, size: Size, kept: Size, parts: int = 1) -> Any:
    """The inverse of `merged`: a batch of `size` elements with `kept` along the axis."""
    before, after = x.shape[:axis], x.shape[axis + 1 :]
    outer = (parts,) if parts > 1 else ()
    split = reshape(x, (*before, *outer, size, kept // parts, *after))
    front = outwards(split, axis + len(outer))
    return reshape(front, (size, *before, kept, *after)) if outer else front
