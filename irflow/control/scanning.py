"""`scan`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from irflow import dims, ops
from irflow.control.carrying import settle
from irflow.control.closing import Leaves, Region, current, parted, trace
from irflow.control.messages import check_functions, name_of, pair_error
from irflow.control.plain import is_plain, run_scan_plainly
from irflow.control.unrolling import copies_of, run_steps
from irflow.dims import Dim, Size
from irflow.errors import ShapeError, UsageError
from irflow.frontend.boundary import public
from irflow.frontend.tensor import Tensor
from irflow.frontend.tracing import Argument, TracedFunction


@public
def scan(
    f: Callable[[Any, Any], Any],
    init: Any,
    xs: Any = None,
    length: Size | None = None,
    reverse: bool = False,
    unroll: int | bool = 1,
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
        unroll: so many steps stand one after another in each turn of the loop: more code, fewer
            turns, the same results. True for all of them. Not where `length` is symbolic.

    Returns:
        The last carry, and the outputs, stacked along a new leading axis.

    Raises:
        UsageError: neither sequences nor a length are given, or `unroll` is less than 1.
        ShapeError: leading axes differ.
        TreeError, ShapeError, DTypeError: the body changes structure, shape or type of the carry.

    >>> import numpy as np
    >>> total, partial = scan(lambda c, x: (c + x, c + x), 0, np.arange(4))
    >>> int(total), partial.tolist()
    (6, [0, 1, 3, 6])
    """
    check_functions("scan", f=f)
    carry, sequences = Leaves.of("scan", init, "carry"), Leaves.of("scan", xs, "xs")
    steps = _length(sequences, length)
    results, outputs = run_scan("scan", f, carry, sequences, steps, reverse, unroll)
    return carry.structure.unflatten(results), outputs


def _length(sequences: Leaves, length: object) -> Size:
    """The number of steps, on which all sequences agree."""
    rows = list(zip(sequences.paths, sequences.tensors, strict=True))
    for path, tensor in rows:
        if not tensor.shape:
            raise ShapeError("scan: a sequence has no leading axis", facts=[(path, tensor.type)])
    if length is None:
        if not rows:
            raise UsageError("scan: without sequences it needs length=")
        length = rows[0][1].shape[0]
    if not isinstance(length, (int, np.integer, Dim)) or isinstance(length, bool):
        raise UsageError(
            "scan: length is no int",
            facts=[("length", type(length).__name__)],
            hint="a number of steps that is a tensor needs fori_loop or while_loop",
        )
    length = length if isinstance(length, Dim) else int(length)
    if isinstance(length, int) and length < 0:
        raise UsageError(f"scan: length is {length}, less than 0")
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
    unroll: int | bool,
) -> tuple[list[Tensor], Any]:
    """The leaves of the last carry, and the outputs; `name` is for messages."""
    copies = copies_of(name, unroll, length)
    if is_plain() and isinstance(length, int) and length:
        return run_scan_plainly(name, function, leaves, sequences, length, reverse)
    slices = [
        Argument(t.type.with_shape(t.shape[1:]), path.replace("xs", "x", 1), t.is_weak)
        for path, t in zip(sequences.paths, sequences.tensors, strict=True)
    ]
    structures = [leaves.structure, sequences.structure]

    def trace_body(arguments: list[Argument]) -> TracedFunction:
        body = trace(function, [*arguments, *slices], structures, name_of(function, "body"))
        if body.structure.kind != "tuple" or len(body.structure.children) != 2:
            raise pair_error(name, body.structure)
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
    results = run_steps(op, body, operands, copies)
    for variable, value in zip(assigned, results, strict=False):
        variable.assign(value)
    weak = carry.body.weak[len(leaves.tensors) :]
    outputs = [
        tensor.weakened() if is_weak else tensor
        for tensor, is_weak in zip(results[carries:], weak, strict=True)
    ]
    finished = carry.finished(results[len(assigned) : carries])
    return finished, carry.body.structure.children[1].unflatten(outputs)
