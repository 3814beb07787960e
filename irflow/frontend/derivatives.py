"""Derivatives of Python functions in reverse, spelled as in JAX: trace, differentiate, use.

Each transformation works inside `jit`, outside of it, and on its own result. Outside of `jit` the
function may branch on the values of its tensors.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from irflow import autodiff, ops, tree
from irflow.errors import GradientError, UsageError
from irflow.frontend.apply import finish, operands_of, run_graph
from irflow.frontend.boundary import public
from irflow.frontend.differentiated import (
    Argnums,
    TracedCall,
    direction,
    require_pair,
    trace_call,
)
from irflow.frontend.tensor import Tensor, as_tensor
from irflow.ir.graph import Graph


def value_and_grad(
    function: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that returns `(function(...), gradient)`.

    Args:
        function: returns a float scalar; with `has_aux` a pair of it and anything else.
        argnums: the position, or positions, of the arguments to differentiate; each a float tensor
            or a nested structure of them.
        has_aux: whether `function` returns `(loss, auxiliary)`.

    Returns:
        A function of the same arguments; the gradient has the structure of the chosen argument, or
        is a tuple of them if `argnums` is a sequence.

    Raises:
        GradientError: the result is not a float scalar, or a chosen argument is not of float type.
    """

    @functools.wraps(function)
    @public
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        call = trace_call(function, args, kwargs, argnums, "value_and_grad")
        _require_loss(call.function.structure, has_aux)
        graph = autodiff.gradient_graph(call.graph, call.chosen)
        outputs = run_graph(graph, operands_of(call.function, call.tensors))
        value = finish(call.function, outputs)
        gradients = outputs[len(call.graph.outputs) :]
        return value, call.structure.unflatten(gradients)

    return differentiated


def _require_loss(structure: tree.Structure, has_aux: bool) -> None:
    returned = [("returned", structure.describe())]
    if has_aux and (
        structure.kind != "tuple"
        or len(structure.children) != 2
        or structure.children[0].kind != "leaf"
    ):
        raise GradientError(
            "with has_aux the function returns a pair: the loss and the rest", facts=returned
        )
    if not has_aux and structure.kind != "leaf":
        raise GradientError(
            "the function returns a structure, not one scalar",
            facts=returned,
            hint="return (loss, rest) and pass has_aux=True",
        )


def grad(
    function: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that returns the gradient of a scalar function; see `value_and_grad`.

    With `has_aux` it returns `(gradient, auxiliary)`.

    >>> float(grad(lambda x: x * x)(3.0))
    6.0
    """
    both = value_and_grad(function, argnums, has_aux)

    @functools.wraps(function)
    @public
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, result = both(*args, **kwargs)
        return (result, value[1]) if has_aux else result

    return gradient


@public
def vjp(function: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """The value of a function and its vector-Jacobian product.

    Args:
        function: any function of tensors.
        primals: its arguments.
        has_aux: whether it returns `(result, auxiliary)`; the auxiliary part is not differentiated.

    Returns:
        `(result, pull_back)`, and the auxiliary part third with `has_aux`. `pull_back(cotangents)`
        takes the structure of the result, where None stands for zeros, and gives a tuple with one
        cotangent an argument, None for leaves of no float type.
    """
    if not primals:
        raise UsageError("vjp needs at least one argument to differentiate")
    call = trace_call(function, primals, {}, tuple(range(len(primals))), "vjp")
    graph = call.graph
    joint = autodiff.vjp_graph(graph, call.float_leaves)
    forward, backward = autodiff.split_joint(joint, len(graph.inputs), len(graph.outputs))
    outputs = run_graph(forward, operands_of(call.function, call.tensors))
    result = finish(call.function, outputs)
    residuals = outputs[len(graph.outputs) :]
    structure = call.function.structure
    if not has_aux:
        return result, _pull_back(call, backward, residuals, structure)
    require_pair(structure, "the result")
    value, aux = result
    return value, _pull_back(call, backward, residuals, structure.children[0]), aux


def _pull_back(
    call: TracedCall, backward: Graph, residuals: Sequence[Tensor], structure: tree.Structure
) -> Callable[[Any], Any]:
    @public
    def pull_back(cotangents: Any) -> Any:
        seeds = _seeds(call.graph, structure.leaves_of(cotangents, "the cotangents"))
        found = run_graph(backward, [*residuals, *seeds])
        gradients = dict(zip(call.float_leaves, found, strict=True))
        return call.structure.unflatten([gradients.get(leaf) for leaf in call.chosen])

    return pull_back


def _seeds(graph: Graph, leaves: Sequence[Any]) -> list[Tensor]:
    """One cotangent a float output, in its type; zeros for updates and auxiliary results."""
    seeds = []
    for position in autodiff.differentiable_outputs(graph):
        given = leaves[position] if position < len(leaves) else None
        type = graph.outputs[position].type
        seeds.append(direction(given, type, "a cotangent has another shape than its result"))
    return seeds


@public
def stop_gradient(x: Any) -> Any:
    """The same value, or nested values, with a derivative of zero."""
    return tree.map_leaves(lambda leaf: ops.stop_gradient(as_tensor(leaf)), x)
