"""The carry of a loop: traced until its types stay the same, with assigned variables in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from irflow import dtypes, ops
from irflow.control.closing import Leaves, Region
from irflow.control.messages import structure_error, type_error
from irflow.frontend.tensor import Tensor
from irflow.frontend.tracing import Argument, TracedFunction
from irflow.ir import TensorType
from irflow.ops.operand import Handle
from irflow.records import dataclass

Trace = Callable[[list[Argument]], TracedFunction]


@dataclass(frozen=True, slots=True)
class Carry:
    """The carry on entry, and the body traced for it.

    Attributes:
        body: returns the carry first.
        tensors: the values on entry, in the types that stay.
        arguments: the types and which of them give way.
    """

    body: TracedFunction
    tensors: list[Tensor]
    arguments: list[Argument]

    def closed(self, region: Region) -> list[Handle]:
        """The carry that the body returns, in the types in which it is taken."""
        pairs = zip(region.results, self.arguments, strict=False)
        return [ops.convert(result, argument.type.dtype) for result, argument in pairs]

    def finished(self, results: Sequence[Tensor]) -> list[Tensor]:
        """The carry after the loop; what gave way on entry still does."""
        pairs = zip(results, self.arguments, strict=True)
        return [tensor.weakened() if a.weak else tensor for tensor, a in pairs]


def settle(name: str, leaves: Leaves, trace: Trace, is_pair: bool = False) -> Carry:
    """Trace a body until a carry goes in and comes out with the same types.

    A Python number on entry takes the type that the body gives it; what the body returns without
    a strong type takes that of the entry.

    Args:
        name: of the loop, for messages.
        leaves: the carry on entry.
        trace: the body for given types.
        is_pair: whether the body returns a pair of the carry and something else.

    Raises:
        TreeError, ShapeError, DTypeError: the carry comes out different.
    """
    arguments = leaves.arguments()
    while True:
        body = trace(arguments)
        returned = body.structure.children[0] if is_pair else body.structure
        if returned != leaves.structure:
            raise structure_error(name, leaves.structure, returned)
        outputs = [value.type for value in body.graph.outputs[: len(arguments)]]
        wider = [widened(*row) for row in zip(arguments, outputs, body.weak, strict=False)]
        if wider == arguments:
            break
        arguments = wider
    check_types(name, arguments, outputs, body.weak)
    pairs = zip(leaves.tensors, arguments, strict=True)
    tensors = [ops.convert(tensor, argument.type.dtype) for tensor, argument in pairs]
    return Carry(body, tensors, arguments)


def widened(argument: Argument, result: TensorType, weak: bool) -> Argument:
    """The type of a carry of weak type, given what the body makes of it."""
    given = argument.type
    if not argument.weak or given.shape != result.shape:
        return argument
    dtype, is_weak = dtypes.promote((given.dtype, True), (result.dtype, weak))
    return replace(argument, type=given.with_dtype(dtype), weak=is_weak)


def check_types(
    name: str, arguments: Sequence[Argument], outputs: Sequence[TensorType], weak: Sequence[bool]
) -> None:
    """ShapeError or DTypeError unless a carry comes out in the types in which it goes in."""
    rows = zip(arguments, outputs, weak, strict=False)
    wrong = [
        (a.hint, a.type, a.weak, type, is_weak)
        for a, type, is_weak in rows
        if type.shape != a.type.shape or not _fits(a, type, is_weak)
    ]
    if wrong:
        raise type_error(name, wrong)


def _fits(argument: Argument, result: TensorType, weak: bool) -> bool:
    """Whether a result has, or gives way to, the element type of the carry."""
    given = argument.type.dtype
    if result.dtype is given:
        return True
    return weak and dtypes.promote((given, argument.weak), (result.dtype, True))[0] is given
