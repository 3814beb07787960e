"""`scan`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from irflow import dims, ops, tree
from irflow.control.carrying import settle
from irflow.control.closing import Leaves, Region, current, parted, trace
from irflow.control.messages import name_of
from irflow.dims import Size
from irflow.errors import ShapeError, TreeError, UsageError
from irflow.frontend.boundary import public
from irflow.frontend.tensor import Tensor, apply
from irflow.frontend.tracing import Argument, TracedFunction


@public
def scan(
    f: Callable[[Any, Any], Any],
    init: Any,
    xs: Any = None,
    length: Size | None = None,
    reverse: bool = False,
) -> Any:
    """Loop over the leading axis of sequences: `carry, ys[i] = f(carry, xs[i])` for all `i`.

    Args:
        f: takes the carry and the slices of one step; returns a pair of the carry, of the same
            structure, shapes and element types, and the outputs of the step.
        init: the first carry: tensors in any nesting. A Python number takes the type that the
            body gives it.
        xs: tensors in any nesting, all with the same leading axis; None for no sequences.
        length: the number of steps, needed without sequences.
        reverse: take the steps from the last to the first; slices and outputs keep their places.

    Returns:
        The last carry, and the outputs, stacked along a new leading axis.

    Raises:
        UsageError: neither sequences nor a length are given.
        ShapeError: leading axes differ.
        TreeError, ShapeError, DTypeError: the body changes structure, shape or type of the carry.

    >>> import numpy as np
    >>> total, partial = scan(lambda c, x: (c + x, c + x), 0, np.arange(4))
    >>> int(total), partial.tolist()
    (6, [0, 1, 3, 6])
    """
    carry, sequences = Leaves.of("scan", init, "carry"), Leaves.of("scan", xs, "xs")
    steps = _length(sequences, length)
    results, outputs = run_scan("scan", f, carry, sequences, steps, reverse)
    return carry.structure.unflatten(results), outputs


def _length(sequences: Leaves, length: Size | None) -> Size:
    """The number of steps, on which all sequences agree."""
    rows = list(zip(sequences.paths, sequences.tensors, strict=True))
    for path, tensor in rows:
        if not tensor.shape:
            raise ShapeError("scan: a sequence has no leading axis", facts=[(path, tensor.type)])
    if length is None:
        if not rows:
            raise UsageError("scan: without sequences it needs length=")
        length = rows[0][1].shape[0]
    if any(not dims.decide_equal(tensor.shape[0], length) for _, tensor in rows):
        facts = [(path, str(t.type), f"axis 0 = {t.shape[0]}") for path, t in rows]
        raise ShapeError("scan: leading axes differ", facts=[*facts, ("length", length)])
    return length


def run_scan(
    name: str,
    function: Callable[[Any, Any], Any],
    leaves: Leaves,
    sequences: Leaves,
    length: Size,
    reverse: bool,
) -> tuple[list[Tensor], Any]:
    """The leaves of the last carry, and the outputs; `name` is for messages."""
    slices = [
        Argument(t.type.with_shape(t.shape[1:]), path.replace("xs", "x", 1), t.is_weak)
        for path, t in zip(sequences.paths, sequences.tensors, strict=True)
    ]
    structures = [leaves.structure, sequences.structure]

    def trace_body(arguments: list[Argument]) -> TracedFunction:
        body = trace(function, [*arguments, *slices], structures, name_of(function, "body"))
        _check_pair(name, body.structure)
        return body

    carry = settle(name, leaves, trace_body, is_pair=True)
    kept, assigned = parted([carry.body])
    captures = [*kept, *assigned]
    region = Region(carry.body, captures)
    stacked = region.results[len(leaves.tensors) :]
    body = region.returning([*map(region.variable, assigned), *carry.closed(region), *stacked])
    carries = len(assigned) + len(leaves.tensors)
    op = ops.Scan(length, len(kept), carries, reverse)
    operands = [*current(captures), *carry.tensors, *sequences.tensors]
    results = apply(op, operands, [body])
    for variable, value in zip(assigned, results, strict=False):
        variable.assign(value)
    weak = carry.body.weak[len(leaves.tensors) :]
    outputs = [
        tensor.weakened() if is_weak else tensor
        for tensor, is_weak in zip(results[carries:], weak, strict=True)
    ]
    finished = carry.finished(results[len(assigned) : carries])
    return finished, carry.body.structure.children[1].unflatten(outputs)


def _check_pair(name: str, structure: tree.Structure) -> None:
    if structure.kind != "tuple" or len(structure.children) != 2:
        raise TreeError(
            f"{name}: the body returns a pair of the carry and the outputs",
            facts=[("returned", structure.describe())],
            hint="return (carry, None) if a step has no outputs",
        )
