"""`minimize`: any optimiser of `irflow.optim` as an operation of an explicit graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from irflow import ops, tree
from irflow.errors import GradientError
from irflow.frontend.boundary import public
from irflow.frontend.tensor import Tensor, as_tensor
from irflow.frontend.variable import Variable
from irflow.session.derivatives import gradients, graph_of
from irflow.session.graph import Graph
from irflow.session.operation import Operation
from irflow.tree import Tree


class Updates(Protocol):
    """An optimiser: pure updates of nested tensors; see `irflow.optim.Optimizer`."""

    def init(self, params: Tree) -> Any:
        """The state before the first step."""

    def update(self, grads: Tree, state: Any, params: Tree) -> tuple[Tree, Any]:
        """New parameters and state."""


@public
def minimize(
    optimizer: Updates, loss: Tensor, var_list: Sequence[Variable] | None = None
) -> Operation:
    """An operation that takes one step of an optimiser towards a smaller `loss`.

    The state of the optimiser is kept in variables that are not trainable.

    Args:
        optimizer: one of `irflow.optim`.
        loss: a symbolic float scalar.
        var_list: the variables to change; by default the trainable ones that the loss depends on.

    Raises:
        GradientError: the loss is not a float scalar, or does not depend on a variable in
            `var_list`, or on none at all.
    """
    graph = graph_of([loss])
    if loss.shape != () or not loss.dtype.is_float:
        raise GradientError(
            f"minimize: the loss is of type {loss.type}", facts=[("wanted", "a float scalar")]
        )
    with graph.as_default():
        slopes = _slopes(graph, loss, var_list)
        params = [variable.value for variable in slopes]
        slots, structure = _slots(graph, optimizer, list(slopes))
        state = structure.unflatten([slot.value for slot in slots])
        moved, state = optimizer.update(list(slopes.values()), state, params)
        ends = [*tree.flatten(moved)[0], *tree.flatten(state)[0]]
        changed = zip([*slopes, *slots], ends, strict=True)
        updates = {
            variable: graph.lift(ops.convert(as_tensor(end), variable.dtype))
            for variable, end in changed
        }
        return graph.add_operation("minimize", updates)


def _slopes(
    graph: Graph, loss: Tensor, var_list: Sequence[Variable] | None
) -> dict[Variable, Tensor]:
    """The gradient by each variable to change."""
    chosen = graph.trainable_variables if var_list is None else list(var_list)
    for variable in chosen:
        if not isinstance(variable, Variable):
            raise GradientError(
                "minimize: var_list holds something that is no Variable",
                facts=[("given", type(variable).__name__)],
            )
    found = dict(zip(chosen, gradients(loss, chosen), strict=True))
    slopes = {variable: slope for variable, slope in found.items() if slope is not None}
    if not slopes or (var_list is not None and len(slopes) < len(found)):
        missing = [variable for variable in found if variable not in slopes]
        raise GradientError(
            "minimize: the loss does not depend on what is to be changed",
            facts=[("variable", variable.name, variable.type) for variable in missing],
        )
    return slopes


def _slots(
    graph: Graph, optimizer: Updates, variables: Sequence[Variable]
) -> tuple[list[Variable], tree.Structure]:
    """The state of the optimiser as variables, and its structure."""
    values = [Tensor(variable.data) for variable in variables]
    leaves, structure = tree.flatten(optimizer.init(values))
    names = structure.paths(type(optimizer).__name__.lower())
    slots = [
        Variable(leaf, graph.free_name(name), trainable=False)
        for leaf, name in zip(leaves, names, strict=True)
    ]
    return slots, structure
