"""Traces: recording what a Python function does to tensors as a graph.

Traces nest. The innermost one records every op, whatever its operands: a tensor of an outer trace, a
concrete tensor or a `Variable` that is used inside becomes an input or a constant of the inner graph, so
graphs stay closed. A trace started by an eager call (for example `irf.grad(f)(x)` outside of `jit`) knows the concrete values of its
inputs, and can therefore tell Python the value of any tensor in it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from irflow import tree
from irflow.errors import ConcretizationError, LeakedTracerError, TreeError
from irflow.ir import OutputRole, TensorType
from irflow.ir.builder import Builder
from irflow.ir.evaluate import run_node
from irflow.ir.graph import Graph, Node, Value
from irflow.ir.signature import InputRole
from irflow.location import user_location
from irflow.ops.constants import Constant

if TYPE_CHECKING:
    from irflow.frontend.tensor import Tensor
    from irflow.frontend.variable import Variable


class Trace:
    """One graph under construction.

    Attributes:
        graph: what has been recorded so far.
        parent: the trace around this one, or None.
        captures: tensors of outer traces and variables, in the order of the inputs they became.
        assigned: the last value given to each variable.
    """

    def __init__(self, name: str, parent: Trace | None) -> None:
        self.graph = Graph(name)
        self.parent = parent
        self.is_alive = True
        self.builder = Builder(self.graph)
        self.captures: list[Tensor | Variable] = []
        self.assigned: dict[Variable, Tensor] = {}
        self.sources: dict[Value, Tensor | Variable] = {}
        self._constants: dict[int, tuple[np.ndarray, Value]] = {}
        self._captured: dict[Value, Value] = {}
        self._variables: dict[Variable, Tensor] = {}
        self._known: dict[Value, np.ndarray] = {}

    def add_input(self, type: TensorType, hint: str, source: Tensor | None, weak: bool) -> Tensor:
        """A new argument; `source` is the tensor outside that it stands for, if there is one."""
        value = self.graph.add_input(type, hint)
        if source is not None:
            self.sources[value] = source
        return self.tensor(value, weak=weak)

    def tensor(self, value: Value, *, weak: bool = False) -> Tensor:
        """The handle of a value of this trace."""
        from irflow.frontend.tensor import Tensor

        return Tensor.traced(self, value, weak=weak)

    def lift(self, tensor: Tensor) -> Value:
        """The value that stands for `tensor` in this trace."""
        if tensor.trace is self:
            assert tensor.value is not None
            return tensor.value
        if tensor.trace is None:
            return self._constant(tensor.data)
        return self._capture(tensor)

    def _constant(self, array: np.ndarray) -> Value:
        known = self._constants.get(id(array))
        if known is None:
            (value,) = self.builder.emit(Constant.of(array), ())
            known = self._constants[id(array)] = (array, value)
        return known[1]

    def _capture(self, tensor: Tensor) -> Value:
        outer, value = tensor.trace, tensor.value
        assert outer is not None
        assert value is not None
        if not outer.is_alive or not self._is_inside(outer):
            raise _leaked(tensor)
        if value not in self._captured:
            inner = self.graph.add_input(value.type, value.hint)
            self.captures.append(tensor)
            self.sources[inner] = tensor
            self._captured[value] = inner
        return self._captured[value]

    def _is_inside(self, outer: Trace) -> bool:
        trace: Trace | None = self
        while trace is not None and trace is not outer:
            trace = trace.parent
        return trace is outer

    # ----------------------------------------------------------------------------- variables

    def read(self, variable: Variable) -> Tensor:
        """The value of a variable at this point of the trace."""
        if variable in self.assigned:
            return self.assigned[variable]
        if variable not in self._variables:
            if self.parent is not None:
                self.parent.read(variable)  # the enclosing graphs need the input as well
            role = InputRole("parameter" if variable.trainable else "state", variable.name)
            value = self.graph.add_input(variable.type, variable.name, role)
            self.captures.append(variable)
            self.sources[value] = variable
            self._variables[variable] = self.tensor(value)
        return self._variables[variable]

    def assign(self, variable: Variable, tensor: Tensor) -> None:
        """Give a variable a value; it becomes an output of the graph."""
        self.assigned[variable] = self.tensor(self.lift(tensor))

    # ------------------------------------------------------------------------ concrete values

    def concrete(self, value: Value) -> np.ndarray | None:
        """What `value` is if that can be known now, else None."""
        if value in self._known:
            return self._known[value]
        if value.node is None:
            source = self.sources.get(value)
            array = None if source is None else source.concrete()
        else:
            array = self._run(value.node, value.index)
        if array is not None:
            self._known[value] = array
        return array

    def _run(self, node: Node, index: int) -> np.ndarray | None:
        inputs = []
        for operand in self._ancestors(node):
            array = self.concrete(operand)
            if array is None:
                return None
        for operand in node.inputs:
            array = self.concrete(operand)
            if array is None:
                return None
            inputs.append(array)
        results = run_node(node, inputs, {})
        self._known.update(zip(node.outputs, results, strict=True))
        return results[index]

    def _ancestors(self, node: Node) -> list[Value]:
        """Values that `node` depends on and that are not known, definitions first: no deep recursion."""
        needed: dict[Value, None] = {}
        pending = [node]
        while pending:
            for operand in pending.pop().inputs:
                if operand not in self._known and operand not in needed:
                    needed[operand] = None
                    if operand.node is not None:
                        pending.append(operand.node)
        order = {value: i for i, value in enumerate(v for n in self.graph for v in n.outputs)}
        return sorted(needed, key=lambda value: order.get(value, -1))


class _Stack(threading.local):
    def __init__(self) -> None:
        self.traces: list[Trace] = []


_stack = _Stack()


def current_trace() -> Trace | None:
    """The innermost trace of this thread, or None outside of tracing."""
    return _stack.traces[-1] if _stack.traces else None


@contextmanager
def tracing(name: str) -> Iterator[Trace]:
    """Record ops in a new trace inside the current one."""
    trace = Trace(name, current_trace())
    _stack.traces.append(trace)
    try:
        yield trace
    finally:
        _stack.traces.pop()
        trace.is_alive = False


@dataclass(slots=True)
class TracedFunction:
    """A function as a closed graph.

    Attributes:
        graph: inputs are the argument leaves, then the captures; outputs are the result leaves, then one
            update a variable in `updates`.
        structure: of the result.
        weak: which result leaves are weakly typed.
        captures: what the further inputs stand for outside.
        updates: the variables that the further outputs are assigned to.
    """

    graph: Graph
    structure: tree.Structure
    weak: tuple[bool, ...]
    captures: list[Tensor | Variable]
    updates: list[Variable]

    @property
    def result_count(self) -> int:
        return len(self.weak)


@dataclass(frozen=True, slots=True)
class Argument:
    """One leaf of the arguments of a function to be traced."""

    type: TensorType
    hint: str = ""
    weak: bool = False
    source: Any = None  # the Tensor outside, or None


def trace_function(
    function: Callable[[list[Any]], Any], arguments: Sequence[Argument], name: str
) -> TracedFunction:
    """Trace `function`, which takes the list of its argument leaves as tensors.

    Raises:
        TreeError: a result is not a tensor, an array or a number.
    """
    from irflow.frontend.tensor import as_tensor

    with tracing(name) as trace:
        inputs = [trace.add_input(a.type, a.hint, a.source, a.weak) for a in arguments]
        leaves, structure = tree.flatten(function(inputs))
        tensors = []
        for leaf, path in zip(leaves, structure.paths("result"), strict=True):
            try:
                tensors.append(as_tensor(leaf))
            except TypeError as error:
                raise TreeError(
                    f"{name} returned {type(leaf).__name__} at {path}", hint=str(error)
                ) from None
        results = [trace.lift(tensor) for tensor in tensors]
        updates = list(trace.assigned)
        ends = [trace.lift(trace.assigned[variable]) for variable in updates]
        roles = [
            OutputRole("result", path.removeprefix("result")) for path in structure.paths("result")
        ]
        trace.graph.set_outputs(
            [*results, *ends],
            [*roles, *(OutputRole("update", variable.name) for variable in updates)],
        )
    weak = tuple(tensor.is_weak for tensor in tensors)
    return TracedFunction(trace.graph, structure, weak, trace.captures, updates)


def concretization_error(tensor: Tensor, wanted: str) -> ConcretizationError:
    """The error when Python asks a tensor under tracing for its value."""
    return ConcretizationError(
        f"{wanted} needs the value of a tensor that is only being traced",
        facts=[("tensor", tensor.type)],
        location=user_location(),
        hint="inside jit a branch on data is irf.cond or inp.where; a setting can be a static argument",
    )


def _leaked(tensor: Tensor) -> LeakedTracerError:
    assert tensor.value is not None
    node = tensor.value.node
    made = node.location if node is not None else None
    return LeakedTracerError(
        "a traced tensor is used after its trace has ended",
        facts=[("tensor", tensor.type), *([("made in", made.describe())] if made else [])],
        location=user_location(),
        hint="return it from the traced function instead of storing it outside; state belongs in a Variable",
    )


def leaked(tensor: Tensor) -> LeakedTracerError:
    """The error when a tensor outlives its trace."""
    return _leaked(tensor)
