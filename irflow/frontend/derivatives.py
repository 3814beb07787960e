"""Derivatives of Python functions, spelled as in JAX: trace, differentiate the graph, use it.

Each transformation works inside `jit`, outside of it, and on its own result. Outside of `jit` the function may branch on the
values of its tensors.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from irflow import autodiff, ops, tree
from irflow.errors import GradientError, TreeError, UsageError
from irflow.frontend.apply import finish, operands_of, run_graph
from irflow.frontend.tensor import Tensor, as_tensor, strong
from irflow.frontend.tracing import Argument, TracedFunction, trace_function
from irflow.ir.graph import Graph

Argnums = int | Sequence[int]


@dataclass(frozen=True, slots=True)
class _Traced:
    """A call of a Python function, traced: the graph and the tensors that go in.

    Attributes:
        chosen: the argument leaves to differentiate with respect to.
        structure: of the chosen arguments.
    """

    function: TracedFunction
    tensors: list[Tensor]
    chosen: list[int]
    structure: tree.Structure


def _trace_call(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    argnums: Argnums,
    name: str,
) -> _Traced:
    positions = [argnums] if isinstance(argnums, int) else list(argnums)
    for position in positions:
        if not -len(args) <= position < len(args):
            raise UsageError(
                f"{name}: argnums {position}, but {len(args)} positional arguments were given"
            )
    positions = [position % len(args) for position in positions]
    leaves, structure = tree.flatten((args, kwargs))
    is_static = [not _is_numeric(leaf) for leaf in leaves]
    tensors = [
        strong(as_tensor(leaf))
        for leaf, static in zip(leaves, is_static, strict=True)
        if not static
    ]
    paths = [
        path for path, static in zip(structure.paths("args"), is_static, strict=True) if not static
    ]

    def run(inputs: list[Tensor]) -> Any:
        remaining = iter(inputs)
        complete = [
            leaf if static else next(remaining)
            for leaf, static in zip(leaves, is_static, strict=True)
        ]
        whole_args, whole_kwargs = structure.unflatten(complete)
        return function(*whole_args, **whole_kwargs)

    arguments = [Argument(t.type, p, False, t) for t, p in zip(tensors, paths, strict=True)]
    traced = trace_function(run, arguments, getattr(function, "__name__", "function").strip("<>"))
    chosen, chosen_structure = _chosen_leaves(args, positions, isinstance(argnums, int), is_static)
    return _Traced(traced, tensors, chosen, chosen_structure)


def _is_numeric(leaf: Any) -> bool:
    return not isinstance(leaf, (str, bytes)) and not callable(leaf) and not isinstance(leaf, type)


def _chosen_leaves(
    args: tuple[Any, ...], positions: Sequence[int], is_single: bool, is_static: Sequence[bool]
) -> tuple[list[int], tree.Structure]:
    counts = [tree.flatten(arg)[1].leaf_count for arg in args]
    starts = [sum(counts[:i]) for i in range(len(counts))]
    wanted = [
        leaf
        for position in positions
        for leaf in range(starts[position], starts[position] + counts[position])
    ]
    if any(is_static[leaf] for leaf in wanted):
        raise GradientError("an argument to differentiate holds a leaf that is not numeric")
    _, structure = tree.flatten(
        args[positions[0]] if is_single else tuple(args[p] for p in positions)
    )
    tensor_number = np.cumsum([0, *(not static for static in is_static)])
    return [int(tensor_number[leaf]) for leaf in wanted], structure


def value_and_grad(
    function: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that returns `(function(...), gradient)`.

    Args:
        function: returns a float scalar; with `has_aux` a pair of it and anything else.
        argnums: the position, or positions, of the arguments to differentiate; each a float tensor or a
            nested structure of them.
        has_aux: whether `function` returns `(loss, auxiliary)`.

    Returns:
        A function of the same arguments; the gradient has the structure of the chosen argument, or is a tuple of
        them if `argnums` is a sequence.

    Raises:
        GradientError: the result is not a float scalar, or a chosen argument is not of float type.
    """

    @functools.wraps(function)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        call = _trace_call(function, args, kwargs, argnums, "value_and_grad")
        if has_aux and (
            call.function.structure.kind != "tuple" or len(call.function.structure.children) != 2
        ):
            raise TreeError("with has_aux the function returns a pair: the loss and the rest")
        traced = call.function
        if not has_aux and traced.structure.kind != "leaf":
            raise GradientError(
                "the function returns a structure, not one scalar",
                hint="return (loss, rest) and pass has_aux=True",
            )
        graph = autodiff.gradient_graph(traced.graph, call.chosen)
        outputs = run_graph(graph, operands_of(traced, call.tensors))
        value = finish(traced, outputs)
        gradients = outputs[len(traced.graph.outputs) :]
        return value, call.structure.unflatten(gradients)

    return differentiated


def grad(
    function: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that returns the gradient of a scalar function; see `value_and_grad`.

    >>> float(grad(lambda x: x * x)(3.0))
    6.0
    """
    both = value_and_grad(function, argnums, has_aux)

    @functools.wraps(function)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, result = both(*args, **kwargs)
        return (result, value[1]) if has_aux else result

    return gradient


def vjp(function: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """The value of a function and its vector-Jacobian product.

    Args:
        function: any function of tensors.
        primals: its arguments.
        has_aux: whether it returns `(result, auxiliary)`; the auxiliary part is not differentiated.

    Returns:
        `(result, pull_back)`, and the auxiliary part third with `has_aux`. `pull_back(cotangents)` takes the structure of
        the result and gives a tuple with one cotangent an argument, None for leaves of no float type.
    """
    call = (
        _trace_call(function, primals, {}, tuple(range(len(primals))), "vjp") if primals else None
    )
    if call is None:
        raise UsageError("vjp needs at least one argument to differentiate")
    traced = call.function
    wrt = [leaf for leaf in call.chosen if traced.graph.inputs[leaf].type.dtype.is_inexact]
    joint = autodiff.vjp_graph(traced.graph, wrt)
    forward, backward = autodiff.split_joint(
        joint, len(traced.graph.inputs), len(traced.graph.outputs)
    )
    outputs = run_graph(forward, operands_of(traced, call.tensors))
    result = finish(traced, outputs)
    residuals = outputs[len(traced.graph.outputs) :]
    value, aux = result if has_aux else (result, None)
    pull_back = _pull_back(traced, call, wrt, backward, residuals, tree.flatten(value)[1])
    return (value, pull_back, aux) if has_aux else (value, pull_back)


def _pull_back(
    traced: TracedFunction,
    call: _Traced,
    wrt: Sequence[int],
    backward: Graph,
    residuals: Sequence[Tensor],
    structure: tree.Structure,
) -> Callable[[Any], Any]:
    def pull_back(cotangents: Any) -> Any:
        leaves, found = tree.flatten(cotangents)
        if found != structure:
            raise TreeError(
                "the cotangents have another structure than the result",
                facts=[("result", structure.paths("result")), ("given", found.paths("result"))],
            )
        seeds = _seeds(traced.graph, leaves)
        gradients = dict(zip(wrt, run_graph(backward, [*residuals, *seeds]), strict=True))
        return call.structure.unflatten([gradients.get(leaf) for leaf in call.chosen])

    return pull_back


def _seeds(graph: Graph, leaves: Sequence[Any]) -> list[Tensor]:
    """One cotangent a float output, converted to its type; zeros for updates and auxiliary results."""
    seeds = []
    for position in autodiff.differentiable_outputs(graph):
        type = graph.outputs[position].type
        given = leaves[position] if position < len(leaves) else None
        if given is None:
            seeds.append(Tensor(np.zeros((), type.dtype.numpy)).full(0.0, type.shape, type.dtype))
            continue
        tensor = ops.convert(as_tensor(given), type.dtype)
        if tensor.shape != type.shape:
            raise GradientError(
                "a cotangent has another shape than its result",
                facts=[("result", type), ("cotangent", tensor.type)],
            )
        seeds.append(tensor)
    return seeds


def jvp(function: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """The value of a function and its derivative in one direction (forward mode).

    Args:
        function: any function of tensors.
        primals: its arguments.
        tangents: one direction an argument, in the same structure; entries for leaves of no float type are ignored.

    Returns:
        `(result, tangent of the result)`; the tangent of an integer leaf is a zero.
    """
    primals = tuple(primals)
    call = _trace_call(function, primals, {}, tuple(range(len(primals))), "jvp")
    directions, found = tree.flatten(tuple(tangents))
    if found != call.structure:
        raise TreeError("tangents have another structure than the arguments")
    graph = call.function.graph
    wrt = [leaf for leaf in call.chosen if graph.inputs[leaf].type.dtype.is_inexact]
    ready = [_direction(directions[leaf], graph.inputs[leaf].type) for leaf in wrt]
    outputs = run_graph(
        autodiff.jvp_graph(graph, wrt), [*operands_of(call.function, call.tensors), *ready]
    )
    value = finish(call.function, outputs)
    changes = dict(
        zip(autodiff.differentiable_outputs(graph), outputs[len(graph.outputs) :], strict=True)
    )
    leaves = [
        changes.get(i, Tensor(np.zeros((), np.float32))) for i in range(call.function.result_count)
    ]
    return value, call.function.structure.unflatten(leaves)


def _direction(given: Any, type: Any) -> Tensor:
    tensor = ops.convert(as_tensor(given), type.dtype)
    if tensor.shape != type.shape:
        raise GradientError(
            "a tangent has another shape than its argument",
            facts=[("argument", type), ("tangent", tensor.type)],
        )
    return tensor


def stop_gradient(x: Any) -> Any:
    """The same value, or nested values, with a derivative of zero."""
    return tree.map_leaves(lambda leaf: ops.stop_gradient(as_tensor(leaf)), x)
