"""What ops with regions share on a batch: which carries are batched, who takes part in a step.

Where a choice is another one for each member of a batch, all members go through all of it, and
`where` keeps what is theirs. What the others compute is thrown away, but it must do no harm: no NaN
may come back through a gradient (`0 * NaN` is NaN), no inner loop may go on for ever. So who does
not take part computes with the operands of one who does, and no derivative passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from irflow import dtypes
from irflow.ir.graph import Graph
from irflow.ir.types import TensorType
from irflow.ops.broadcast import broadcast, reduce, reshape
from irflow.ops.constants import Iota
from irflow.ops.functions import where
from irflow.ops.indexing import gather
from irflow.ops.operand import Handle
from irflow.ops.regions import stop_gradient
from irflow.scalars import find

Flags = Sequence[bool]
_NOBODY = 2**62
"""A number greater than that of any member."""


def element_types(inputs: Sequence[Any], is_batched: Flags) -> list[TensorType]:
    """The types that operands have for one member of the batch."""
    return [
        x.type.with_shape(x.shape[1:]) if flag else x.type
        for x, flag in zip(inputs, is_batched, strict=True)
    ]


def settled(context: Any, body: Graph, constants: Flags, carry: Flags, rest: Flags) -> list[bool]:
    """Which carries of a loop are batched: those that are at the start, or become so on the way.

    Args:
        context: of the batching.
        body: takes constants, carry and more; returns the carry first.
        constants: which of them are batched.
        carry: which are at the start.
        rest: which of the other inputs are.
    """
    known = list(carry)
    while True:
        _, found = context.batch(body, [*constants, *known, *rest])
        more = [a or b for a, b in zip(known, found, strict=False)]
        if more == known:
            return known
        known = more


def any_of(condition: Handle) -> Handle:
    """Whether `condition: bool[batch]` holds for a member."""
    return reduce(find("logical_or"), condition, (0,))  # type: ignore[no-any-return]


def chosen(condition: Handle, x: Handle, y: Handle) -> Handle:
    """`x` of the members for which `condition: bool[batch]` holds, `y` of the others."""
    mask = broadcast(condition, x.shape, (0,)) if x.ndim > 1 else condition
    return where(mask, x, y)  # type: ignore[no-any-return]


def shielded(
    condition: Handle, inputs: Sequence[Handle], is_batched: Flags, regions: Sequence[Graph]
) -> list[Handle]:
    """Operands for regions in which only the members that meet a condition take part.

    Args:
        condition: `bool[batch]`; where `is_fragile`, it holds for one member at least.
        inputs: batched ones keep the values of those who take part.
        is_batched: which have the batch axis in front.
        regions: what is going to be computed.
    """
    number = None
    # Of an empty batch nobody takes part; and it has no member to take operands from.
    if is_fragile(inputs, is_batched, regions) and condition.shape != (0,):
        number = _first(condition)
    return [
        _shielded(condition, x, number) if flag else x
        for x, flag in zip(inputs, is_batched, strict=True)
    ]


def is_fragile(inputs: Sequence[Handle], is_batched: Flags, regions: Sequence[Graph]) -> bool:
    """Whether members that take no part could do harm if they computed with what they have.

    That is so where a loop inside might not end for them, and where a NaN of theirs comes into a
    gradient that is the sum over all members: that of an operand without the batch axis.
    """
    is_shared = any(
        x.dtype.is_inexact and not flag for x, flag in zip(inputs, is_batched, strict=True)
    )
    return is_shared or any(_has_loop(region) for region in regions)


def _has_loop(region: Graph) -> bool:
    """Whether a loop without a bound is inside."""
    return any(
        (node.op.name == "while" and getattr(node.op, "max_steps", None) is None)
        or any(_has_loop(inner) for inner in node.regions)
        for node in region
    )


def _first(condition: Handle) -> Handle:
    """The number of the first member that meets a condition: `i64[1]`."""
    (numbers,) = condition.emit(Iota(condition.shape, 0, dtypes.i64), [])
    return reshape(reduce(find("minimum"), where(condition, numbers, _NOBODY), (0,)), (1,))  # type: ignore[no-any-return]


def _shielded(condition: Handle, x: Handle, number: Handle | None) -> Handle:
    if number is None:
        return chosen(condition, x, stop_gradient(x)) if x.dtype.is_inexact else x
    row = gather(x, number)
    return chosen(condition, x, stop_gradient(broadcast(row, x.shape, range(1, x.ndim))))
