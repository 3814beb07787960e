"""`custom_vjp`: a function whose gradient the user writes."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any

import numpy as np

from irflow import ops, tree
from irflow.errors import GradientError, UsageError
from irflow.frontend.apply import trace_function
from irflow.frontend.boundary import public
from irflow.frontend.tensor import Tensor, apply, as_tensor, strong
from irflow.frontend.tracing import Argument, TracedFunction, current_trace
from irflow.ir import TensorType


class custom_vjp:
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

    def __init__(self, function: Callable[..., Any], nondiff_argnums: Sequence[int] = ()) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.name = getattr(function, "__name__", "function").strip("<>")
        self.nondiff = tuple(nondiff_argnums)
        self.forward: Callable[..., Any] | None = None
        self.backward: Callable[..., Any] | None = None

    def defvjp(self, forward: Callable[..., Any], backward: Callable[..., Any]) -> None:
        """Set the gradient.

        Args:
            forward: takes the function's arguments and returns `(result, residuals)`.
            backward: takes the non-differentiable arguments, the residuals and the cotangents of
                the result (None for those of no float type), and returns a tuple with one
                cotangent, or None for zero, for each differentiable argument.
        """
        self.forward, self.backward = forward, backward

    @public
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs:
            bound = inspect.signature(self.function).bind(*args, **kwargs)
            bound.apply_defaults()
            args = bound.args
        if current_trace() is None or self in _in_forward.get():
            return self._call_plainly(args)
        if self.forward is None or self.backward is None:
            raise UsageError(
                f"custom_vjp function {self.name} has no gradient yet",
                hint="call .defvjp(forward, backward) first",
            )
        return _Calling(self, args).apply()

    def _call_plainly(self, args: tuple[Any, ...]) -> Any:
        fixed = {position % len(args) for position in self.nondiff}
        tensors = [
            arg if i in fixed else tree.map_leaves(as_tensor, arg) for i, arg in enumerate(args)
        ]
        return tree.map_leaves(as_tensor, self.function(*tensors))


_in_forward: ContextVar[frozenset[custom_vjp]] = ContextVar("_in_forward", default=frozenset())
"""The functions whose forward function is being traced: there, a call of them is a plain one."""


class _Calling:
    """One traced call: the arguments taken apart, and the three regions."""

    def __init__(self, custom: custom_vjp, args: tuple[Any, ...]) -> None:
        self.custom = custom
        self.count = len(args)
        fixed = {position % len(args) for position in custom.nondiff}
        self.fixed = {i: arg for i, arg in enumerate(args) if i in fixed}
        differentiable = tuple(arg for i, arg in enumerate(args) if i not in fixed)
        leaves, self.structure = tree.flatten(differentiable)
        self.tensors = [strong(as_tensor(leaf)) for leaf in leaves]

    def apply(self) -> Any:
        primal, forward = self._trace_primal(), self._trace_forward()
        results, residuals = forward.structure.children
        if results != primal.structure:
            raise UsageError(
                f"{self.custom.name} and its forward function return different structures",
                facts=[("function", primal.structure.describe()), ("forward", results.describe())],
            )
        backward = self._trace_backward(forward, results, residuals)
        regions = (primal.graph, forward.graph, backward.graph)
        return primal.structure.unflatten(list(apply(ops.CustomVjp(), self.tensors, regions)))

    def _whole(self, inputs: Sequence[Tensor]) -> list[Any]:
        """The arguments in their order, with `inputs` as the leaves of the differentiable ones."""
        remaining = iter(self.structure.unflatten(inputs))
        return [self.fixed[i] if i in self.fixed else next(remaining) for i in range(self.count)]

    def _trace_primal(self) -> TracedFunction:
        function = self.custom.function
        return self._trace(lambda inputs: function(*self._whole(inputs)), self._arguments())

    def _trace_forward(self) -> TracedFunction:
        forward, name = self.custom.forward, self.custom.name
        assert forward is not None

        def run(inputs: list[Tensor]) -> Any:
            token = _in_forward.set(_in_forward.get() | {self.custom})
            try:
                result = forward(*self._whole(inputs))
            finally:
                _in_forward.reset(token)
            if not isinstance(result, tuple) or len(result) != 2:
                raise UsageError(f"the forward function of {name} returns (result, residuals)")
            return tuple(result)

        return self._trace(run, self._arguments())

    def _arguments(self) -> list[Argument]:
        paths = self.structure.paths("args")
        return [Argument(t.type, p, False, t) for t, p in zip(self.tensors, paths, strict=True)]

    def _trace_backward(
        self, forward: TracedFunction, results: tree.Structure, residuals: tree.Structure
    ) -> TracedFunction:
        backward = self.custom.backward
        assert backward is not None
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
            return self._cotangents(backward(*self.fixed.values(), kept, results.unflatten(seeds)))

        return self._trace(run, arguments)

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
        return [
            self._cotangent(leaf, tensor.type, name)
            for tensor, leaf in zip(self.tensors, leaves, strict=True)
            if tensor.dtype.is_inexact
        ]

    @staticmethod
    def _cotangent(leaf: Any, type: TensorType, name: str) -> Tensor:
        if leaf is None:
            return Tensor(np.zeros((), type.dtype.numpy)).full(0.0, type.shape)
        tensor: Tensor = ops.convert(as_tensor(leaf), type.dtype)
        if tensor.shape != type.shape:
            raise GradientError(
                f"{name} returns a cotangent of another shape than its argument",
                facts=[("argument", type), ("cotangent", tensor.type)],
            )
        return tensor

    def _trace(
        self, run: Callable[[list[Tensor]], Any], arguments: Sequence[Argument]
    ) -> TracedFunction:
        traced = trace_function(run, arguments, self.custom.name)
        if traced.captures or traced.updates:
            raise UsageError(
                f"custom_vjp function {self.custom.name} uses a tensor or variable from outside",
                hint="pass it as an argument, so that its gradient is defined",
            )
        return traced
