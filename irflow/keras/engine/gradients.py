"""Derivatives by Variables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from irflow import autodiff
from irflow.errors import GradientError
from irflow.frontend import Tensor, Variable
from irflow.frontend.apply import finish, operands_of, run_graph, trace_function


def value_and_grad(
    function: Callable[[], Any], variables: Sequence[Variable], has_aux: bool = False
) -> tuple[Any, list[Tensor]]:
    """The value of a function without arguments, and the gradient by variables that it reads.

    Variables that it assigns, such as the moving mean of a batch normalization, are assigned.

    Args:
        function: returns a float scalar; with `has_aux` a pair of it and anything else.
        variables: of float type; zeros for one that is not read.
        has_aux: whether `function` returns `(loss, auxiliary)`.

    Raises:
        GradientError: the result is no float scalar.

    >>> w = Variable(3.0)
    >>> value, (gradient,) = value_and_grad(lambda: w * w, [w])
    >>> value.item(), gradient.item()
    (9.0, 6.0)
    """
    traced = trace_function(lambda _: function(), [], "loss")
    is_pair = traced.structure.kind == "tuple" and len(traced.structure.children) == 2
    if traced.structure.kind != "leaf" and not (has_aux and is_pair):
        raise GradientError(
            "the function returns one scalar, or with has_aux a pair of it and the rest",
            facts=[("returned", traced.structure.describe())],
        )
    places = {id(c): i for i, c in enumerate(traced.captures) if isinstance(c, Variable)}
    found = [v for v in variables if id(v) in places]
    operands = operands_of(traced, [])
    graph = autodiff.gradient_graph(traced.graph, [places[id(v)] for v in found])
    outputs = run_graph(graph, operands)
    gradients = dict(zip(map(id, found), outputs[len(traced.graph.outputs) :], strict=True))
    value = finish(traced, outputs)
    return value, [gradients[id(v)] if id(v) in gradients else _zeros(v) for v in variables]


def _zeros(variable: Variable) -> Tensor:
    return Tensor(np.zeros(variable.type.static_shape, variable.dtype.numpy))
