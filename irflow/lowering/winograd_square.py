"""Squares of values in Winograd's products: what a transform makes of one, and what follows it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product as combinations

from irflow.dtypes import DType
from irflow.loops import Expr, Load, LoopKind, Space, integer
from irflow.lowering.nest import NestContext

Square = list[list[Expr]]
"""Values by line and position."""
Along = Callable[[Sequence[Expr]], list[Expr]]
"""A transform of one axis."""
Finish = Callable[[Expr, Expr, Expr, Expr], None]
"""What becomes of a value: by its line, position and lane, and the value."""


def on_both_axes(along: Along, square: Sequence[Sequence[Expr]]) -> Square:
    """A transform of the columns of a square, then of its lines."""
    columns = [along(column) for column in zip(*square, strict=True)]
    return [along(line) for line in zip(*columns, strict=True)]


def finish_square(
    context: NestContext,
    dtype: DType,
    shape: tuple[int, int, int],
    make: Callable[[Expr], Square],
    finish: Finish,
    is_short: bool,
) -> None:
    """Write what follows each value of a square that has many lanes.

    Args:
        context: where code goes.
        dtype: of the values.
        shape: how many lines, positions and lanes count.
        make: the values of a lane.
        finish: what follows one.
        is_short: whether that is written out for each of them; else it stands in a loop over a
            copy, so that there is less code.
    """
    *sides, length = shape
    copy = None if is_short else context.builder.alloc(dtype, shape, Space.GLOBAL, "tile")
    with context.one_loop(length, LoopKind.VECTOR, "l") as lane:
        found = make(lane)
        for i, j in combinations(*map(range, sides)):
            if copy is None:
                finish(integer(i), integer(j), lane, found[i][j])
            else:
                context.builder.store(copy, (integer(i), integer(j), lane), found[i][j])
    if copy is None:
        return
    with (
        context.loops(sides, name="r") as (line, position),
        context.one_loop(length, LoopKind.VECTOR, "l") as lane,
    ):
        total = context.builder.let(Load(copy, (line, position, lane)), "total")
        finish(line, position, lane, total)
