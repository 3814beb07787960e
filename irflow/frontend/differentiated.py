"""What all derivatives of Python functions share: the call as a graph, directions, their errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from irflow import ops, tree
from irflow.errors import GradientError, UsageError
from irflow.frontend.apply import trace_function
from irflow.frontend.calls import Parameters
from irflow.frontend.tensor import Tensor, as_tensor, strong
from irflow.frontend.tracing import Argument, TracedFunction
from irflow.ir import TensorType
from irflow.ir.graph import Graph
from irflow.records import dataclass

Argnums = int | Sequence[int]


@dataclass(frozen=True, slots=True)
class TracedCall:
    """A call of a Python function, traced: the graph and the tensors that go in.

    Attributes:
        function: the graph.
        tensors: the argument leaves that are numeric.
        chosen: which of these belong to the arguments to differentiate with respect to.
        structure: of the chosen arguments.
        paths: a readable name for each of the chosen leaves.
    """

    function: TracedFunction
    tensors: list[Tensor]
    chosen: list[int]
    structure: tree.Structure
    paths: list[str]

    @property
    def graph(self) -> Graph:
        return self.function.graph

    @property
    def float_leaves(self) -> list[int]:
        """The chosen leaves that have derivatives; integers have none."""
        return [leaf for leaf in self.chosen if self.tensors[leaf].dtype.is_inexact]


def trace_call(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    argnums: Argnums,
    name: str,
) -> TracedCall:
    """Trace a call; strings, types and functions among its arguments are settings.

    Args:
        function: any function of tensors.
        args: its positional arguments.
        kwargs: its keyword arguments.
        argnums: the arguments to differentiate with respect to.
        name: of the derivative, for messages.

    Raises:
        UsageError: there is no argument of a number.
        GradientError: an argument to differentiate holds something that is no number.
    """
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
    numbers = [numeric.index(leaf) for leaf in wanted]
    return TracedCall(traced, tensors, numbers, chosen_structure, [hints[i] for i in wanted])


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


def direction(
    given: Any,
    type: TensorType,
    problem: str,
    labels: tuple[str, str] = ("expected", "given"),
) -> Tensor:
    """A tangent or cotangent in the type of what it belongs to.

    Args:
        given: a tensor, array or number; None stands for zeros.
        type: of what it belongs to.
        problem: the first line of the error.
        labels: what the error calls the two types.

    Raises:
        GradientError: it has another shape.
    """
    if given is None:
        return Tensor(np.zeros((), type.dtype.numpy)).full(0.0, type.shape)
    tensor: Tensor = ops.convert(as_tensor(given), type.dtype)
    if tensor.shape != type.shape:
        facts = list(zip(labels, (type, tensor.type), strict=True))
        raise GradientError(problem, facts=facts)
    return tensor


def require_pair(structure: tree.Structure, what: str) -> None:
    """UsageError unless a function with `has_aux` returns a pair of `what` and the rest."""
    if structure.kind != "tuple" or len(structure.children) != 2:
        raise UsageError(
            f"with has_aux the function returns a pair: {what} and the rest",
            facts=[("returned", structure.describe())],
        )
