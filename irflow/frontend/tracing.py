"""Traces: recording what a Python function does to tensors as a graph.

Traces nest. The innermost one records every op, whatever its operands: a tensor of an outer
trace, a concrete tensor or a `Variable` that is used inside becomes an input or a constant of the
inner graph, so graphs stay closed. A trace started by an eager call, for example by
`irf.grad(f)(x)` outside of `jit`, knows the concrete values of its inputs, and can therefore tell
Python the value of any tensor in it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from irflow import tree
from irflow.compiler.hashing import hash_soon
from irflow.errors import ConcretizationError, LeakedTracerError
from irflow.frontend.handover import held
from irflow.ir import DenseArray, TensorType
from irflow.ir.builder import Builder
from irflow.ir.evaluate import run_node
from irflow.ir.graph import Graph, Value
from irflow.ir.signature import InputRole
from irflow.ops.constants import Constant
from irflow.records import dataclass

if TYPE_CHECKING:
    from irflow.frontend.tensor import Tensor
    from irflow.frontend.variable import Variable
    from irflow.session import Operation


class Trace:
    """One graph under construction.

    Attributes:
        graph: what has been recorded so far.
        parent: the trace around this one, or None.
        is_compiled: whether the graph outlives the call, so that no value of an input or variable
            may be looked at.
        captures: tensors of outer traces and variables, in the order of the inputs they became.
        assigned: the last value given to each variable.
    """

    # The rule that is broken by a tensor outside of its trace, and what to do instead.
    leak: ClassVar[tuple[str, str]] = (
        "a traced tensor is used after its trace has ended",
        "return it from the function instead of storing it; state belongs in a Variable",
    )
    # What to do instead of asking a tensor for its value.
    value_hint: ClassVar[str] = (
        "inside jit a choice by data is inp.where; a setting can be a static argument"
    )

    def __init__(self, name: str, parent: Trace | None, is_compiled: bool) -> None:
        self.graph = Graph(name)
        self.parent = parent
        self.is_compiled = is_compiled
        self.builder = Builder(self.graph)
        self.captures: list[Tensor | Variable] = []
        self.assigned: dict[Variable, Value] = {}
        self._sources: dict[Value, Tensor] = {}
        self._constants: dict[int, tuple[np.ndarray | DenseArray, Value]] = {}
        self._captured: dict[Value, Value] = {}
        self._variables: dict[Variable, Value] = {}
        self._names: dict[str, int] = {}
        self._known: dict[Value, np.ndarray] = {}

    @property
    def is_alive(self) -> bool:
        """Whether its tensors can be used now, in this thread."""
        return any(trace is self for trace in _stack.traces)

    def add_input(
        self,
        type: TensorType,
        hint: str,
        source: Tensor | None = None,
        role: InputRole | None = None,
    ) -> Value:
        """A new input; `source` is the tensor outside that it stands for, if there is one."""
        value = self.graph.add_input(type, hint, role)
        if source is not None and not self.is_compiled:
            self._sources[value] = source
        return value

    def lift(self, tensor: Tensor) -> Value:
        """The value that stands for `tensor` in this trace."""
        if tensor.trace is self:
            assert tensor.value is not None
            return tensor.value
        if tensor.trace is None:
            return self._constant(held(tensor))
        return self._capture(tensor)

    def _constant(self, array: np.ndarray | DenseArray) -> Value:
        # The array is kept, as its number is free for something else once it is gone.
        known = self._constants.get(id(array))
        if known is None:
            content = array if isinstance(array, DenseArray) else DenseArray(array)
            if self.is_compiled:
                hash_soon(content)
            (value,) = self.builder.emit(Constant(content), ())
            known = self._constants[id(array)] = (array, value)
        return known[1]

    def _capture(self, tensor: Tensor) -> Value:
        outer, value = tensor.trace, tensor.value
        assert outer is not None
        assert value is not None
        if not outer.is_alive or not self._is_inside(outer):
            raise leaked(tensor)
        if value not in self._captured:
            self._captured[value] = self.add_input(value.type, value.hint, tensor)
            self.captures.append(tensor)
        return self._captured[value]

    def _is_inside(self, outer: Trace) -> bool:
        trace: Trace | None = self
        while trace is not None and trace is not outer:
            trace = trace.parent
        return trace is outer

    # ----------------------------------------------------------------------------- variables

    def read(self, variable: Variable) -> Value:
        """The value of a variable at this point of the trace."""
        if variable in self.assigned:
            return self.assigned[variable]
        if variable not in self._variables:
            # The enclosing graphs need the input as well, and know what was assigned so far.
            outer = variable.value_in(self.parent)
            kind = "parameter" if variable.trainable else "state"
            role = InputRole(kind, self._free_name(variable.name))
            value = self.add_input(variable.type, variable.name, outer, role)
            self.captures.append(variable)
            self._variables[variable] = value
        return self._variables[variable]

    def role_name(self, variable: Variable) -> str:
        """The name of a variable that was read, which is not that of another one."""
        return self.graph.signature.inputs[self._variables[variable].index].name

    def _free_name(self, name: str) -> str:
        number = self._names.get(name, 0) + 1
        self._names[name] = number
        return name if number == 1 else self._free_name(f"{name}_{number}")

    def assign(self, variable: Variable, tensor: Tensor) -> Operation | None:
        """Give a variable a value; it becomes an output of the graph, and the old one an input."""
        self.read(variable)
        self.assigned[variable] = self.lift(tensor)
        return None

    def created(self, variable: Variable) -> None:
        """Take note of a variable that is made while this trace is the innermost one."""

    # ------------------------------------------------------------------------ concrete values

    def concrete(self, value: Value) -> np.ndarray | None:
        """What `value` is if that can be known now, else None."""
        pending = [value]
        while pending:
            current = pending[-1]
            if current in self._known:
                pending.pop()
                continue
            unknown = [] if current.node is None else self._unknown_operands(current)
            if not unknown and not self._learn(current):
                return None
            pending.extend(unknown)
        return self._known[value]

    def _unknown_operands(self, value: Value) -> list[Value]:
        assert value.node is not None
        return [operand for operand in value.node.inputs if operand not in self._known]

    def _learn(self, value: Value) -> bool:
        """Note the array of a value whose operands are known; False if it has none."""
        node = value.node
        if node is not None:
            results = run_node(node, [self._known[operand] for operand in node.inputs], {})
            self._known.update(zip(node.outputs, results, strict=True))
            return True
        source = self._sources.get(value)
        array = None if source is None else source.concrete()
        if array is not None:
            self._known[value] = array
        return array is not None


class _Stack(threading.local):
    def __init__(self) -> None:
        self.traces: list[Trace] = []


_stack = _Stack()


def current_trace() -> Trace | None:
    """The innermost trace of this thread, or None outside of tracing."""
    traces = _stack.traces
    return traces[-1] if traces else None


@contextmanager
def tracing(name: str, *, is_compiled: bool = False, kind: type[Trace] = Trace) -> Iterator[Trace]:
    """Record ops in a new trace inside the current one."""
    trace = kind(name, current_trace(), is_compiled)
    enter(trace)
    try:
        yield trace
    finally:
        leave(trace)


def enter(trace: Trace) -> None:
    """Make a trace the innermost one of this thread, until `leave`."""
    _stack.traces.append(trace)


def leave(trace: Trace) -> None:
    """Undo the last `enter` of a trace."""
    traces = _stack.traces
    position = max(i for i, entered in enumerate(traces) if entered is trace)
    del traces[position]


@contextmanager
def suspended() -> Iterator[None]:
    """Outside of all traces for a while: what is made here is concrete, such as a new Variable."""
    traces = _stack.traces
    _stack.traces = []
    try:
        yield
    finally:
        _stack.traces = traces


@dataclass(frozen=True, slots=True)
class Argument:
    """One leaf of the arguments of a function to be traced.

    Attributes:
        type: what the function is traced for.
        hint: a readable name.
        weak: whether its element type gives way.
        source: the tensor outside that it stands for, if there is one.
    """

    type: TensorType
    hint: str = ""
    weak: bool = False
    source: Tensor | None = None


@dataclass(slots=True)
class TracedFunction:
    """A function as a closed graph.

    Attributes:
        graph: inputs are the argument leaves, then the captures; outputs are the result leaves,
            then one update a variable in `updates`.
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


def concretization_error(
    tensor: Tensor, wanted: str, hint: str | None = None
) -> ConcretizationError:
    """The error when Python asks a tensor under tracing for its value."""
    return ConcretizationError(
        f"{wanted} needs the value of a tensor that is only being traced",
        facts=[("tensor", tensor.type), *_origin(tensor)],
        hint=hint if tensor.trace is None or hint else tensor.trace.value_hint,
    )


def leaked(tensor: Tensor) -> LeakedTracerError:
    """The error when a tensor outlives its trace."""
    assert tensor.trace is not None
    rule, hint = tensor.trace.leak
    return LeakedTracerError(rule, facts=[("tensor", tensor.type), *_origin(tensor)], hint=hint)


def _origin(tensor: Tensor) -> list[tuple[str, str]]:
    """Where a traced tensor comes from, as a fact for a message."""
    value = tensor.value
    assert value is not None
    if value.node is None:
        return [("it is", f"argument {value.hint}")] if value.hint else []
    location = value.node.location
    return [("made in", location.describe())] if location is not None else []
