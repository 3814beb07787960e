"""Functions with a derivative that the user writes: what `custom_vjp` and `custom_jvp` share."""

from __future__ import annotations

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar

from irflow import tree
from irflow.errors import UsageError
from irflow.frontend.apply import trace_function
from irflow.frontend.boundary import public
from irflow.frontend.tensor import Tensor, as_tensor, strong
from irflow.frontend.tracing import Argument, TracedFunction, current_trace

_inside: ContextVar[tuple[Custom, ...]] = ContextVar("_inside", default=())
"""The functions whose rules are being traced, one around the other."""


class Custom(ABC):
    """A function that is one op with regions wherever it is traced.

    Class attributes:
        kind: what users call it.
        depth: how deep rules that call their own function are nested; below, a call is a plain one.

    Args:
        function: the function as it is computed when no derivative is wanted. It may not use
            tensors or variables from outside.
        nondiff_argnums: positions of arguments that are Python values, not tensors.
    """

    kind: ClassVar[str]
    depth: ClassVar[int] = 1

    def __init__(self, function: Callable[..., Any], nondiff_argnums: Sequence[int] = ()) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.name = getattr(function, "__name__", "function").strip("<>")
        self.nondiff = tuple(nondiff_argnums)

    @public
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs:
            bound = inspect.signature(self.function).bind(*args, **kwargs)
            bound.apply_defaults()
            args = bound.args
        if current_trace() is None or _inside.get().count(self) >= self.depth:
            return self._call_plainly(args)
        return self.apply(args)

    @abstractmethod
    def apply(self, args: tuple[Any, ...]) -> Any:
        """The result of a call while tracing, as that of an op; UsageError without a rule."""

    @contextmanager
    def entered(self) -> Iterator[None]:
        """While a rule of the function is being traced."""
        token = _inside.set((*_inside.get(), self))
        try:
            yield
        finally:
            _inside.reset(token)

    def _call_plainly(self, args: tuple[Any, ...]) -> Any:
        fixed = {position % len(args) for position in self.nondiff}
        tensors = [
            arg if i in fixed else tree.map_leaves(as_tensor, arg) for i, arg in enumerate(args)
        ]
        return tree.map_leaves(as_tensor, self.function(*tensors))


class CustomCall:
    """One traced call: the arguments taken apart, and how to trace regions for them.

    Attributes:
        fixed: the arguments that are no tensors, by position.
        tensors: the leaves of the others.
        structure: of the others, as a tuple.
    """

    def __init__(self, custom: Custom, args: tuple[Any, ...]) -> None:
        self.custom = custom
        self.count = len(args)
        fixed = {position % len(args) for position in custom.nondiff}
        self.fixed = {i: arg for i, arg in enumerate(args) if i in fixed}
        differentiable = tuple(arg for i, arg in enumerate(args) if i not in fixed)
        leaves, self.structure = tree.flatten(differentiable)
        self.tensors = [strong(as_tensor(leaf)) for leaf in leaves]

    def whole(self, inputs: Sequence[Tensor]) -> list[Any]:
        """The arguments in their order, with `inputs` as the leaves of the differentiable ones."""
        remaining = iter(self.structure.unflatten(inputs))
        return [self.fixed[i] if i in self.fixed else next(remaining) for i in range(self.count)]

    def arguments(self) -> list[Argument]:
        """One description a leaf."""
        paths = self.structure.paths("args")
        return [Argument(t.type, p, False, t) for t, p in zip(self.tensors, paths, strict=True)]

    def trace_primal(self) -> TracedFunction:
        """The function itself."""
        function = self.custom.function
        return self.trace(lambda inputs: function(*self.whole(inputs)), self.arguments())

    def trace(
        self, run: Callable[[list[Tensor]], Any], arguments: Sequence[Argument]
    ) -> TracedFunction:
        """A closed region; UsageError where it is not closed."""
        traced = trace_function(run, arguments, self.custom.name)
        if traced.captures or traced.updates:
            raise UsageError(
                f"{self.custom.kind} function {self.custom.name} "
                "uses a tensor or variable from outside",
                hint="pass it as an argument, so that its gradient is defined",
            )
        return traced
