"""`checkpoint`: less memory for the gradient, more time."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from irflow import ops, tree
from irflow.control.closing import Region, current, trace, union, updated
from irflow.control.messages import check_functions, name_of
from irflow.control.plain import is_plain
from irflow.frontend.boundary import public
from irflow.frontend.tensor import apply, as_tensor, strong
from irflow.frontend.tracing import Argument, current_trace


def checkpoint(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, whose gradient computes inner values again instead of keeping them.

    Between the forward part and the gradient, only what the function takes is kept. Strings and
    functions among its arguments are settings.

    >>> float(checkpoint(lambda x: x * x)(3.0))
    9.0
    """
    check_functions("checkpoint", function=function)

    @functools.wraps(function)
    @public
    def call(*args: Any, **kwargs: Any) -> Any:
        if current_trace() is None or is_plain():
            return function(*args, **kwargs)
        return _Call(function, args, kwargs).result()

    return call


class _Call:
    def __init__(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self.function = function
        self.leaves, self.structure = tree.flatten((args, kwargs))
        self.numeric = [i for i, leaf in enumerate(self.leaves) if _is_numeric(leaf)]

    def result(self) -> Any:
        tensors = [as_tensor(self.leaves[i]) for i in self.numeric]
        paths = self.structure.paths("args")
        arguments = [
            Argument(t.type, paths[i], t.is_weak)
            for i, t in zip(self.numeric, tensors, strict=True)
        ]
        structures = [tree.LEAF] * len(tensors)
        traced = trace(self._run, arguments, structures, name_of(self.function, "checkpoint"))
        captures, assigned = union([traced]), updated([traced])
        region = Region(traced, captures)
        body = region.returning([*region.results, *map(region.variable, assigned)])
        results = apply(ops.Checkpoint(), [*current(captures), *tensors], [body])
        count = traced.result_count
        for variable, value in zip(assigned, results[count:], strict=True):
            variable.assign(value)
        pairs = zip(results, traced.weak, strict=False)
        outputs = [t.weakened() if weak else strong(t) for t, weak in pairs]
        return traced.structure.unflatten(outputs)

    def _run(self, *inputs: Any) -> Any:
        leaves = list(self.leaves)
        for i, tensor in zip(self.numeric, inputs, strict=True):
            leaves[i] = tensor
        args, kwargs = self.structure.unflatten(leaves)
        return self.function(*args, **kwargs)


def _is_numeric(leaf: Any) -> bool:
    return not isinstance(leaf, (str, bytes, type)) and not callable(leaf)
