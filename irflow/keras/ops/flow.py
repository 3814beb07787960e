"""Functions of `keras.ops` that call functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from irflow import control
from irflow.frontend import jvp as tangents_of
from irflow.frontend import vmap

Function = Callable[..., Any]


def cond(pred: Any, true_fn: Function, false_fn: Function) -> Any:
    """What one of two functions without parameters gives."""
    return control.cond(pred, true_fn, false_fn)


def while_loop(
    cond: Function, body: Function, loop_vars: Any, maximum_iterations: int | None = None
) -> Any:
    """`body` as long as `cond` holds, both called with the elements of `loop_vars`."""
    is_many = isinstance(loop_vars, (list, tuple))
    start = tuple(loop_vars) if is_many else (loop_vars,)

    def goes_on(state: tuple[Any, Any]) -> Any:
        count, values = state
        more = cond(*values)
        return more if maximum_iterations is None else more & (count < maximum_iterations)

    def step(state: tuple[Any, Any]) -> tuple[Any, Any]:
        count, values = state
        result = body(*values)
        return count + 1, tuple(result) if is_many else (result,)

    _, values = control.while_loop(goes_on, step, (0, start))
    return type(loop_vars)(values) if is_many else values[0]


def map(f: Function, xs: Any) -> Any:  # noqa: A001  Keras's name
    """`f` of each slice along the first axes of `xs`, one after the other, stacked."""
    return control.scan(lambda carry, x: (carry, f(x)), (), xs)[1]


def vectorized_map(function: Function, elements: Any) -> Any:
    """`function` of all slices along the first axes of `elements` at once."""
    return vmap(function)(elements)


def jvp(fun: Function, primals: Any, tangents: Any, has_aux: bool = False) -> Any:
    """Values of `fun`, and their derivatives along `tangents`."""
    if not has_aux:
        return tangents_of(fun, tuple(primals), tuple(tangents))
    extra: list[Any] = []

    def plain(*values: Any) -> Any:
        result, aux = fun(*values)
        extra.append(aux)
        return result

    values, slopes = tangents_of(plain, tuple(primals), tuple(tangents))
    return values, slopes, extra[-1]
