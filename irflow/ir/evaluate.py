"""The reference evaluator: a walk over the nodes that calls each op's NumPy meaning.

It is the oracle. It copies nothing, optimises nothing and frees values as soon as nobody reads
them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from irflow import dims
from irflow.errors import IrflowError, ShapeError
from irflow.ir.graph import Graph, Node, Value
from irflow.ir.op import run_op
from irflow.ir.types import TensorType, type_of
from irflow.records import dataclass


def evaluate(
    graph: Graph, inputs: Sequence[np.ndarray], sizes: Mapping[str, int] | None = None
) -> list[np.ndarray]:
    """Run `graph` on arrays.

    Args:
        graph: a checked graph.
        inputs: one array an input, of its dtype and shape.
        sizes: values of symbolic sizes; solved from the shapes of `inputs` when None.

    Raises:
        ShapeError: an array does not fit the type of its input.
    """
    bound = bind_sizes(graph, inputs) if sizes is None else sizes
    values: dict[Value, np.ndarray] = dict(zip(graph.inputs, inputs, strict=True))
    remaining = {value: len(value.uses) for value in graph.inputs}
    for node in graph:
        for output, array in zip(
            node.outputs, run_node(node, [values[v] for v in node.inputs], bound), strict=True
        ):
            values[output] = array
            remaining[output] = len(output.uses)
        for value in node.inputs:
            remaining[value] -= 1
            if not remaining[value]:
                values.pop(value, None)
    return [values[value] for value in graph.outputs]


def run_node(
    node: Node, inputs: Sequence[np.ndarray], sizes: Mapping[str, int]
) -> tuple[np.ndarray, ...]:
    """The results of one node on concrete arrays."""
    op = node.op.substitute(sizes) if sizes else node.op
    try:
        return run_op(op, inputs, [RegionEvaluator(region, sizes) for region in node.regions])
    except IrflowError as error:
        raise error.at(node.location) from None


class StepLimit:
    """How many steps a loop of unknown length may take while arbitrary inputs are tried.

    Attributes:
        most: of this context, or None.
    """

    def __init__(self) -> None:
        self.most: ContextVar[int | None] = ContextVar("irflow_step_limit", default=None)

    @contextmanager
    def __call__(self, most: int) -> Iterator[None]:
        """Loops that take more steps inside a `with` block raise."""
        token = self.most.set(most)
        try:
            yield
        finally:
            self.most.reset(token)

    def check(self, steps: int) -> None:
        """IrflowError when a loop has taken too many steps."""
        most = self.most.get()
        if most is not None and steps > most:
            raise IrflowError(f"a loop took more than {most} steps")


step_limit = StepLimit()


@dataclass(frozen=True, slots=True)
class RegionEvaluator:
    """A region as a function of arrays, for the meaning of an op with regions.

    Attributes:
        region: what is run.
        sizes: of the graph around it, for symbols that its inputs do not show.
    """

    region: Graph
    sizes: Mapping[str, int]

    def __call__(self, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(evaluate(self.region, inputs, self.bound(inputs)))

    def bound(self, inputs: Sequence[np.ndarray]) -> dict[str, int]:
        """The values of all sizes inside the region."""
        return {**self.sizes, **bind_sizes(self.region, inputs, self.sizes)}

    def result_types(self, *inputs: np.ndarray) -> tuple[TensorType, ...]:
        """The types of the results, without computing them."""
        sizes = self.bound(inputs)
        return tuple(type.substitute(sizes) for type in self.region.output_types)


def bind_sizes(
    graph: Graph, inputs: Sequence[np.ndarray], given: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Solve the symbolic sizes of `graph` from concrete inputs, checking every size and dtype.

    Values are taken from `given` for those sizes that the inputs mention and do not determine.
    """
    if len(inputs) != len(graph.inputs):
        raise ShapeError(f"graph @{graph.name} takes {len(graph.inputs)} inputs, not {len(inputs)}")
    for position, (value, array) in enumerate(zip(graph.inputs, inputs, strict=True)):
        if value.type.dtype.numpy != array.dtype or value.type.rank != array.ndim:
            name = value.hint or f"input {position}"
            raise ShapeError(
                f"graph @{graph.name}: an input of another type",
                facts=[(name, type_of(array)), ("declared", value.type)],
            )
    return dims.solve(
        (
            (value.hint or f"input {position}", value.type.shape, np.shape(array))
            for position, (value, array) in enumerate(zip(graph.inputs, inputs, strict=True))
        ),
        given,
    )
