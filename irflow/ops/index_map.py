"""What the ops that move elements share: their cost, checks, tangents and index arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from irflow.dims import Size
from irflow.dtypes import DType
from irflow.errors import DTypeError, ShapeError
from irflow.ir.op import Cost, Lowering, Op
from irflow.ir.types import TensorType
from irflow.loops.nodes import Const, Expr, size_expr
from irflow.scalars import find


class IndexMap(Op):
    """An op that computes nothing: each element of the result is some element of an operand."""

    lowering: ClassVar[Lowering] = Lowering.ELEMENT

    def cost(self, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Cost:
        return Cost(0, 2 * outputs[0].nbytes)


def replaced(items: Sequence[Any], position: int, item: Any) -> tuple[Any, ...]:
    """`items` with one of them exchanged."""
    return (*items[:position], item, *items[position + 1 :])


def one_further(axes: Sequence[int]) -> tuple[int, ...]:
    """The same axes of a tensor that has one more in front."""
    return tuple(axis + 1 for axis in axes)


def check_rank(name: str, x: TensorType, **attributes: Sequence[Size]) -> None:
    """ShapeError unless each attribute has one entry an axis of `x`."""
    for attribute, values in attributes.items():
        if len(values) != x.rank:
            count = "1 entry" if len(values) == 1 else f"{len(values)} entries"
            raise ShapeError(
                f"{name}: {attribute} does not have one entry an axis",
                facts=[("operand", x, f"rank {x.rank}"), (attribute, values, count)],
            )


def check_dtypes(name: str, **types: TensorType) -> None:
    """DTypeError unless all operands, given by their names, have one element type."""
    if len({t.dtype for t in types.values()}) > 1:
        facts = [(operand, t, t.dtype) for operand, t in types.items()]
        raise DTypeError(f"{name}: operands of different dtypes", facts=facts)


def joint_jvp(op: Op, inputs: Sequence[Any], tangents: Sequence[Any]) -> Sequence[Any]:
    """The tangent of an op that is linear in all its float operands together.

    Such an op is applied to the tangents, with zeros for those that are None. `linear_in` is for
    products, which are linear in each operand while the others are held fixed.
    """
    if all(tangent is None for tangent in tangents):
        return [None]
    operands = list(map(tangent_of, inputs, tangents))
    return list(inputs[0].emit(op, operands))


def tangent_of(x: Any, tangent: Any) -> Any:
    """What stands for the tangent of `x`: zeros for None; `x` itself for an integer operand."""
    if tangent is not None or x.dtype.is_integer:
        return x if tangent is None else tangent
    return x.full(0, x.shape)


def affine(index: Expr, offset: Size, factor: int) -> Expr:
    """`index * factor + offset` without the trivial parts."""
    scaled = index if factor == 1 else index * factor
    return scaled if offset == 0 else scaled + size_expr(offset)


def is_between(index: Expr, low: Size, high: Size | Expr) -> Expr:
    """`low <= index < high` as a loop expression."""
    above = index >= size_expr(low)
    return all_of([above, index < (high if isinstance(high, Expr) else size_expr(high))])


def all_of(conditions: Sequence[Expr]) -> Expr:
    """The conjunction of loop conditions; there is at least one."""
    result, *others = conditions
    for condition in others:
        result = find("logical_and")(result, condition)
    return result


def zero_expr(dtype: DType) -> Const:
    """The zero of an element type as a loop expression."""
    return Const({"bool": False, "int": 0, "uint": 0}.get(dtype.kind, 0.0), dtype)
