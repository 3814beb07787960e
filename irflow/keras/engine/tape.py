"""`GradientTape`: derivatives of what was computed in a `with` block, in TensorFlow's manner."""

from __future__ import annotations

from types import TracebackType
from typing import Any, ClassVar

import numpy as np

from irflow import tree
from irflow.errors import UsageError
from irflow.frontend import Tensor, Variable, as_tensor
from irflow.frontend.tracing import Trace, current_trace, enter, leave
from irflow.ir.graph import Value
from irflow.session.derivatives import pull_back


class _Recording(Trace):
    """What a tape records outside of compiled functions: its tensors keep their values after it."""

    leak: ClassVar[tuple[str, str]] = (
        "a tensor of a tape is used in another thread",
        "pass values",
    )

    @property
    def is_alive(self) -> bool:
        return True


class GradientTape:
    """Records what is computed inside of a `with` block, to differentiate it afterwards.

    Inside a `train_step` it is part of the compiled step. `irf.value_and_grad` of a function says
    the same without a tape.

    Args:
        persistent: taken; `gradient` may be called several times anyway.
        watch_accessed_variables: taken; what to differentiate by is said in `gradient`.

    >>> x = Variable(3.0)
    >>> with GradientTape() as tape:
    ...     y = x * x
    >>> tape.gradient(y, x).item()
    6.0
    """

    def __init__(self, persistent: bool = False, watch_accessed_variables: bool = True) -> None:
        self._trace: Trace | None = None
        self._is_own = False

    def __enter__(self) -> GradientTape:
        outer = current_trace()
        self._is_own = outer is None
        self._trace = _Recording("tape", None, is_compiled=False) if outer is None else outer
        if self._is_own:
            enter(self._trace)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        trace = self._recorded()
        if not self._is_own:
            return
        leave(trace)
        if error is None:
            for variable, value in trace.assigned.items():
                variable.assign(_value(trace, value))

    def watch(self, tensor: Any) -> None:
        """Taken, as in TensorFlow; any tensor that is used can be differentiated by."""
        self._recorded()

    def gradient(
        self,
        target: Any,
        sources: Any,
        output_gradients: Any = None,
        unconnected_gradients: Any = None,
    ) -> Any:
        """The gradient of the sum of `target` by each of `sources`.

        Args:
            target: a tensor, or several in any nesting, made inside the block.
            sources: variables or tensors, in any nesting.
            output_gradients: weights of the elements of a single target, instead of ones.
            unconnected_gradients: "zero" for zeros instead of None where there is no dependence.

        Raises:
            UsageError: before the block.
            GradientError: a type is not float.
        """
        trace = self._recorded()
        with _Inside(trace, self._is_own):
            if output_gradients is not None:
                target = as_tensor(target) * as_tensor(output_gradients)
            ends = [trace.lift(as_tensor(y)) for y in tree.flatten(target)[0]]
            leaves, structure = tree.flatten(sources)
            found = pull_back(trace.graph, ends, [self._start(trace, x) for x in leaves])
        results = [None if value is None else self._result(trace, value) for value in found]
        if unconnected_gradients is not None and "zero" in str(unconnected_gradients).lower():
            results = [
                _zeros(x) if gradient is None else gradient
                for x, gradient in zip(leaves, results, strict=True)
            ]
        return structure.unflatten(results)

    def stop_recording(self) -> Any:
        """Not supported; what should not be differentiated goes through `irf.stop_gradient`."""
        raise UsageError("a tape cannot be stopped", hint="use irf.stop_gradient")

    def _recorded(self) -> Trace:
        if self._trace is None:
            raise UsageError("a GradientTape records in a with block", hint="with … as tape:")
        return self._trace

    def _start(self, trace: Trace, source: Any) -> Value:
        """The value that the block began with."""
        if not isinstance(source, Variable):
            return trace.lift(as_tensor(source))
        before = trace.assigned.pop(source, None)
        value = trace.read(source)
        if before is not None:
            trace.assigned[source] = before
        return value

    def _result(self, trace: Trace, value: Value) -> Tensor:
        return _value(trace, value) if self._is_own else Tensor.traced(trace, value)


class _Inside:
    """The trace of a tape as the innermost one, for a while."""

    def __init__(self, trace: Trace, is_own: bool) -> None:
        self._trace, self._is_own = trace, is_own

    def __enter__(self) -> None:
        if self._is_own:
            enter(self._trace)

    def __exit__(self, *error: object) -> None:
        if self._is_own:
            leave(self._trace)


def _value(trace: Trace, value: Value) -> Tensor:
    array = trace.concrete(value)
    assert array is not None
    return Tensor(array)


def _zeros(source: Any) -> Tensor:
    tensor = as_tensor(source)
    return Tensor(np.zeros((), tensor.dtype.numpy)).full(0.0, tensor.shape)
