"""Regions without captures: what several traced functions use from outside becomes operands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from irflow import tree
from irflow.errors import TreeError
from irflow.frontend.apply import trace_function
from irflow.frontend.tensor import Tensor, as_tensor, strong
from irflow.frontend.tracing import Argument, TracedFunction
from irflow.frontend.variable import Variable
from irflow.ir.builder import Builder
from irflow.ir.graph import Graph, Value
from irflow.ops.operand import Handle
from irflow.records import dataclass

Capture = Tensor | Variable


@dataclass(frozen=True, slots=True)
class Leaves:
    """A nested argument, taken apart.

    Attributes:
        tensors: its leaves.
        structure: of the argument.
        paths: a readable name for each leaf: `carry[1]['w']`.
    """

    tensors: list[Tensor]
    structure: tree.Structure
    paths: list[str]

    @classmethod
    def of(cls, name: str, value: Any, path: str) -> Leaves:
        """Take `value` apart.

        Raises:
            TreeError: a leaf is no tensor, array or number.
        """
        leaves, structure = tree.flatten(value)
        paths = structure.paths(path)
        return cls(
            [_tensor(name, *row) for row in zip(leaves, paths, strict=True)], structure, paths
        )

    def arguments(self) -> list[Argument]:
        """How to trace a function of these."""
        rows = zip(self.tensors, self.paths, strict=True)
        return [Argument(t.type, path, t.is_weak) for t, path in rows]


def _tensor(name: str, leaf: Any, path: str) -> Tensor:
    try:
        return as_tensor(leaf)
    except (TypeError, ValueError):
        raise TreeError(
            f"{name}: an argument is not a tensor",
            facts=[(path, type(leaf).__name__)],
            hint="take tensors, arrays and numbers; use other values from outside the function",
        ) from None


def trace(
    function: Callable[..., Any],
    arguments: Sequence[Argument],
    structures: Sequence[tree.Structure],
    name: str,
) -> TracedFunction:
    """Trace a function of positional arguments of the structures given."""
    whole = tree.Structure("tuple", tuple(range(len(structures))), tuple(structures))

    def run(inputs: list[Tensor]) -> Any:
        return function(*whole.unflatten(inputs))

    # Its values are not those of one run, so Python may not look at them.
    return trace_function(run, arguments, name, is_compiled=True)


def union(functions: Sequence[TracedFunction]) -> list[Capture]:
    """What any of the functions uses from outside, each once.

    The variables that they assign are among it: a trace reads those too.
    """
    found: dict[object, Capture] = {}
    for function in functions:
        for capture in function.captures:
            found.setdefault(_identity(capture), capture)
    return list(found.values())


def updated(functions: Sequence[TracedFunction]) -> list[Variable]:
    """The variables that any of the functions assigns, each once."""
    return list(dict.fromkeys(v for function in functions for v in function.updates))


def _identity(capture: Capture) -> Variable | Value | None:
    return capture if isinstance(capture, Variable) else capture.value


def parted(
    functions: Sequence[TracedFunction],
) -> tuple[list[Capture], list[Variable]]:
    """What the functions use and leave as it is, and the variables that they assign."""
    assigned = updated(functions)
    # Tensors have no truth value, so they are not looked for in a list.
    kept = [c for c in union(functions) if not (isinstance(c, Variable) and c in assigned)]
    return kept, assigned


def current(captures: Sequence[Capture]) -> list[Tensor]:
    """What the captures stand for where the op goes."""
    return [strong(c.value) if isinstance(c, Variable) else c for c in captures]


class Region:
    """A closed region under construction around a traced function.

    Attributes:
        graph: the region.
        results: what the function returns.
        updates: the variables after it, those among the captures that it does not assign as before.

    Args:
        function: what to close.
        captures: all captures, in the order of the inputs in front of the arguments.
        hints: names of the captures.
    """

    def __init__(self, function: TracedFunction, captures: Sequence[Capture]) -> None:
        count = len(function.graph.inputs) - len(function.captures)
        self.graph = Graph(function.graph.name)
        self.builder = Builder(self.graph)
        known: dict[object, Value] = {}
        for capture in captures:
            known[_identity(capture)] = self.graph.add_input(capture.type, _hint(capture))
        arguments = [self.graph.add_input(v.type, v.hint) for v in function.graph.inputs[:count]]
        own = [known[_identity(capture)] for capture in function.captures]
        values = self.builder.inline(function.graph, [*arguments, *own])
        self.results = [Handle(self.builder, v) for v in values[: function.result_count]]
        assigned = zip(function.updates, values[function.result_count :], strict=True)
        self._known = known | dict(assigned)

    def variable(self, variable: Variable) -> Handle:
        """The value of a captured variable after the function."""
        return Handle(self.builder, self._known[variable])

    def returning(self, handles: Sequence[Handle]) -> Graph:
        """The region with its results."""
        self.graph.set_outputs([handle.value for handle in handles])
        return self.graph


def _hint(capture: Capture) -> str:
    if isinstance(capture, Variable):
        return capture.name
    return capture.value.hint if capture.value is not None else ""
