"""`Graph`: a trace that stays open, and the placeholders in it."""

from __future__ import annotations

import itertools
import operator
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar

import numpy as np

from irflow import dims, dtypes
from irflow.dims import Dim, Size
from irflow.dtypes import DTypeLike
from irflow.errors import UsageError, nearest
from irflow.frontend.boundary import public
from irflow.frontend.tensor import Tensor
from irflow.frontend.tracing import Trace, current_trace, enter, leave
from irflow.frontend.variable import Variable
from irflow.ir import TensorType
from irflow.ir.graph import Value
from irflow.session.operation import Operation, merged_updates

Fetch = Tensor | Variable | Operation
"""What a run can be asked for."""

BATCH = "batch"
"""The size that None stands for on the first axis of a placeholder."""


class Graph(Trace):
    """A graph that is built step by step, and run by a `Session`.

    While it is active, by `with graph.as_default():`, ops of this thread become nodes of it instead
    of being run, jitted functions become call nodes, and a `Variable` stands for the value that it
    has when a run begins. Its tensors can be used only while it is active.

    Args:
        name: printed, no meaning.

    Attributes:
        graph: the graph as the compiler sees it; it prints.
        placeholders: by name.
        operations: by name; assignments included that a function made in passing.
        initial_values: of the variables that were made or used while the graph was active.
    """

    leak: ClassVar[tuple[str, str]] = (
        "a symbolic tensor is used outside of its graph",
        "compute with it inside `with graph.as_default():`; session.run(tensor) gives its value",
    )
    value_hint: ClassVar[str] = (
        "in an explicit graph a tensor has a value only in a run: session.run(tensor, feed_dict)"
    )

    def __init__(self, name: str = "graph") -> None:
        super().__init__(name, None, is_compiled=True)
        self.placeholders: dict[str, Tensor] = {}
        self.operations: dict[str, Operation] = {}
        self.initial_values: dict[Variable, np.ndarray] = {}
        self._labels: dict[str, Tensor] = {}
        self._sizes: dict[str, Dim] = {}

    def __str__(self) -> str:
        return str(self.graph)

    def __repr__(self) -> str:
        return f"Graph({self.graph.name!r}, {len(self.graph)} nodes)"

    @contextmanager
    def as_default(self) -> Iterator[Graph]:
        """Record what this thread does inside a `with` block.

        Raises:
            UsageError: a jitted or differentiated function is being traced.
        """
        _require_no_function(f"graph {self.graph.name}")
        enter(self)
        try:
            yield self
        finally:
            leave(self)

    def concrete(self, value: Value) -> np.ndarray | None:
        """What depends on constants alone is known, such as the initial value of a variable."""
        array = super().concrete(value)
        self._known.clear()  # the graph lives long, and these may be large
        return array

    # ------------------------------------------------------------------------------- variables

    @property
    def variables(self) -> list[Variable]:
        """The variables that were made or used while the graph was active."""
        return list(self.initial_values)

    @property
    def trainable_variables(self) -> list[Variable]:
        """Those of them that optimisers should change."""
        return [variable for variable in self.initial_values if variable.trainable]

    def created(self, variable: Variable) -> None:
        self.initial_values.setdefault(variable, variable.data.copy())

    def read(self, variable: Variable) -> Value:
        """The value that a variable has when a run begins, whatever the run assigns."""
        self.created(variable)
        return super().read(variable)

    def assign(self, variable: Variable, tensor: Tensor) -> Operation:
        """An operation that assigns at the end of a run."""
        self.read(variable)
        updates = {variable: self.lift(tensor)}
        return self.add_operation(f"{variable.name}/assign", updates)

    # ----------------------------------------------------------------------------------- names

    def add_operation(
        self, name: str, updates: dict[Variable, Value], *, resets: bool = False
    ) -> Operation:
        """A new operation, called `name` or, where that is taken, `name_1` and so on."""
        operation = Operation(self, self.free_name(name), updates, resets=resets)
        self.operations[operation.name] = operation
        return operation

    def free_name(self, name: str) -> str:
        """`name`, with a number behind it where it is taken."""
        taken = self._named()
        numbered = (f"{name}_{i}" if i else name for i in itertools.count())
        return next(candidate for candidate in numbered if candidate not in taken)

    @public
    def label(self, tensor: Tensor, name: str) -> Tensor:
        """Give a tensor a name by which `Session.run` can fetch and feed it; the tensor itself.

        Raises:
            UsageError: the name is taken, or the tensor is not of this graph.
        """
        value = self.require(tensor, "label")
        self.require_free(name)
        self._labels[name] = Tensor.traced(self, value)
        return tensor

    def find(self, name: str) -> Fetch:
        """The placeholder, variable, operation or labelled tensor of a name.

        Raises:
            UnknownNameError: there is none; the nearest names are given.
            UsageError: several variables have the name.
        """
        named = self._named()
        if name not in named:
            raise nearest(name, named, f"name in graph {self.graph.name}:")
        if sum(variable.name == name for variable in self.initial_values) > 1:
            raise UsageError(f"several variables are called {name!r}", hint="give the variable")
        return named[name]

    def _named(self) -> dict[str, Fetch]:
        variables = {variable.name: variable for variable in self.initial_values}
        return {**variables, **self.operations, **self._labels, **self.placeholders}

    def require_free(self, name: str) -> None:
        """UsageError if something of the graph has that name."""
        if name in self._named():
            raise UsageError(
                f"the name {name!r} is taken in graph {self.graph.name}",
                facts=[("by", repr(self._named()[name]))],
            )

    def require(self, tensor: Tensor, use: str) -> Value:
        """The value of a tensor of this graph.

        Raises:
            UsageError: it belongs to another graph, or to none.
        """
        if tensor.trace is self and tensor.value is not None:
            return tensor.value
        owner = tensor.trace.graph.name if tensor.trace is not None else "none, it is concrete"
        raise UsageError(
            f"{use}: the tensor is not of this graph",
            facts=[
                ("tensor", tensor.type),
                ("its graph", owner),
                ("this graph", self.graph.name),
            ],
        )

    # ----------------------------------------------------------------------------- placeholders

    def add_placeholder(
        self, dtype: DTypeLike, shape: Sequence[int | str | Dim | None], name: str | None
    ) -> Tensor:
        """See `placeholder`."""
        if name is None:
            name = self.free_name("placeholder")
        self.require_free(name)
        if isinstance(shape, (int, str)):
            raise UsageError(
                f"placeholder {name}: the shape {shape!r} is no sequence of sizes",
                hint=f"write ({shape!r},) for one axis",
            )
        sizes = tuple(self._size(size, axis, name) for axis, size in enumerate(shape))
        value = self.add_input(TensorType(dtypes.as_dtype(dtype), sizes), name)
        # A handle of its own, as `x[i] = v` makes the user's one refer to another value.
        self.placeholders[name] = Tensor.traced(self, value)
        return Tensor.traced(self, value)

    def _size(self, size: int | str | Dim | None, axis: int, name: str) -> Size:
        if size is None:
            stem = re.sub(r"\W", "_", name)
            size = BATCH if axis == 0 else f"{stem}_{axis}"
        if isinstance(size, str):
            return dims.parse_size(size, self._sizes)
        if isinstance(size, Dim):
            return size
        number = operator.index(size) if hasattr(size, "__index__") else -1
        if number < 0:
            raise UsageError(
                f"placeholder {name}: the size of axis {axis} is {size!r}",
                hint="a size is an int, a name, or None",
            )
        return number


class _Default(threading.local):
    graph: Graph | None = None
    is_entered = False  # by a placeholder outside of any `with` block


_default = _Default()


def _require_no_function(what: str) -> None:
    """UsageError while a function is traced: explicit graphs are made around functions."""
    trace = current_trace()
    if trace is not None and not isinstance(trace, Graph):
        raise UsageError(
            f"{what} is used while function {trace.graph.name} is traced",
            hint="call the function from the graph, not the other way round",
        )


def get_default_graph() -> Graph:
    """The active graph of this thread; else its default graph, made when first asked for."""
    trace = current_trace()
    while trace is not None and not isinstance(trace, Graph):
        trace = trace.parent
    if trace is not None:
        return trace
    if _default.graph is None:
        _default.graph = Graph("default")
    return _default.graph


@public
def reset_default_graph() -> None:
    """Leave the default graph of this thread; the next one to be made is empty.

    From then on ops run at once again. Tensors of the old graph stay usable through
    `graph.as_default()` and in sessions.

    Raises:
        UsageError: another graph, or a function, is active inside of it.
    """
    graph = _default.graph
    if graph is not None and _default.is_entered and current_trace() is graph:
        leave(graph)
        if current_trace() is not None:
            enter(graph)
    if current_trace() is not None:
        raise UsageError(
            "the default graph is reset inside of another graph or function",
            hint="leave the `with` block first",
        )
    _default.graph, _default.is_entered = None, False


@public
def placeholder(
    dtype: DTypeLike,
    shape: Sequence[int | str | Dim | None] = (),
    name: str | None = None,
) -> Tensor:
    """A tensor whose value each run is given: `session.run(y, {x: array})`.

    It belongs to the active graph. Where none is active, the thread's default graph becomes so and
    stays it, as in the classic systems: from then on ops of this thread are recorded, not run,
    until `irf.reset_default_graph()`. `with graph.as_default():` says where that ends.

    Args:
        dtype: the element type.
        shape: one entry an axis: an int, the name of a size such as `"n"`, or None for any size.
            The same name is the same size in the whole graph. None on the first axis is called
            `batch`, so that inputs and labels agree; on other axes each None is a size of its own.
        name: unique in the graph; by default `placeholder`, `placeholder_1`, …

    Raises:
        UsageError: the name is taken, a size is none, or a function is being traced.

    >>> with Graph().as_default():
    ...     print(placeholder("f32", (None, 784), name="x").type)
    f32[batch, 784]
    """
    _require_no_function("a placeholder")
    graph = get_default_graph()
    added = graph.add_placeholder(dtype, shape, name)
    if current_trace() is None:
        enter(graph)
        _default.is_entered = True
    return added


def global_variables_initializer() -> Operation:
    """An operation that gives every variable of the active graph its initial value again.

    A variable has its initial value from the start, so a first run of this changes nothing. It
    covers all variables that the graph has when it is run, those of optimisers included; the
    initial value of a variable made elsewhere is the one it had when the graph first used it.
    """
    return get_default_graph().add_operation("init", {}, resets=True)


@public
def group(*operations: Operation | None, name: str | None = None) -> Operation:
    """One operation that does what several do.

    Args:
        operations: of one graph.
        name: for `Session.run`; `group`, `group_1`, … by default.

    Raises:
        UsageError: the name is taken, there is no operation, one is no operation, they belong to
            different graphs, or two assign the same variable.
    """
    members = [item for item in operations if isinstance(item, Operation)]
    if not members or len(members) < len(operations):
        raise UsageError(
            "group takes operations, such as variable.assign(…) and optimizer.minimize(…)",
            facts=[("given", type(item).__name__) for item in operations],
        )
    graph = members[0].graph
    if any(member.graph is not graph for member in members):
        raise UsageError("group: the operations belong to different graphs")
    resets = any(member.resets for member in members)
    if name is not None:
        graph.require_free(name)
    return graph.add_operation(name or "group", merged_updates(members), resets=resets)
