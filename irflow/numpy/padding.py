"""More elements around a tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np

from irflow import dims, ops
from irflow.dims import Size
from irflow.errors import ShapeError, UsageError
from irflow.frontend.boundary import public
from irflow.frontend.tensor import Tensor, TensorLike, as_tensor
from irflow.numpy.joining import concatenate
from irflow.numpy.manipulation import take

MODES = ("edge", "reflect", "symmetric", "wrap")


@public
def pad(
    x: TensorLike, pad_width: Any, mode: str = "constant", constant_values: TensorLike = 0
) -> Tensor:
    """More elements before and after each axis.

    Args:
        x: any tensor.
        pad_width: `[[before, after], …]` for each axis, one such pair for all, or one number.
        mode: "constant"; "edge", the outermost element again; "reflect" and "symmetric", mirrored
            at the outermost element or behind it; "wrap", from the other end.
        constant_values: the fill value of the constant mode.
    """
    tensor = as_tensor(x)
    pairs = _pad_pairs(pad_width, tensor.ndim)
    if mode == "constant":
        fill = as_tensor(constant_values).astype(tensor.dtype)
        return cast(
            Tensor, ops.pad(tensor, [p[0] for p in pairs], [p[1] for p in pairs], None, fill)
        )
    if mode not in MODES:
        raise UsageError(f"pad: mode {mode!r}", facts=[("known", ", ".join(("constant", *MODES)))])
    for axis, (before, after) in enumerate(pairs):
        if before or after:
            tensor = _pad_axis(tensor, axis, before, after, mode)
    return tensor


def _pad_pairs(pad_width: Any, rank: int) -> list[tuple[int, int]]:
    if isinstance(pad_width, int):
        return [(pad_width, pad_width)] * rank
    rows = [tuple(row) if isinstance(row, (tuple, list)) else (row,) for row in pad_width]
    if len(rows) == 2 and all(len(row) == 1 for row in rows):
        rows = [(rows[0][0], rows[1][0])]
    pairs = [(row[0], row[-1]) for row in rows]
    return pairs * rank if len(pairs) == 1 else pairs


def _pad_axis(x: Tensor, axis: int, before: int, after: int, mode: str) -> Tensor:
    size = x.shape[axis]
    if size == 0:
        fact = ("operand", x.type, f"axis {axis} = 0")
        raise ShapeError(f"pad: nothing to fill up an empty axis with by {mode!r}", facts=[fact])
    room = size - (mode == "reflect")
    is_checked = isinstance(size, int) or dims.are_guarded()
    if is_checked and mode != "edge" and max(before, after) > room:
        of_numpy: Callable[..., Any] = np.pad  # its overloads are by literal modes
        return take(x, of_numpy(np.arange(int(size)), (before, after), mode), axis)
    low, high = _edges(x, axis, before, after, mode)
    parts = [part for part, count in ((low, before), (x, 1), (high, after)) if count]
    return concatenate(parts, axis)


def _edges(x: Tensor, axis: int, before: int, after: int, mode: str) -> tuple[Any, Any]:
    """What comes before and after."""
    size = x.shape[axis]

    def cut(start: Size, stop: Size) -> Any:
        return ops.slice_axis(x, axis, start, stop)

    match mode:
        case "edge":
            first, last = cut(0, 1), cut(size - 1, size)
            return ops.repeat(first, before, axis), ops.repeat(last, after, axis)
        case "wrap":
            return cut(size - before, size), cut(0, after)
        case "reflect":
            low, high = cut(1, before + 1), cut(size - 1 - after, size - 1)
        case _:
            low, high = cut(0, before), cut(size - after, size)
    return ops.flip(low, axis), ops.flip(high, axis)
