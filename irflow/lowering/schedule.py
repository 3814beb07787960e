"""Which loops run in which order, and how large tiles are: the only place that knows.

Every choice is a function of shapes, of how loads move through memory, and of the `Target`; never
of a measurement or of the number of threads. So the order of every sum is fixed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from irflow.dims import Size
from irflow.dtypes import DType
from irflow.loops import Expr
from irflow.lowering.strides import Access
from irflow.lowering.target import Target


@dataclass(frozen=True, slots=True)
class Tile:
    """The part of a contraction's result that is held in registers.

    Attributes:
        rows: along the last but one output axis; several reuse the loads of one column block.
        columns: along the last axis: vectors of `lanes`, or single columns when `is_inner`.
        lanes: elements of a vector.
        is_inner: whether the vectors lie along the reduced axis instead of the columns.
    """

    rows: int
    columns: int
    lanes: int
    is_inner: bool = False


def is_short(extent: Size | Expr, lanes: int) -> bool:
    """Whether a reduced extent is known to fill less than a vector."""
    return isinstance(extent, int) and extent < lanes


def prefers_lanes(accesses: Sequence[Access], position: int) -> bool:
    """Whether neighbours along reduced index `position` are neighbours in memory, in every load."""
    strides = [access.strides[position] for access in accesses]
    return 1 in strides and all(stride in (0, 1) for stride in strides)


def contraction_tile(
    target: Target,
    dtype: DType,
    rows: Size,
    columns: int,
    accesses: Sequence[Access],
    is_product: bool,
) -> Tile | None:
    """The register tile of a sum whose loads move by (row, column, innermost reduced index).

    None where neither columns nor the reduced index run along memory, and for a plain sum along
    memory, which needs no tile.
    """
    if columns == 0:
        return None
    lanes = target.lanes(dtype)
    by_column = all(a.strides[1] in (0, 1) for a in accesses)
    by_inner = is_product and all(a.strides[2] in (0, 1) for a in accesses)
    if by_inner and (not by_column or 2 * columns < lanes):
        side = 4 if target.vector_registers >= 32 else 2
        return Tile(_divisor(rows, side), min(side, columns), lanes, is_inner=True)
    if not by_column or columns == 1:
        return None
    vectors = min(4 if target.vector_registers >= 32 else 2, -(-columns // lanes))
    most = (target.vector_registers - 2) // vectors - 1
    return Tile(_divisor(rows, min(most, 8)), vectors, lanes)


def _divisor(size: Size, most: int) -> int:
    """The largest divisor of `size` up to `most`, or `most` if that is less than half of it."""
    if not isinstance(size, int):
        return min(most, 4)
    fitting = [n for n in range(1, min(most, max(size, 1)) + 1) if size % n == 0]
    largest = max(fitting, default=1)
    return largest if 2 * largest >= min(most, size) else min(most, size)
