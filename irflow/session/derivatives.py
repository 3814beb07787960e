"""`gradients`: the way back from tensors of a graph, as further nodes of the same graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from irflow import ops, tree
from irflow.autodiff import Tape
from irflow.autodiff.tape import Step, is_inlined, require_float
from irflow.errors import GradientError
from irflow.frontend.boundary import public
from irflow.frontend.tensor import Tensor
from irflow.frontend.variable import Variable
from irflow.ir.builder import Builder
from irflow.ir.graph import Graph as IrGraph
from irflow.ir.graph import Node, Value
from irflow.ops.operand import Handle
from irflow.session.graph import Graph
from irflow.tree import Tree


@public
def gradients(ys: Tree, xs: Tree) -> Any:
    """The gradients of the sum of all elements of `ys`, as tensors of the same graph.

    They can be differentiated again. Where a tensor between is fed in a run, they are the ones at
    the value fed.

    Args:
        ys: a symbolic tensor, or several in any nesting; of float type.
        xs: placeholders, variables or any other tensors, in any nesting; of float type.

    Returns:
        One tensor an `x`, of its type, in the structure of `xs`; None where `ys` does not depend
        on it.

    Raises:
        GradientError: a type is not float, or an op between has no gradient.
        UsageError: the tensors belong to different graphs.
    """
    targets = tree.flatten(ys)[0]
    leaves, structure = tree.flatten(xs)
    graph = graph_of(targets)
    ends = [graph.require(y, "gradients") for y in targets]
    starts = [_value(graph, x) for x in leaves]
    found = pull_back(graph.graph, ends, starts)
    return structure.unflatten(
        [None if value is None else Tensor.traced(graph, value) for value in found]
    )


def graph_of(tensors: Sequence[Any]) -> Graph:
    """The graph that symbolic tensors belong to.

    Raises:
        GradientError: the first is no tensor of a `Graph`.
    """
    trace = tensors[0].trace if tensors and isinstance(tensors[0], Tensor) else None
    if not isinstance(trace, Graph) or not all(isinstance(t, Tensor) for t in tensors):
        given = ", ".join(repr(tensor) for tensor in tensors) or "nothing"
        raise GradientError(
            "only symbolic tensors of an explicit graph have gradients in it",
            facts=[("given", given)],
            hint="irf.grad differentiates functions",
        )
    return trace


def _value(graph: Graph, x: Any) -> Value:
    """The value of something to differentiate by."""
    if not isinstance(x, (Tensor, Variable)):
        raise GradientError(
            "gradients are by symbolic tensors and variables",
            facts=[("given", type(x).__name__)],
        )
    value = graph.read(x) if isinstance(x, Variable) else graph.require(x, "gradients")
    require_float(value)
    return value


def pull_back(graph: IrGraph, ends: Sequence[Value], starts: Sequence[Value]) -> list[Value | None]:
    """The gradient of the sum of `ends` by each of `starts`, None for zero; all are values of
    `graph`, and the nodes of the gradients stand at its end.
    """
    tape = Tape(Builder(graph), active=set(starts))
    for node in _ancestors(graph, ends):
        if any(value in tape.active for value in node.inputs):
            _record(tape, node)
    cotangents: dict[Value, Handle] = {}
    for end in ends:
        require_float(end)
        if end in tape.active:
            handle = Handle(tape.builder, end)
            seed = handle.full(1.0, end.type.shape)
            cotangents[end] = cotangents[end] + seed if end in cotangents else seed
    tape.pull_back(cotangents)
    return [cotangents[start].value if start in cotangents else None for start in starts]


def _ancestors(graph: IrGraph, values: Sequence[Value]) -> list[Node]:
    """The nodes that some values depend on, in order."""
    wanted, nodes = set(values), []
    for node in reversed(graph):
        if any(output in wanted for output in node.outputs):
            nodes.append(node)
            wanted.update(node.inputs)
    return nodes[::-1]


def _record(tape: Tape, node: Node) -> None:
    """Enter a node of the graph on the tape, as it stands: whoever feeds its results feeds the
    gradients as well.
    """
    inputs = [Handle(tape.builder, value) for value in node.inputs]
    outputs = [Handle(tape.builder, value) for value in node.outputs]
    if is_inlined(node.op) or hasattr(node.op, "forward"):
        _record_again(tape, node, outputs)
    else:
        tape.steps.append(Step(node.op, inputs, outputs, node.location, node.regions))
    tape.active.update(value for value in node.outputs if value.type.dtype.is_inexact)


def _record_again(tape: Tape, node: Node, outputs: Sequence[Handle]) -> None:
    """Record a node that is differentiated in another form than it stands in.

    The tape emits that form; what is differentiated is then joined with the old results by a step
    that hands cotangents on, which conversion to the same type does.
    """
    single = IrGraph(node.op.name)
    copies = tuple(region.copy() for region in node.regions)
    operands = [single.add_input(value.type, value.hint) for value in node.inputs]
    single.set_outputs(Builder(single, location=node.location).emit(node.op, operands, copies))
    again = tape.record(single, list(node.inputs))
    for value, output in zip(again, outputs, strict=True):
        if value in tape.active:
            same = ops.Convert(value.type.dtype)
            tape.steps.append(Step(same, [Handle(tape.builder, value)], [output], node.location))
