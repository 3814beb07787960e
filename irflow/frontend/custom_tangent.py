"""`custom_jvp`: a function whose derivative in a direction the user writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from irflow import ops, tree
from irflow.errors import GradientError, UsageError
from irflow.frontend.custom import Custom, CustomCall
from irflow.frontend.differentiated import direction
from irflow.frontend.tensor import Tensor, apply, as_tensor
from irflow.frontend.tracing import Argument, TracedFunction

Rule = Callable[..., Any]


class custom_jvp(Custom):
    """Give a function a derivative of your own, for both modes.

    The rule is followed by `jvp`; since it is linear in the tangents, `grad` and `vjp` follow it
    backwards. A rule may call the function itself: derivatives up to the third order then follow
    rules, those beyond are what the function's own operations give.

    Args:
        function: the function as it is computed when no derivative is wanted. It may not use
            tensors or variables from outside: pass them, so that their derivatives are defined.
        nondiff_argnums: positions of arguments that are Python values, not tensors.

    >>> @custom_jvp
    ... def halved(x):
    ...     return x
    >>> @halved.defjvp
    ... def rule(primals, tangents):
    ...     return halved(*primals), tangents[0] * 0.5
    """

    kind: ClassVar[str] = "custom_jvp"
    depth: ClassVar[int] = 3

    def __init__(self, function: Callable[..., Any], nondiff_argnums: Sequence[int] = ()) -> None:
        super().__init__(function, nondiff_argnums)
        self.rule: Rule | None = None

    def defjvp(self, rule: Rule) -> Rule:
        """Set the derivative; also usable as a decorator.

        Args:
            rule: takes the non-differentiable arguments, then two tuples with one entry for each
                other argument: these, and their tangents, which are None for leaves of no float
                type. It returns `(result, tangent of the result)`, the tangent with None for zero,
                and linear in the tangents.

        Returns:
            `rule` itself.
        """
        self.rule = rule
        return rule

    def defjvps(self, *parts: Rule | None) -> None:
        """Set the derivative as a sum, for a function of tensors without non-differentiable ones.

        Args:
            parts: for each argument a function from its tangent, the result and all arguments to
                what it adds to the tangent of the result; None for nothing.
        """

        def rule(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
            result = self(*primals)
            terms = [
                part(tangent, result, *primals)
                for part, tangent in zip(parts, tangents, strict=True)
                if part is not None and tangent is not None
            ]
            if not terms:
                return result, None
            return result, tree.map_leaves(lambda *leaves: sum(leaves[1:], leaves[0]), *terms)

        self.rule = rule

    def apply(self, args: tuple[Any, ...]) -> Any:
        if self.rule is None:
            raise UsageError(
                f"custom_jvp function {self.name} has no derivative yet",
                hint="call .defjvp(rule) first",
            )
        return _Call(self, args, self.rule).result()


class _Call(CustomCall):
    """One traced call, with the two regions."""

    def __init__(self, custom: Custom, args: tuple[Any, ...], rule: Rule) -> None:
        super().__init__(custom, args)
        self.rule = rule

    def result(self) -> Any:
        primal = self.trace_primal()
        regions = (primal.graph, self._trace_rule(primal).graph)
        return primal.structure.unflatten(list(apply(ops.CustomJvp(), self.tensors, regions)))

    def _trace_rule(self, primal: TracedFunction) -> TracedFunction:
        paths = self.structure.paths("tangents")
        arguments = self.arguments()
        arguments += [
            Argument(tensor.type, path)
            for tensor, path in zip(self.tensors, paths, strict=True)
            if tensor.dtype.is_inexact
        ]
        count = len(self.tensors)

        def run(inputs: list[Tensor]) -> Any:
            given = iter(inputs[count:])
            moves = [next(given) if t.dtype.is_inexact else None for t in self.tensors]
            primals = self.structure.unflatten(inputs[:count])
            tangents = self.structure.unflatten(moves)
            with self.custom.entered():
                returned = self.rule(*self.fixed.values(), primals, tangents)
            return self._checked(returned, primal)

        return self.trace(run, arguments)

    def _checked(self, returned: Any, primal: TracedFunction) -> list[Tensor]:
        """The leaves of the result, then one tangent for each of float type."""
        name = f"the rule of {self.custom.name}"
        if not isinstance(returned, tuple) or len(returned) != 2:
            raise UsageError(
                f"{name} returns (result, tangent of the result)",
                facts=[("returned", tree.flatten(returned)[1].describe())],
            )
        leaves, structure = tree.flatten(returned[0])
        if structure != primal.structure:
            raise UsageError(
                f"{self.custom.name} and its rule return different structures",
                facts=[
                    ("function", primal.structure.describe()),
                    ("rule", structure.describe()),
                ],
            )
        results = [as_tensor(leaf) for leaf in leaves]
        types = [value.type for value in primal.graph.outputs]
        for tensor, type in zip(results, types, strict=True):
            if tensor.type != type:
                raise GradientError(
                    f"{self.custom.name} and its rule return different types",
                    facts=[("function", type), ("rule", tensor.type)],
                )
        tangents = structure.leaves_of(returned[1], "the tangent of the result")
        problem = f"{name} returns a tangent of another shape than its result"
        pairs = zip(tangents, types, strict=True)
        return [
            *results,
            *(
                direction(leaf, type, problem, ("result", "tangent"))
                for leaf, type in pairs
                if type.dtype.is_inexact
            ),
        ]
