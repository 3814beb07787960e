"""Derivatives of Python functions, spelled as in JAX: trace, differentiate the graph, use it.

Each transformation works inside `jit`, outside of it, and on its own result. Outside of `jit` the
function may branch on the values of its tensors.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from irflow import autodiff, ops, tree
from irflow.errors import GradientError, UsageError
from irflow.frontend.apply import finish, operands_of, run_graph, trace_function
from irflow.frontend.boundary import public
from irflow.frontend.calls import Parameters
from irflow.frontend.tensor import Tensor, as_tensor, strong
from irflow.frontend.tracing import Argument, TracedFunction
from irflow.ir import TensorType
from irflow.ir.graph import Graph

Argnums = int | Sequence[int]


@dataclass(frozen=True, slots=True)
class _Traced:
    """A call of a Python function, traced: the graph and the tensors that go in.

    Attributes:
        function: the graph.
        tensors: the argument leaves that are numeric.
        chosen: which of these belong to the arguments to differentiate with respect to.
        structure: of the chosen arguments.
    """

    function: TracedFunction
    tensors: list[Tensor]
    chosen: list[int]
    structure: tree.Structure

    @property
    def graph(self) -> Graph:
        return self.function.graph

    @property
    def float_leaves(self) -> list[int]:
        """The chosen leaves that have derivatives; integers have none."""
        return [leaf for leaf in self.chosen if self.tensors[leaf].dtype.is_inexact]


def _trace_call(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    argnums: Argnums,
    name: str,
) -> _Traced:
    positions = _positions(argnums, len(args), name)
    leaves, structure = tree.flatten((args, kwargs))
    numeric = [i for i, leaf in enumerate(leaves) if _is_numeric(leaf)]
    tensors = [strong(as_tensor(leaves[i])) for i in numeric]

    def run(inputs: list[Tensor]) -> Any:
        complete = list(leaves)
        for i, tensor in zip(numeric, inputs, strict=True):
            complete[i] = tensor
        whole_args, whole_kwargs = structure.unflatten(complete)
        return function(*whole_args, **whole_kwargs)

    hints = _hints(function, structure)
    arguments = [
        Argument(tensor.type, hints[i], False, tensor)
        for i, tensor in zip(numeric, tensors, strict=True)
    ]
    traced = trace_function(run, arguments, getattr(function, "__name__", "function").strip("<>"))
    wanted = _leaves_of(structure.children[0], positions)
    if any(leaf not in numeric for leaf in wanted):
        raise GradientError(f"{name}: an argument to differentiate holds a leaf that is no number")
    chosen = [args[position] for position in positions]
    _, chosen_structure = tree.flatten(chosen[0] if isinstance(argnums, int) else tuple(chosen))
    return _Traced(traced, tensors, [numeric.index(leaf) for leaf in wanted], chosen_structure)


def _positions(argnums: Argnums, count: int, name: str) -> list[int]:
    positions = [argnums] if isinstance(argnums, int) else list(argnums)
    for position in positions:
        if not -count <= position < count:
            raise UsageError(
                f"{name}: argnums {position}, but {count} positional arguments were given"
            )
    return [position % count for position in positions]


def _hints(function: Callable[..., Any], structure: tree.Structure) -> list[str]:
    """A readable name for each argument leaf."""
    return Parameters(function, frozenset()).hints(structure)


def _is_numeric(leaf: Any) -> bool:
    return not isinstance(leaf, (str, bytes, type)) and not callable(leaf)


def _leaves_of(args: tree.Structure, positions: Sequence[int]) -> list[int]:
    """The numbers of the leaves of some arguments among all."""
    counts = [child.leaf_count for child in args.children]
    starts = np.cumsum([0, *counts]).tolist()
    return [leaf for p in positions for leaf in range(starts[p], starts[p] + counts[p])]


# --------------------------------------------------------------------------------- reverse mode


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
        call = _trace_call(function, args, kwargs, argnums, "value_and_grad")
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
    call = _trace_call(function, primals, {}, tuple(range(len(primals))), "vjp")
    graph = call.graph
    joint = autodiff.vjp_graph(graph, call.float_leaves)
    forward, backward = autodiff.split_joint(joint, len(graph.inputs), len(graph.outputs))
    outputs = run_graph(forward, operands_of(call.function, call.tensors))
    result = finish(call.function, outputs)
    residuals = outputs[len(graph.outputs) :]
    structure = call.function.structure
    if not has_aux:
        return result, _pull_back(call, backward, residuals, structure)
    if not isinstance(result, tuple) or len(result) != 2:
        raise UsageError("with has_aux the function returns a pair: the result and the rest")
    value, aux = result
    return value, _pull_back(call, backward, residuals, structure.children[0]), aux


def _pull_back(
    call: _Traced, backward: Graph, residuals: Sequence[Tensor], structure: tree.Structure
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
        seeds.append(_direction(given, type, "a cotangent has another shape than its result"))
    return seeds


def _direction(given: Any, type: TensorType, problem: str) -> Tensor:
    """A tangent or cotangent in the type of what it belongs to; None stands for zeros."""
    if given is None:
        return Tensor(np.zeros((), type.dtype.numpy)).full(0.0, type.shape)
    tensor: Tensor = ops.convert(as_tensor(given), type.dtype)
    if tensor.shape != type.shape:
        raise GradientError(problem, facts=[("expected", type), ("given", tensor.type)])
    return tensor


# --------------------------------------------------------------------------------- forward mode


@public
def jvp(function: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """The value of a function and its derivative in one direction (forward mode).

    Args:
        function: any function of tensors.
        primals: its arguments.
        tangents: one direction an argument, in the same structure; None stands for zeros, and
            entries for leaves of no float type are ignored.

    Returns:
        `(result, tangent of the result)`; the tangent of a leaf of no float type is None.
    """
    if not primals or len(primals) != len(tangents):
        raise UsageError(
            "jvp needs one tangent for each argument",
            facts=[("arguments", len(primals)), ("tangents", len(tangents))],
        )
    call = _trace_call(function, tuple(primals), {}, tuple(range(len(primals))), "jvp")
    given = call.structure.leaves_of(tuple(tangents), "the tangents")
    directions = [
        _direction(tangent, tensor.type, "a tangent has another shape than its argument")
        for tangent, tensor in zip(given, call.tensors, strict=True)
        if tensor.dtype.is_inexact
    ]
    graph = autodiff.jvp_graph(call.graph, call.float_leaves)
    outputs = run_graph(graph, [*operands_of(call.function, call.tensors), *directions])
    value = finish(call.function, outputs)
    positions = autodiff.differentiable_outputs(call.graph)
    changes = dict(zip(positions, outputs[len(call.graph.outputs) :], strict=True))
    leaves = [changes.get(i) for i in range(call.function.result_count)]
    return value, call.function.structure.unflatten(leaves)


@public
def stop_gradient(x: Any) -> Any:
    """The same value, or nested values, with a derivative of zero."""
    return tree.map_leaves(lambda leaf: ops.stop_gradient(as_tensor(leaf)), x)
