"""Operations: what a run does besides returning values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from irflow.errors import UsageError
from irflow.frontend.variable import Variable
from irflow.ir.graph import Value

if TYPE_CHECKING:
    from irflow.session.graph import Graph


class Operation:
    """Assignments to variables, made together at the end of a run that fetches the operation.

    All reads in a run see the values from before it.

    Attributes:
        graph: where it belongs.
        name: unique in the graph.
        updates: what each variable is assigned.
        resets: whether every variable of the graph is given its initial value.
    """

    __slots__ = ("graph", "name", "resets", "updates")

    def __init__(
        self, graph: Graph, name: str, updates: dict[Variable, Value], *, resets: bool = False
    ) -> None:
        self.graph = graph
        self.name = name
        self.updates = updates
        self.resets = resets

    def __repr__(self) -> str:
        return f"Operation({self.name!r})"


def merged_updates(operations: Iterable[Operation]) -> dict[Variable, Value]:
    """What several operations assign together.

    Raises:
        UsageError: a variable is assigned twice, so that the result would depend on an order.
    """
    makers: dict[Variable, Operation] = {}
    merged: dict[Variable, Value] = {}
    distinct = list(dict.fromkeys(operations))
    resetting = next((operation for operation in distinct if operation.resets), None)
    for operation in distinct:
        for variable, value in operation.updates.items():
            other = resetting or makers.setdefault(variable, operation)
            if other is not operation and merged.get(variable) is not value:
                raise UsageError(
                    f"variable {variable.name} is assigned twice in one run",
                    facts=[("by", other.name), ("and by", operation.name)],
                    hint="run one after the other",
                )
            merged[variable] = value
    return merged
