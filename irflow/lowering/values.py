"""Values, extents and reductions as they stand in kernels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from irflow import dims, dtypes
from irflow.dims import Size, Symbol
from irflow.dtypes import DType
from irflow.errors import LoweringError
from irflow.ir.graph import Value
from irflow.loops import Apply, Cast, Const, Expr, Load, Var, integer, size_expr
from irflow.loops.bounds import LARGEST_EXTENT, LARGEST_SIZE, Interval
from irflow.records import dataclass
from irflow.scalars import Scalar, find

Index = Sequence[Expr]
Extent = Size | Expr
ZERO = integer(0)


@dataclass(frozen=True, slots=True)
class Reduction:
    """A reduction that `ElementContext.capture` took apart.

    Attributes:
        row: combines elements.
        dtype: of the accumulator.
        extents: of the reduced loops, outermost first.
        body: from reduced indices to one element.
        finish: from the reduced value to that of the op.
    """

    row: Scalar
    dtype: DType
    extents: tuple[Extent, ...]
    body: Callable[[Index], Expr]
    finish: Callable[[Expr], Expr]

    @property
    def identity(self) -> Const:
        """The neutral element."""
        return identity_of(self.row, self.dtype)


def literal(value: Any, dtype: DType) -> Const:
    """A NumPy scalar or a number as a literal of `dtype`."""
    kinds = {"bool": bool, "int": int, "uint": int, "float": float}
    if dtype.kind not in kinds:
        raise LoweringError(f"loops have no literals of {dtype}")
    return Const(kinds[dtype.kind](value), dtype)


def identity_of(row: Scalar, dtype: DType) -> Const:
    """The neutral element of a row that reduces."""
    assert row.identity is not None
    return literal(row.identity(dtype), dtype)


def widened(load: Load) -> Expr:
    """A load whose value has the type in which kernels compute."""
    wide = dtypes.compute_dtype(load.dtype)
    return load if wide is load.dtype else Cast(wide, load)


def narrowed(value: Expr, dtype: DType) -> Expr:
    """A kernel value in the type of the buffer it is stored to."""
    return value if value.dtype is dtype else Cast(dtype, value)


def extent_interval(extent: Extent) -> Interval:
    """The values of the variable of a loop."""
    if isinstance(extent, Expr):
        high = int(extent.value) if isinstance(extent, Const) else None
    else:
        high = dims.bounds(extent)[1]
    return Interval(0, (LARGEST_EXTENT if high is None else high) - 1)


def symbol_interval(symbol: Symbol) -> Interval:
    """What is known of a symbolic size."""
    return Interval(symbol.lower, LARGEST_SIZE if symbol.upper is None else symbol.upper)


def divided(extent: Extent, by: int) -> tuple[Extent, Extent]:
    """Quotient and remainder."""
    return extent // by, extent % by


def index_of(extent: Extent) -> Expr:
    """An extent as an index expression."""
    return extent if isinstance(extent, Expr) else size_expr(extent)


def minimum(a: Expr, b: Expr) -> Expr:
    """The smaller one of two indices."""
    return Apply(find("minimum"), (a, b))


def maximum(a: Expr, b: Expr) -> Expr:
    """The larger one of two indices."""
    return Apply(find("maximum"), (a, b))


def equal(a: Expr, b: Expr) -> Expr:
    """Whether two indices agree."""
    return Apply(find("equal"), (a, b))


def greater(a: Expr, b: Expr) -> Expr:
    """Whether the first of two indices is larger."""
    return Apply(find("greater"), (a, b))


def name_of(value: Value) -> str:
    """A name for an element: what makes it, so that equal kernels look equal."""
    if value.node is None:
        return "element"
    row = getattr(value.node.op, "row", None)
    return str(row or value.node.op.name)


def placeholder(reduction: Reduction) -> Var:
    """The variable that stands for a captured reduction."""
    return Var("?reduced", reduction.dtype)
