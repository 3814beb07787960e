"""`custom_vjp`: a function whose gradient the user writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from irflow import ops, tree
from irflow.errors import GradientError, UsageError
from irflow.frontend.custom import Custom, CustomCall
from irflow.frontend.differentiated import direction
from irflow.frontend.tensor import Tensor, apply
from irflow.frontend.tracing import Argument, TracedFunction

Rule = Callable[..., Any]


class custom_vjp(Custom):
    """Give a function a gradient of your own.

    Args:
        function: the function as it is computed when no gradient is wanted. It may not use tensors
            or variables from outside: pass them, so that their gradients are defined.
        nondiff_argnums: positions of arguments that are Python values, not tensors.

    >>> @custom_vjp
    ... def halved(x):
    ...     return x
    >>> halved.defvjp(lambda x: (x, ()), lambda residuals, g: (g * 0.5,))
    """

    kind: ClassVar[str] = "custom_vjp"

    def __init__(self, function: Callable[..., Any], nondiff_argnums: Sequence[int] = ()) -> None:
        super().__init__(function, nondiff_argnums)
        self.rules: tuple[Rule, Rule] | None = None

    def defvjp(self, forward: Rule, backward: Rule) -> None:
        """Set the gradient.

        Args:
            forward: takes the function's arguments and returns `(result, residuals)`.
            backward: takes the non-differentiable arguments, the residuals and the cotangents of
                the result (None for those of no float type), and returns a tuple with one
                cotangent, or None for zero, for each differentiable argument.
        """
        self.rules = forward, backward

    def apply(self, args: tuple[Any, ...]) -> Any:
        if self.rules is None:
            raise UsageError(
                f"custom_vjp function {self.name} has no gradient yet",
                hint="call .defvjp(forward, backward) first",
            )
        return _Call(self, args, *self.rules).result()


class _Call(CustomCall):
    """One traced call, with the three regions."""

    def __init__(
        self, custom: Custom, args: tuple[Any, ...], forward: Rule, backward: Rule
    ) -> None:
        super().__init__(custom, args)
        self.forward, self.backward = forward, backward

    def result(self) -> Any:
        primal, forward = self.trace_primal(), self._trace_forward()
        results, residuals = forward.structure.children
        if results != primal.structure:
            raise UsageError(
                f"{self.custom.name} and its forward function return different structures",
                facts=[("function", primal.structure.describe()), ("forward", results.describe())],
            )
        backward = self._trace_backward(forward, results, residuals)
        regions = (primal.graph, forward.graph, backward.graph)
        return primal.structure.unflatten(list(apply(ops.CustomVjp(), self.tensors, regions)))

    def _trace_forward(self) -> TracedFunction:
        def run(inputs: list[Tensor]) -> Any:
            with self.custom.entered():
                result = self.forward(*self.whole(inputs))
            if not isinstance(result, tuple) or len(result) != 2:
                name = self.custom.name
                raise UsageError(f"the forward function of {name} returns (result, residuals)")
            return tuple(result)

        return self.trace(run, self.arguments())

    def _trace_backward(
        self, forward: TracedFunction, results: tree.Structure, residuals: tree.Structure
    ) -> TracedFunction:
        count = results.leaf_count
        types = [value.type for value in forward.graph.outputs]
        arguments = [Argument(type, f"residual{i}") for i, type in enumerate(types[count:])]
        arguments += [
            Argument(type, f"ct{i}")
            for i, type in enumerate(types[:count])
            if type.dtype.is_inexact
        ]

        def run(inputs: list[Tensor]) -> Any:
            kept = residuals.unflatten(inputs[: residuals.leaf_count])
            given = iter(inputs[residuals.leaf_count :])
            seeds = [next(given) if t.dtype.is_inexact else None for t in types[:count]]
            cotangents = results.unflatten(seeds)
            return self._cotangents(self.backward(*self.fixed.values(), kept, cotangents))

        return self.trace(run, arguments)

    def _cotangents(self, results: Any) -> list[Tensor]:
        """One cotangent a float argument leaf, in its type; None stands for zero."""
        count = len(self.structure.children)
        name = f"the backward function of {self.custom.name}"
        if not isinstance(results, tuple) or len(results) != count:
            raise GradientError(
                f"{name} returns a tuple of {count} cotangents, one an argument",
                facts=[("returned", tree.flatten(results)[1].describe())],
            )
        leaves = self.structure.leaves_of(results, "the cotangents")
        problem = f"{name} returns a cotangent of another shape than its argument"
        return [
            direction(leaf, tensor.type, problem, ("argument", "cotangent"))
            for tensor, leaf in zip(self.tensors, leaves, strict=True)
            if tensor.dtype.is_inexact
        ]
