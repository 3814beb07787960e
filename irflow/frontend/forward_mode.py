"""Derivatives of Python functions in one direction: `jvp`, and `linearize` for many directions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from irflow import autodiff, tree
from irflow.errors import UsageError
from irflow.frontend.apply import finish, operands_of, run_graph
from irflow.frontend.boundary import public
from irflow.frontend.differentiated import TracedCall, direction, require_pair, trace_call
from irflow.frontend.tensor import Tensor


@public
def jvp(
    function: Callable[..., Any],
    primals: Sequence[Any],
    tangents: Sequence[Any],
    has_aux: bool = False,
) -> Any:
    """The value of a function and its derivative in one direction (forward mode).

    Args:
        function: any function of tensors.
        primals: its arguments.
        tangents: one direction an argument, in the same structure; None stands for zeros, and
            entries for leaves of no float type are ignored.
        has_aux: whether it returns `(result, auxiliary)`; the auxiliary part has no tangent.

    Returns:
        `(result, tangent of the result)`, and the auxiliary part third with `has_aux`; the tangent
        of a leaf of no float type is None.
    """
    if not primals or len(primals) != len(tangents):
        raise UsageError(
            "jvp needs one tangent for each argument",
            facts=[("arguments", len(primals)), ("tangents", len(tangents))],
        )
    call = trace_call(function, tuple(primals), {}, tuple(range(len(primals))), "jvp")
    directions = _directions(call, tangents)
    graph = autodiff.jvp_graph(call.graph, call.float_leaves)
    outputs = run_graph(graph, [*operands_of(call.function, call.tensors), *directions])
    value = finish(call.function, outputs)
    change = _tangents(call, outputs[len(call.graph.outputs) :])
    if not has_aux:
        return value, change
    require_pair(call.function.structure, "the result")
    return value[0], change[0], value[1]


@public
def linearize(function: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """The value of a function and its derivative as a linear function of the direction.

    What depends on the arguments alone is computed once, and kept; `jvp` computes it for every
    direction. A loop whose carry has a tangent is run again for each direction.

    Args:
        function: any function of tensors.
        primals: its arguments.
        has_aux: whether it returns `(result, auxiliary)`; the auxiliary part has no tangent.

    Returns:
        `(result, push_forward)`, and the auxiliary part third with `has_aux`.
        `push_forward(*tangents)` takes one direction an argument, in the same structure, None for
        zeros, and gives the tangent of the result, None for leaves of no float type.

    >>> value, push_forward = linearize(lambda x: x * x, 3.0)
    >>> float(push_forward(1.0)), float(push_forward(10.0))
    (6.0, 60.0)
    """
    if not primals:
        raise UsageError("linearize needs at least one argument to differentiate")
    call = trace_call(function, primals, {}, tuple(range(len(primals))), "linearize")
    graph = call.graph
    joint = autodiff.jvp_graph(graph, call.float_leaves, is_apart=True)
    first, linear = autodiff.split_joint(joint, len(graph.inputs), len(graph.outputs))
    outputs = run_graph(first, operands_of(call.function, call.tensors))
    value = finish(call.function, outputs)
    residuals = outputs[len(graph.outputs) :]

    @public
    def push_forward(*tangents: Any) -> Any:
        if len(tangents) != len(primals):
            raise UsageError(
                "the linearized function takes one tangent for each argument",
                facts=[("arguments", len(primals)), ("tangents", len(tangents))],
            )
        change = _tangents(call, run_graph(linear, [*residuals, *_directions(call, tangents)]))
        return change[0] if has_aux else change

    if not has_aux:
        return value, push_forward
    require_pair(call.function.structure, "the result")
    return value[0], push_forward, value[1]


def _directions(call: TracedCall, tangents: Sequence[Any]) -> list[Tensor]:
    """One tangent a float leaf of the arguments."""
    given = call.structure.leaves_of(tuple(tangents), "the tangents")
    return [
        direction(tangent, call.tensors[leaf].type, "a tangent has another shape than its argument")
        for tangent, leaf in zip(given, call.chosen, strict=True)
        if call.tensors[leaf].dtype.is_inexact
    ]


def _tangents(call: TracedCall, found: Sequence[Tensor]) -> Any:
    """The tangent of the result, in its structure."""
    positions = autodiff.differentiable_outputs(call.graph)
    changes = dict(zip(positions, found, strict=True))
    leaves = [changes.get(i) for i in range(call.function.result_count)]
    structure: tree.Structure = call.function.structure
    return structure.unflatten(leaves)
