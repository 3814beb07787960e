"""`custom_vjp`: a function whose gradient the user writes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from irflow import ops, tree
from irflow.errors import GradientError, UsageError
from irflow.frontend.tensor import Tensor, apply, as_tensor, strong
from irflow.frontend.tracing import Argument, TracedFunction, current_trace, trace_function


class custom_vjp:
    """Give a function a gradient of your own.

    Args:
        function: the function as it is computed when no gradient is wanted.
        nondiff_argnums: positions of arguments that are Python values, not tensors.

    >>> @custom_vjp
    ... def clipped(x):
    ...     return x
    >>> clipped.defvjp(lambda x: (x, ()), lambda residuals, g: (g * 0.5,))
    """

    def __init__(self, function: Callable[..., Any], nondiff_argnums: Sequence[int] = ()) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.nondiff = tuple(nondiff_argnums)
        self.forward: Callable[..., Any] | None = None
        self.backward: Callable[..., Any] | None = None

    def defvjp(self, forward: Callable[..., Any], backward: Callable[..., Any]) -> None:
        """Set the gradient.

        Args:
            forward: takes the function's arguments and returns `(result, residuals)`.
            backward: takes the non-differentiable arguments, the residuals and the cotangents of the result, and returns
                a tuple with one cotangent, or None, for each differentiable argument.
        """
        self.forward, self.backward = forward, backward

    def __call__(self, *args: Any) -> Any:
        if current_trace() is None:
            return self.function(*args)
        if self.forward is None or self.backward is None:
            raise UsageError(
                f"custom_vjp function {self.function.__name__} has no gradient yet",
                hint="call .defvjp(forward, backward) first",
            )
        fixed = {i: arg for i, arg in enumerate(args) if i in self.nondiff}
        leaves, structure = tree.flatten(tuple(arg for i, arg in enumerate(args) if i not in fixed))
        tensors = [strong(as_tensor(leaf)) for leaf in leaves]

        def whole(inputs: Sequence[Tensor]) -> list[Any]:
            remaining = iter(structure.unflatten(inputs))
            return [fixed[i] if i in fixed else next(remaining) for i in range(len(args))]

        arguments = [
            Argument(t.type, p, False, t)
            for t, p in zip(tensors, structure.paths("args"), strict=True)
        ]
        primal = self._trace(lambda inputs: self.function(*whole(inputs)), arguments)
        forward = self._trace(self._paired(whole), arguments)
        backward = self._trace_backward(forward, primal, structure, tuple(fixed.values()))
        regions = (primal.graph, forward.graph, backward.graph)
        return primal.structure.unflatten(list(apply(ops.CustomVjp(), tensors, regions)))

    def _trace(
        self, run: Callable[[list[Tensor]], Any], arguments: Sequence[Argument]
    ) -> TracedFunction:
        traced = trace_function(run, arguments, self.function.__name__)
        if traced.captures or traced.updates:
            raise UsageError(
                f"custom_vjp function {self.function.__name__} uses a tensor or variable from outside",
                hint="pass it as an argument, so that its gradient is defined",
            )
        return traced

    def _paired(
        self, whole: Callable[[Sequence[Tensor]], list[Any]]
    ) -> Callable[[list[Tensor]], Any]:
        def run(inputs: list[Tensor]) -> Any:
            assert self.forward is not None
            result = self.forward(*whole(inputs))
            if not isinstance(result, tuple) or len(result) != 2:
                raise UsageError(
                    f"the forward function of {self.function.__name__} returns (result, residuals)"
                )
            return result

        return run

    def _trace_backward(
        self,
        forward: TracedFunction,
        primal: TracedFunction,
        structure: tree.Structure,
        fixed: tuple[Any, ...],
    ) -> TracedFunction:
        result_structure, residual_structure = forward.structure.children
        if result_structure != primal.structure:
            raise UsageError(
                f"{self.function.__name__} and its forward function return different structures"
            )
        count = result_structure.leaf_count
        types = [value.type for value in forward.graph.outputs]
        residuals = [Argument(type, f"residual{i}") for i, type in enumerate(types[count:])]
        cotangents = [Argument(type, f"ct{i}") for i, type in enumerate(types[:count])]

        def run(inputs: list[Tensor]) -> Any:
            assert self.backward is not None
            kept = residual_structure.unflatten(inputs[: len(residuals)])
            given = result_structure.unflatten(inputs[len(residuals) :])
            results = self.backward(*fixed, kept, given)
            return self._cotangents(results, structure, forward)

        return self._trace(run, [*residuals, *cotangents])

    def _cotangents(
        self, results: Any, structure: tree.Structure, forward: TracedFunction
    ) -> list[Tensor]:
        """One cotangent a float argument leaf; None stands for zero."""
        if not isinstance(results, tuple) or len(results) != len(structure.children):
            raise GradientError(
                f"the backward function of {self.function.__name__} returns a tuple of {len(structure.children)} cotangents, one an argument",
            )
        leaves: list[Any] = []
        for result, child in zip(results, structure.children, strict=True):
            leaves.extend([None] * child.leaf_count if result is None else tree.flatten(result)[0])
        ends = []
        for value, leaf in zip(forward.graph.inputs, leaves, strict=True):
            if value.type.dtype.is_inexact:
                zero = Tensor(np.zeros((), value.type.dtype.numpy)).full(0.0, value.type.shape)
                ends.append(
                    zero if leaf is None else ops.convert(as_tensor(leaf), value.type.dtype)
                )
        return ends
