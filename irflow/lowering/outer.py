"""One step of a register tile along the reduced axis: a column of elements times a row of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import mul

from irflow.dtypes import DType
from irflow.loops import Expr, Load, LoopKind
from irflow.lowering.nest import NestContext
from irflow.lowering.tile import Add, Spot, vectors

Rows = Callable[[], Iterator[tuple[Expr, Expr]]]
"""Writes a loop over the rows of a tile: their numbers, and the element of the left operand."""
Row = Callable[[Expr], Expr]
"""The element of the right operand by its column in the tile."""
Times = Callable[[Expr, Expr], Expr]
"""An element on the left times one on the right; of words, what their instruction adds up."""


def add_outer_product(
    context: NestContext,
    spot: Spot,
    lanes: int,
    dtype: DType,
    is_masked: bool,
    rows: Rows,
    row: Row,
    add: Add,
    times: Times = mul,
) -> None:
    """Add all products to a tile, with each element on the left in all lanes of a vector.

    Of the two operands, the one with fewer vectors is held while the other one comes by.
    """
    builder = context.builder
    if len(spot.widths) <= spot.rows:
        held = builder.alloc(dtype, (len(spot.widths) * lanes,), name="b")
        for offset in vectors(context, spot, lanes, is_masked):
            builder.store(held, (context.index(offset),), row(offset))
        for r, left in rows():
            for offset in vectors(context, spot, lanes, is_masked):
                add(r, offset, times(left, Load(held, (context.index(offset),))))
        return
    held = builder.alloc(dtype, (spot.rows, lanes), name="a")
    for r, left in rows():
        with context.one_loop(lanes, LoopKind.VECTOR, "l") as lane:
            builder.store(held, (r, lane), left)
    for offset in vectors(context, spot, lanes, is_masked):
        right = row(offset)
        with context.one_loop(spot.rows, LoopKind.UNROLL, "r") as r:
            add(r, offset, times(Load(held, (r, context.index(offset % lanes))), right))
