"""How operands meet: their common element type and shape; axes and shapes as users write them."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from irflow import dims, dtypes, ops
from irflow.dims import Size
from irflow.dtypes import DType
from irflow.errors import AxisError, ShapeError
from irflow.ir import TensorType
from irflow.scalars import KINDS, Scalar

if TYPE_CHECKING:
    from irflow.frontend.tensor import Tensor


def common_type(tensors: Sequence[Tensor], row: Scalar | None = None) -> tuple[DType, bool]:
    """The type that operands promote to, and whether it stays weak.

    With a `row`, a type that it takes: bools count as integers, and exact types as floats, where
    the row is defined for those only.
    """
    dtype, weak = dtypes.promote(*((t.dtype, t.is_weak) for t in tensors))
    if row is None or dtype.kind in KINDS[row.accepts]:
        return dtype, weak
    if dtype.kind == "bool" and "int" in KINDS[row.accepts]:
        return dtypes.DEFAULT_INT, weak
    if dtype.kind in ("bool", "int", "uint") and "float" in KINDS[row.accepts]:
        return dtypes.DEFAULT_FLOAT, weak
    return dtype, weak


def promote_all(tensors: Sequence[Tensor]) -> list[Tensor]:
    """All tensors in their common element type."""
    dtype, _ = common_type(tensors)
    return [ops.convert(tensor, dtype) for tensor in tensors]


def broadcast_shapes(name: str, types: Sequence[TensorType]) -> tuple[Size, ...]:
    """NumPy's broadcasting of shapes; ShapeError naming the op and the sizes that clash."""
    shape = types[0].shape
    for other in types[1:]:
        if other.shape != shape:
            shape = _broadcast_two(name, types, shape, other.shape)
    return shape


def require_same_shapes(name: str, types: Sequence[TensorType]) -> None:
    """ShapeError naming the first part whose shape is not that of part 0."""
    shape = types[0].shape
    for number, other in enumerate(types):
        pairs = zip(shape, other.shape, strict=False)
        if other.rank != len(shape) or not all(p == q or dims.decide_equal(p, q) for p, q in pairs):
            facts = [("part 0", types[0]), (f"part {number}", other)]
            raise ShapeError(f"{name}: the parts differ in shape", facts=facts)


def _broadcast_two(
    name: str, types: Sequence[TensorType], a: tuple[Size, ...], b: tuple[Size, ...]
) -> tuple[Size, ...]:
    rank = max(len(a), len(b))
    left = (1,) * (rank - len(a)) + a
    right = (1,) * (rank - len(b)) + b
    result: list[Size] = []
    for axis, (p, q) in enumerate(zip(left, right, strict=True)):
        if p != q and p != 1 and q != 1 and not dims.decide_equal(p, q):
            facts = [(f"operand {i}", t, _axis_fact(t, axis - rank)) for i, t in enumerate(types)]
            raise ShapeError(f"{name}: shapes do not broadcast", facts=facts)
        result.append(q if p == 1 else p)
    return tuple(result)


def _axis_fact(type: TensorType, axis: int) -> str:
    return f"axis {type.rank + axis} = {type.shape[axis]}" if type.rank >= -axis else ""


def normalize_axis(axis: int, rank: int) -> int:
    """An axis counted from 0; AxisError when the tensor has no such axis."""
    if not -rank <= axis < rank:
        raise AxisError(int(axis), rank)
    return int(axis) % rank


def normalize_axes(axes: Sequence[int], rank: int) -> tuple[int, ...]:
    """Axes counted from 0, in the order given."""
    found = tuple(normalize_axis(int(axis), rank) for axis in axes)
    if len(set(found)) != len(found):
        raise ShapeError(f"axes {tuple(axes)} name one axis twice")
    return found


def axes_of(axis: int | Sequence[int] | None, rank: int) -> tuple[int, ...]:
    """The axes that an `axis` argument means, ascending."""
    if axis is None:
        return tuple(range(rank))
    given = (axis,) if isinstance(axis, (int, np.integer)) else tuple(axis)
    return tuple(sorted(normalize_axes(given, rank)))


def solve_shape(type: TensorType, shape: Sequence[Any]) -> tuple[Size, ...]:
    """A shape argument with its -1 replaced by the size that makes the element counts agree."""
    sizes = tuple(size if isinstance(size, dims.Dim) else operator.index(size) for size in shape)
    holes = [i for i, size in enumerate(sizes) if isinstance(size, int) and size < 0]
    if not holes:
        return sizes
    known = dims.product(tuple(size for i, size in enumerate(sizes) if i not in holes))
    # A remainder that cannot be decided is left to `reshape`, which compares the counts.
    is_uneven = isinstance(type.size, int) and isinstance(known, int) and known > 0
    if (
        len(holes) > 1
        or sizes[holes[0]] != -1
        or known == 0
        or (is_uneven and type.size % known != 0)
    ):
        raise ShapeError(
            "reshape: the size written as -1 has no solution",
            facts=[("operand", type), ("shape", sizes)],
        )
    rest = type.size // known
    return tuple(rest if i in holes else size for i, size in enumerate(sizes))
