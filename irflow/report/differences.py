"""Where a backend computes something else than the operations mean.

Each node of a graph is compiled alone and run on what the reference evaluator gives it, so that an
error is seen where it arises and not where it ends up.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from irflow import dtypes
from irflow.analysis import every_graph
from irflow.backend import Backend, CompileOptions
from irflow.compiler import Lowered
from irflow.errors import IrflowError
from irflow.ir.evaluate import bind_sizes, evaluate, run_node, step_limit
from irflow.ir.graph import Graph, Node, Value
from irflow.location import Location
from irflow.lowering.lower import lower_graph
from irflow.records import dataclass
from irflow.transform.manager import Report
from irflow.transform.pass_ import describe
from irflow.transform.verify import (
    DRAWS,
    MOST_STEPS,
    choose_sizes,
    draw_inputs,
    to_f64,
    wrong_elements,
)

Facts = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class NodeDifference:
    """A node that a backend computes differently.

    Attributes:
        op: the node as text.
        location: the user's line.
        facts: where its results differ, as rows for a message.
        inner: the operation of a fused region that differs by itself too, if there is one.
    """

    op: str
    location: Location | None
    facts: Facts
    inner: NodeDifference | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """A backend compared with the reference evaluator.

    Attributes:
        whole: where the results of the whole graph differ, or None.
        first: the first node whose own results differ, or None.
        nodes: how many nodes the graph has.
        report: what the passes did.
    """

    whole: Facts | None
    first: NodeDifference | None
    nodes: int
    report: Report

    @property
    def is_equal(self) -> bool:
        return self.whole is None and self.first is None


def compare(traced: Graph, lowered: Lowered) -> Comparison:
    """Compare what a backend makes of a graph after the passes with what the traced graph means.

    Args:
        traced: the graph before the passes; inputs are drawn at random, symbolic sizes are small.
        lowered: the graph after them, and its backend.

    Raises:
        IrflowError: the reference evaluator cannot run the graph, or the backend not compile it.
    """
    sizes = choose_sizes(traced)
    draws = [draw_inputs(traced, sizes, draw) for draw in range(DRAWS)]
    executable = lowered.compile()
    whole = None
    for inputs in draws:
        results = executable([array.copy() for array in inputs])
        whole = whole or difference(traced, inputs, results)
    checker = _Checker(lowered.backend, lowered.options)
    first = None
    for inputs in draws:
        first = first or checker.first(lowered.graph, inputs)
    return Comparison(whole, first, len(lowered.graph), lowered.report)


def difference(
    graph: Graph, inputs: Sequence[np.ndarray], results: Sequence[np.ndarray]
) -> Facts | None:
    """Where `results` are too far from what `graph` means, or None.

    They may be as far from an evaluation in f64 as those of the reference evaluator are, times a
    small factor, plus a few units in the last place; integers and bools must agree.
    """
    # Random inputs leave the domain of a logarithm, and may keep a loop from ending.
    with np.errstate(all="ignore"), step_limit(MOST_STEPS):
        expected = evaluate(graph, inputs)
        exact = evaluate(to_f64(graph), [_widen(array) for array in inputs])
    epsilon = _epsilon(graph)
    if len(results) != len(expected):
        return (("results", f"{len(results)} instead of {len(expected)}"),)
    for number, (before, wide, after) in enumerate(zip(expected, exact, results, strict=True)):
        if before.shape != after.shape or before.dtype != after.dtype:
            found = f"{after.dtype}{after.shape} instead of {before.dtype}{before.shape}"
            return ((f"result {number}", found),)
        wrong = wrong_elements(before, wide, after, epsilon)
        if wrong.any():
            index = tuple(int(i) for i in np.argwhere(wrong)[0])
            return (
                (f"result {number}", f"{wrong.sum()} of {wrong.size} elements, first at {index}"),
                ("backend", str(after[index])),
                ("reference", str(before[index])),
                ("in f64", str(wide[index])),
            )
    return None


@dataclass(frozen=True, slots=True)
class _Checker:
    """Runs nodes one by one on a backend."""

    backend: Backend
    options: CompileOptions

    def first(self, graph: Graph, inputs: Sequence[np.ndarray]) -> NodeDifference | None:
        """The first node of `graph` that the backend computes differently."""
        sizes = bind_sizes(graph, inputs)
        values: dict[Value, np.ndarray] = dict(zip(graph.inputs, inputs, strict=True))
        for node in graph:
            operands = [values[value] for value in node.inputs]
            with np.errstate(all="ignore"):
                values.update(zip(node.outputs, run_node(node, operands, sizes), strict=True))
            found = None if node.op.name == "constant" else self.node(node, operands, sizes)
            if found is not None:
                return found
        return None

    def node(
        self, node: Node, operands: Sequence[np.ndarray], sizes: dict[str, int]
    ) -> NodeDifference | None:
        alone = alone_graph(node, sizes)
        inputs = [
            array
            for value, array in dict(zip(node.inputs, operands, strict=True)).items()
            if not _is_constant(value)
        ]
        facts = self.run(alone, inputs)
        if facts is None:
            return None
        inner = self.inside(node, operands) if node.op.name == "fusion" else None
        return NodeDifference(describe(node), node.location, facts, inner)

    def inside(self, node: Node, operands: Sequence[np.ndarray]) -> NodeDifference | None:
        (region,) = node.regions
        return self.first(region, operands)

    def run(self, graph: Graph, inputs: Sequence[np.ndarray]) -> Facts | None:
        """What is different when the backend runs `graph`."""
        is_program = self.backend.level == "program"
        work = lower_graph(graph, graph.name, self.backend.target()) if is_program else graph
        try:
            executable = self.backend.compile(work, self.options)
            results = executable([array.copy() for array in inputs])
        except IrflowError as error:
            return (("failure", error.summary),)
        return difference(graph, inputs, results)


def alone_graph(node: Node, sizes: dict[str, int]) -> Graph:
    """A graph of one node, with numbers for the sizes that its operands do not give.

    Operands that are constants stay constants.
    """
    graph = Graph(node.op.name)
    shapes = (value.type.shape for value in node.inputs if not _is_constant(value))
    given = {str(size) for shape in shapes for size in shape}
    fixed = {name: size for name, size in sizes.items() if name not in given}
    mapping: dict[Value, Value] = {}
    for value in dict.fromkeys(node.inputs):
        if _is_constant(value) and value.node is not None:
            made = graph.insert(Node(value.node.op, (), (), value.node.location))
            mapping[value] = made.output
        else:
            mapping[value] = graph.add_input(value.type.substitute(fixed), value.hint)
    regions = tuple(region.copy(fixed) for region in node.regions)
    inputs = tuple(mapping[value] for value in node.inputs)
    made = graph.insert(Node(node.op.substitute(fixed), inputs, regions, node.location))
    graph.set_outputs(made.outputs)
    return graph


def _is_constant(value: Value) -> bool:
    return value.node is not None and value.node.op.name == "constant"


def _widen(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float64) if dtypes.from_numpy(array.dtype).is_float else array


def _epsilon(graph: Graph) -> float:
    """That of the coarsest float in the graph, regions included."""
    parts = list(every_graph(graph))
    found = [type for part in parts for type in part.input_types]
    found += [output.type for part in parts for node in part for output in node.outputs]
    return max((type.dtype.epsilon for type in found), default=0.0)
