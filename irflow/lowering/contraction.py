"""Sums with accumulators in registers: matrix products, convolutions, column sums.

Matrix products have loops of their own (`product`); other sums run over tiles in order:

    for batch, row block, column block: one register tile of the result (`tile`)

Where few columns run along the reduced axis (`x @ v`), vectors lie along k (`dots`). Operands are
element functions: their prologues stand in the loop where their index is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from irflow.dims import Size
from irflow.ir.graph import Node
from irflow.ir.op import Lowering
from irflow.loops import Expr, LoopKind, integer
from irflow.lowering import schedule
from irflow.lowering.dots import DotWriter
from irflow.lowering.group import Group
from irflow.lowering.long_sums import LongSum
from irflow.lowering.nest import Built, NestContext
from irflow.lowering.product import product_nest
from irflow.lowering.quarters import fill_bits
from irflow.lowering.schedule import Tile
from irflow.lowering.target import Target
from irflow.lowering.tile import AnySum, Spot, TileWriter
from irflow.lowering.values import ZERO, divided, index_of
from irflow.lowering.words import dot_of
from irflow.ops import IntegerMatmul, Matmul


def contraction_nest(group: Group, target: Target) -> Built | None:
    """The tiled nest for a group with reductions at its end; None where tiles do not fit it."""
    anchors = group.anchors()
    if not anchors or not group.outputs[0].type.rank:
        return None
    context = NestContext(group, target)
    fill_bits(context)
    is_product = len(anchors) == 1 and isinstance(anchors[0].op, Matmul | IntegerMatmul)
    if is_product and (_long_nest(context, anchors[0]) or product_nest(context, anchors[0])):
        return context.finish()
    tile = choose_tile(context, anchors)
    if tile is None:
        return None
    _write(context, anchors, tile)
    return context.finish()


def _long_nest(context: NestContext, anchor: Node) -> bool:
    """Write a product whose sums threads share; False for others."""
    long = LongSum.of(context, anchor)
    if long is None:
        return False
    if product_nest(context, anchor, LongSum.of(context, anchor, dot_of(context, anchor))):
        return True
    tile = choose_tile(context, [anchor])
    if tile is None or not tile.is_inner:
        return False
    writer, shape = DotWriter(context, [anchor], tile), long.shape
    with long.chunks() as (chunk, part), context.loops(shape[:-2], name="b") as batch:
        for spot in _spots(context, shape, tile, batch):
            for (r, c), total in writer.totals(spot, anchor, part).items():
                long.keep(chunk, spot.place(r, c, len(shape)), total)
    long.combine()
    return True


def choose_tile(context: NestContext, anchors: Sequence[Node]) -> Tile | None:
    """The register tile for the results of all anchors; None if they have no common one."""
    shape = context.outputs[0].shape
    rows, columns = shape[-2] if len(shape) > 1 else 1, shape[-1]
    if not isinstance(columns, int):
        return None
    tiles = set()
    for anchor in anchors:
        index = [ZERO] * len(shape)
        found = context.capture(anchor.output, index)
        if found is None or not found.extents or any(isinstance(e, Expr) for e in found.extents):
            return None
        summand = partial(_summand, context, anchor, len(found.extents))
        moves = context.probe_body(3, summand)
        is_product = anchor.op.lowering is Lowering.CONTRACTION
        tiles.add(schedule.sum_tile(context.target, found.dtype, rows, columns, moves, is_product))
    return tiles.pop() if len(tiles) == 1 else None


def _summand(context: NestContext, anchor: Node, reduced: int, variables: Sequence[Expr]) -> Expr:
    """One summand at (row, column, innermost reduced index), all other indices 0."""
    row, column, inner = variables
    rank = anchor.output.type.rank
    index = [*[ZERO] * (rank - 2), row, column][-rank:]
    found = context.capture(anchor.output, index)
    assert found is not None
    return found.body([*[ZERO] * (reduced - 1), inner])


def _write(context: NestContext, anchors: Sequence[Node], tile: Tile) -> None:
    """All tiles: whole ones in loops, the rest of rows and columns behind them."""
    writer: TileWriter | DotWriter
    if tile.is_inner:
        writer = DotWriter(context, anchors, tile)
    else:
        writer = TileWriter(context, [AnySum(context, a, tile.lanes) for a in anchors], tile)
    shape = context.outputs[0].shape
    with context.loops(shape[:-2], LoopKind.PARALLEL, "b") as batch:
        for spot in _spots(context, shape, tile, batch):
            writer.write(spot)


def _spots(
    context: NestContext, shape: Sequence[Size], tile: Tile, batch: tuple[Expr, ...]
) -> Iterator[Spot]:
    """All tiles of a matrix."""
    for row, rows in _row_blocks(context, shape[-2] if len(shape) > 1 else 1, tile.rows):
        for column, widths in column_blocks(context, shape[-1], tile):
            yield Spot(batch, row, column, rows, widths)


def _row_blocks(context: NestContext, rows: Size, height: int) -> Iterator[tuple[Expr, int]]:
    """Where blocks of rows start and how many rows they have."""
    whole, rest = divided(rows, height)
    if whole != 0:
        with context.one_loop(whole, LoopKind.PARALLEL, "i") as block:
            yield block * height, height
    start = index_of(whole) * height
    if isinstance(rest, int):
        if rest:
            yield start, rest
        return
    with context.one_loop(rest, name="i") as row:
        yield start + row, 1


def column_blocks(
    context: NestContext, columns: Size, tile: Tile
) -> Iterator[tuple[Expr, tuple[int, ...]]]:
    """Where blocks of columns start, and the widths of their vectors."""
    assert isinstance(columns, int)
    lanes = 1 if tile.is_inner else tile.lanes
    whole, rest = divmod(columns, tile.width)
    if whole:
        with context.one_loop(whole, name="j") as block:
            yield block * tile.width, (lanes,) * tile.columns
    if rest:
        widths = (lanes,) * (rest // lanes) + ((rest % lanes,) if rest % lanes else ())
        yield integer(columns - rest), widths
