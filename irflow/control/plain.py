"""Branches and loops as Python runs them: under `irf.disable_jit`, for debugging."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from irflow import ops, tree
from irflow.control.carrying import check_types, widened
from irflow.control.closing import Leaves
from irflow.control.messages import check_condition, pair_error, structure_error
from irflow.dtypes import promote
from irflow.frontend.batching import BatchTrace
from irflow.frontend.disabled import is_jit_disabled
from irflow.frontend.tensor import Tensor, as_tensor
from irflow.frontend.tracing import current_trace


def is_plain() -> bool:
    """Whether branches and loops are to be run by Python, on values that are all known."""
    if not is_jit_disabled():
        return False
    trace = current_trace()
    while trace is not None and not trace.is_compiled and not isinstance(trace, BatchTrace):
        trace = trace.parent
    return trace is None


def run_plainly(function: Callable[..., Any], operands: Sequence[Any]) -> Any:
    """The function's result for operands whose leaves are tensors, as those of the result are."""
    inputs = tree.map_leaves(as_tensor, tuple(operands))
    return tree.map_leaves(as_tensor, function(*inputs))


def run_while_plainly(
    name: str,
    cond_fun: Callable[[Any], Any],
    body_fun: Callable[[Any], Any],
    leaves: Leaves,
    max_steps: int | None,
) -> list[Tensor]:
    """The leaves of the last carry; `name` is for messages.

    A Python number on entry that the body turns into another type has its own if no step is taken.
    """
    carry, steps = leaves.tensors, 0
    while steps != max_steps:
        found, structure = tree.flatten(cond_fun(leaves.structure.unflatten(carry)))
        tests = [as_tensor(leaf) for leaf in found]
        check_condition(name, structure, [test.type for test in tests])
        if not bool(tests[0]):
            break
        carry = _checked(name, leaves, body_fun(leaves.structure.unflatten(carry)))
        steps += 1
    return carry


def run_scan_plainly(
    name: str,
    function: Callable[[Any, Any], Any],
    leaves: Leaves,
    sequences: Leaves,
    length: int,
    reverse: bool,
) -> tuple[list[Tensor], Any]:
    """The leaves of the last carry, and the outputs of at least one step."""
    carry = leaves.tensors
    rows: list[list[Tensor]] = []
    for step in reversed(range(length)) if reverse else range(length):
        slices = sequences.structure.unflatten([_slice(x, step) for x in sequences.tensors])
        result = function(leaves.structure.unflatten(carry), slices)
        if not isinstance(result, tuple) or len(result) != 2:
            raise pair_error(name, tree.flatten(result)[1])
        carry = _checked(name, leaves, result[0])
        outputs, structure = tree.flatten(result[1])
        rows.append([as_tensor(leaf) for leaf in outputs])
    in_order = rows[::-1] if reverse else rows
    stacks = [_stacked(stack) for stack in zip(*in_order, strict=True)]
    return carry, structure.unflatten(stacks)


def _checked(name: str, leaves: Leaves, value: Any) -> list[Tensor]:
    """The leaves of a carry that a body returns.

    Raises:
        TreeError, ShapeError, DTypeError: it is not what went in.
    """
    found, structure = tree.flatten(value)
    if structure != leaves.structure:
        raise structure_error(name, leaves.structure, structure)
    tensors = [as_tensor(leaf) for leaf in found]
    types = [tensor.type for tensor in tensors]
    weak = [tensor.is_weak for tensor in tensors]
    arguments = [widened(*row) for row in zip(leaves.arguments(), types, weak, strict=True)]
    check_types(name, arguments, types, weak)
    return [
        tensor if argument.weak else ops.convert(tensor, argument.type.dtype)
        for tensor, argument in zip(tensors, arguments, strict=True)
    ]


def _slice(x: Tensor, step: int) -> Tensor:
    """`x[step]`."""
    row = ops.slice_axis(x, 0, step, step + 1)
    tensor: Tensor = ops.reshape(row, x.shape[1:])
    return tensor.weakened() if x.is_weak else tensor


def _stacked(tensors: Sequence[Tensor]) -> Tensor:
    """The tensors along a new leading axis."""
    dtype, weak = promote(*((t.dtype, t.is_weak) for t in tensors))
    rows = [ops.reshape(ops.convert(t, dtype), (1, *t.shape)) for t in tensors]
    result: Tensor = ops.concatenate(rows, 0)
    return result.weakened() if weak else result
