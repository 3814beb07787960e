"""`while_loop` and `fori_loop`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from irflow import ops, tree
from irflow.control.carrying import settle
from irflow.control.closing import Leaves, Region, current, parted, trace
from irflow.control.messages import check_condition, check_functions, name_of, structure_error
from irflow.control.plain import is_plain, run_while_plainly
from irflow.control.scanning import run_scan
from irflow.errors import DTypeError, ShapeError, UsageError
from irflow.frontend.boundary import public
from irflow.frontend.promotion import promote_all
from irflow.frontend.tensor import Tensor, apply, as_tensor


@public
def while_loop(
    cond_fun: Callable[[Any], Any],
    body_fun: Callable[[Any], Any],
    init_val: Any,
    *,
    max_steps: int | None = None,
) -> Any:
    """`while cond_fun(carry): carry = body_fun(carry)`, starting with `init_val`; the last carry.

    The gradient goes back through the steps. It computes them again from snapshots of the carry,
    of which it has 48 for a loop of any length, or one a step with `max_steps`: then no step is
    computed more than twice, and the memory is that of `max_steps` carries.

    Args:
        cond_fun: takes the carry, returns a bool scalar.
        body_fun: takes the carry, returns one of the same structure, shapes and element types.
        init_val: tensors in any nesting. A Python number takes the type that the body gives it.
        max_steps: the loop ends after so many steps in any case.

    Raises:
        TreeError, ShapeError, DTypeError: the body changes structure, shape or type of the carry,
            or the condition is no bool scalar.
        UsageError: the condition assigns a variable.

    >>> int(while_loop(lambda x: x < 100, lambda x: x * 2, 3))
    192
    """
    check_functions("while_loop", cond_fun=cond_fun, body_fun=body_fun)
    if max_steps is not None and max_steps < 0:
        raise UsageError(f"while_loop: max_steps is {max_steps}, less than 0")
    leaves = Leaves.of("while_loop", init_val, "carry")
    results = _run_while("while_loop", cond_fun, body_fun, leaves, max_steps)
    return leaves.structure.unflatten(results)


def _run_while(
    name: str,
    cond_fun: Callable[[Any], Any],
    body_fun: Callable[[Any], Any],
    leaves: Leaves,
    max_steps: int | None,
) -> list[Tensor]:
    if is_plain():
        return run_while_plainly(name, cond_fun, body_fun, leaves, max_steps)
    structures = [leaves.structure]
    carry = settle(
        name,
        leaves,
        lambda arguments: trace(body_fun, arguments, structures, name_of(body_fun, "body")),
    )
    test = trace(cond_fun, carry.arguments, structures, name_of(cond_fun, "condition"))
    if test.updates:
        raise UsageError(
            f"{name}: the condition assigns a variable",
            facts=[("variable", test.updates[0].name)],
            hint="assign it in the body",
        )
    check_condition(name, test.structure, test.graph.output_types)
    kept, assigned = parted([test, carry.body])
    captures = [*kept, *assigned]
    condition, body = Region(test, captures), Region(carry.body, captures)
    regions = [
        condition.returning(condition.results),
        body.returning([*map(body.variable, assigned), *carry.closed(body)]),
    ]
    op = ops.While(len(kept), max_steps)
    results = apply(op, [*current(captures), *carry.tensors], regions)
    for variable, value in zip(assigned, results, strict=False):
        variable.assign(value)
    return carry.finished(results[len(assigned) :])


@public
def fori_loop(
    lower: Any,
    upper: Any,
    body_fun: Callable[[Any, Any], Any],
    init_val: Any,
    *,
    unroll: int | bool = 1,
) -> Any:
    """`for i in range(lower, upper): carry = body_fun(i, carry)`; the last carry.

    With Python ints as bounds it is a `scan`, whose gradient keeps what each step needs; else a
    `while_loop`.

    Args:
        lower: an integer.
        upper: an integer.
        body_fun: takes `i` and the carry, returns one of the same structure, shapes and types.
        init_val: tensors in any nesting. A Python number takes the type that the body gives it.
        unroll: so many steps stand one after another in each turn of the loop; True for all of
            them. Other than 1 only where the bounds are Python ints.

    Raises:
        TreeError, ShapeError, DTypeError: the body changes structure, shape or type of the carry,
            or a bound is no integer scalar.
        UsageError: `unroll` is less than 1, or a bound is not known where it is not 1.

    >>> int(fori_loop(0, 5, lambda i, total: total + i, 0))
    10
    """
    check_functions("fori_loop", body_fun=body_fun)
    leaves = Leaves.of("fori_loop", init_val, "carry")

    def advance(carry: Any) -> Any:
        i, value = carry
        result = body_fun(i, value)
        returned = tree.flatten(result)[1]
        if returned != leaves.structure:
            raise structure_error("fori_loop", leaves.structure, returned)
        return i + 1, result

    if isinstance(lower, (int, np.integer)) and isinstance(upper, (int, np.integer)):
        results = _known_times(advance, leaves, int(lower), int(upper), unroll)
    else:
        if unroll is not False and unroll != 1:
            raise UsageError(
                "fori_loop: unroll needs bounds that are Python ints",
                facts=[("lower", type(lower).__name__), ("upper", type(upper).__name__)],
            )
        first, end = _bounds(lower, upper)
        counted = _with_counter(leaves, first)
        results = _run_while("fori_loop", lambda carry: carry[0] < end, advance, counted, None)
    return leaves.structure.unflatten(results[1:])


def _known_times(
    advance: Callable[[Any], Any], leaves: Leaves, lower: int, upper: int, unroll: int | bool
) -> list[Tensor]:
    """The counter and the last carry of a loop whose number of steps is known."""

    def step(carry: Any, _: None) -> Any:
        return advance(carry), None

    counted = _with_counter(leaves, as_tensor(lower))
    nothing, length = Leaves([], tree.NONE, []), max(0, upper - lower)
    return run_scan("fori_loop", step, counted, nothing, length, False, unroll)[0]


def _with_counter(leaves: Leaves, first: Tensor) -> Leaves:
    structure = tree.Structure("tuple", (0, 1), (tree.LEAF, leaves.structure))
    return Leaves([first, *leaves.tensors], structure, ["i", *leaves.paths])


def _bounds(lower: Any, upper: Any) -> list[Tensor]:
    bounds = [as_tensor(lower), as_tensor(upper)]
    for label, tensor in zip(("lower", "upper"), bounds, strict=True):
        if tensor.shape:
            raise ShapeError("fori_loop: a bound is no scalar", facts=[(label, tensor.type)])
        if not tensor.dtype.is_integer:
            raise DTypeError("fori_loop: a bound is no integer", facts=[(label, tensor.type)])
    return promote_all(bounds)
