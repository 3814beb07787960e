"""Bodies of loops whose rows do not depend on each other, for a block of rows at a time.

    for step                        for block of rows
      h = f(x[step], h)       ->      for step
                                        h[block] = f(x[step, block], h[block])

Each thread then takes its rows through all steps without waiting for others, and what they carry
stays in its caches. A value of the body is either of rows, its first axis being that of the batch,
or the same for all rows. Each element is computed as before, so the bits stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from irflow import dims
from irflow.dims import Size
from irflow.ir.builder import Builder
from irflow.ir.graph import Graph, Node, Value
from irflow.ir.op import Op
from irflow.ir.types import TensorType
from irflow.lowering.target import Target
from irflow.ops import (
    Broadcast,
    Concatenate,
    Constant,
    Convert,
    Elementwise,
    Matmul,
    Pad,
    Reduce,
    Reshape,
    Scan,
    Slice,
    Transpose,
)
from irflow.ops.regions import Fusion
from irflow.ops.shape import Reverse
from irflow.records import dataclass

LEAST_ROWS = 16
"""Rows of a block, which fill the register tiles of its products."""

LEAST_ELEMENTS = 2048
"""Of the widest value of a block: with fewer, calling kernels takes longer than running them."""

MOST_SHARED = 2
"""Where what all rows read in a step fills more second-level caches, threads better share that."""

SYMBOL = "block_rows"
"""The size of a block where the last one may have fewer rows."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """How the rows of a loop are cut.

    Attributes:
        rows: of all blocks.
        height: rows of a block; the last one may have fewer.
        body: of the loop, for one block.
        inputs: for each input of the body, whether it is of rows.
    """

    rows: Size
    height: int
    body: Graph
    inputs: tuple[bool, ...]

    @property
    def size(self) -> Size:
        """The rows of a block, as in the types of the body."""
        return block_size(self.rows, self.height)

    @property
    def count(self) -> Size:
        return dims.ceil_div(self.rows, self.height)


def block_size(rows: Size, height: int) -> Size:
    """How many rows a block has: a number, if all have the same."""
    is_even = isinstance(rows, int) and rows % height == 0
    return height if is_even else dims.symbol(SYMBOL, 1, height)


def usual_rows(rows: Size) -> int | None:
    """How many rows there are, in a block those of all but the last one; None if not known."""
    if isinstance(rows, int):
        return rows
    is_block = [symbol.name for symbol in dims.shape_symbols([rows])] == [SYMBOL]
    return dims.bounds(rows)[1] if is_block else None


def row_blocks(body: Graph, op: Scan, target: Target) -> Blocks | None:
    """How the rows of a loop are cut; None where they depend on each other, or are too few.

    Args:
        body: without calls.
        op: of the loop.
        target: the machine.
    """
    carries = body.inputs[op.constants : op.constants + op.carries]
    if not carries or not carries[0].type.rank:
        return None
    rows = carries[0].type.shape[0]
    needed = _needed(body, rows)
    if needed is None:
        return None
    flags = tuple(needed.get(value) is True for value in body.inputs)
    if not all(flags[value.index] for value in carries):
        return None
    shared = [v.type.nbytes for v, is_row in zip(body.inputs, flags, strict=True) if not is_row]
    limit = MOST_SHARED * target.l2_bytes
    if any(not isinstance(size, int) for size in shared) or sum(shared, 0) > limit:
        return None
    height = _height(body, rows)
    if height is None:
        return None
    cut = _Cutter(rows, block_size(rows, height)).graph(body, needed)
    return Blocks(rows, height, cut, flags)


def _height(body: Graph, rows: Size) -> int | None:
    """The rows of a block, from the shapes alone; None where there would be one block."""
    widest = 1
    for value in body.values:
        width = dims.product(value.type.shape[1:]) if value.type.rank else 1
        if isinstance(width, int) and value.type.rank and value.type.shape[0] == rows:
            widest = max(widest, width)
    least = -(-LEAST_ELEMENTS // widest)
    height = -(-max(LEAST_ROWS, least) // LEAST_ROWS) * LEAST_ROWS
    return None if isinstance(rows, int) and rows <= height else height


# ---------------------------------------------------------------------------------------- analysis


class _MixedError(Exception):
    """Rows depend on each other, as far as is known; never leaves this module."""


Needed = dict[Value, bool]
"""For each value that is read: whether as rows; literals may be read as both."""


def _needed(body: Graph, rows: Size) -> Needed | None:
    """How values are read if all results are of rows; None if rows depend on each other."""
    try:
        return _Analysis(rows).run(body, [True] * len(body.outputs), is_kernel=False)
    except _MixedError:
        return None


class _Analysis:
    """Goes back from results to what they are made of."""

    def __init__(self, rows: Size) -> None:
        self.rows = rows

    def run(self, graph: Graph, outputs: Sequence[bool], is_kernel: bool) -> Needed:
        """How all values are read, when the results are wanted as `outputs` says."""
        needed: Needed = {}
        for value, is_row in zip(graph.outputs, outputs, strict=True):
            self.need(needed, value, is_row)
        for node in reversed(graph):
            wanted = {needed[value] for value in node.outputs if value in needed}
            if not wanted:
                continue
            if len(wanted) > 1:
                raise _MixedError
            (is_row,) = wanted
            if not is_row and not is_kernel and not isinstance(node.op, Constant):
                raise _MixedError  # Each block would write it.
            flags = self.operands(node) if is_row else [False] * len(node.inputs)
            for value, flag in zip(node.inputs, flags, strict=True):
                self.need(needed, value, flag)
        return needed

    def need(self, needed: Needed, value: Value, is_row: bool) -> None:
        shape = value.type.shape
        if is_row and (not shape or shape[0] != self.rows):
            raise _MixedError
        if needed.setdefault(value, is_row) is not is_row:
            raise _MixedError

    def operands(self, node: Node) -> list[bool]:
        """Which operands of a node are of rows, when its results are."""
        if isinstance(node.op, Fusion):
            (region,) = node.regions
            inner = self.run(region, [True] * len(region.outputs), is_kernel=True)
            return [inner.get(value, False) for value in region.inputs]
        if len(node.outputs) != 1 or node.output.type.shape[:1] != (self.rows,):
            raise _MixedError
        return self.plain(node)

    def plain(self, node: Node) -> list[bool]:
        first = node.inputs[0].type if node.inputs else None
        match node.op:
            case Elementwise() | Convert():
                return [True] * len(node.inputs)
            case Broadcast(_, axes):
                assert first is not None
                keeps_rows = 0 in axes and first.shape[0] == self.rows
                return [keeps_rows]
            case Reshape() if first is not None and first.shape[:1] == (self.rows,):
                return [True]
            case Transpose(perm) if perm[0] == 0:
                return [True]
            case Slice(start, stop, step) if (start[0], stop[0], step[0]) == (0, self.rows, 1):
                return [True]
            case Pad(low, high, interior) if (low[0], high[0], interior[0]) == (0, 0, 0):
                return [True, False]
            case Concatenate(axis) if axis != 0:
                return [True] * len(node.inputs)
            case Reverse(axes) if 0 not in axes:
                return [True]
            case Reduce(_, axes) if 0 not in axes:
                return [True]
            case Matmul():
                return [True, node.output.type.rank > 2]
        raise _MixedError


# --------------------------------------------------------------------------------------- rewriting


class _Cutter:
    """Copies graphs with the first axis of rows of another size."""

    def __init__(self, rows: Size, size: Size) -> None:
        self.rows, self.size = rows, size

    def graph(self, graph: Graph, needed: Needed) -> Graph:
        """A copy, whose inputs stand in the same places."""
        result = Graph(graph.name)
        mapping = {
            v: result.add_input(self.type(v, needed.get(v, False)), v.hint) for v in graph.inputs
        }
        builder = Builder(result)
        for node in graph:
            if not any(value in needed for value in node.outputs):
                continue
            builder.location = node.location
            is_row = any(needed.get(value, False) for value in node.outputs)
            op, regions = (self.op(node), self.regions(node)) if is_row else (node.op, node.regions)
            copies = regions if is_row else tuple(region.copy() for region in regions)
            results = builder.emit(op, [mapping[value] for value in node.inputs], copies)
            mapping.update(zip(node.outputs, results, strict=True))
        result.set_outputs([mapping[value] for value in graph.outputs])
        return result

    def type(self, value: Value, is_row: bool) -> TensorType:
        shape = value.type.shape
        return value.type.with_shape((self.size, *shape[1:])) if is_row else value.type

    def regions(self, node: Node) -> tuple[Graph, ...]:
        return tuple(
            self.graph(r, _Analysis(self.rows).run(r, [True] * len(r.outputs), is_kernel=True))
            for r in node.regions
        )

    def op(self, node: Node) -> Op:
        match node.op:
            case Broadcast(shape) | Reshape(shape):
                return replace(node.op, shape=(self.size, *shape[1:]))
            case Slice(stop=stop):
                return replace(node.op, stop=(self.size, *stop[1:]))
        return node.op
