"""Forward mode: every active node is followed at once by the nodes of its tangent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from irflow.autodiff.tape import is_inlined, require_float
from irflow.errors import IrflowError
from irflow.ir.builder import Builder
from irflow.ir.graph import Graph, Node, Value
from irflow.ops.operand import Handle


@dataclass(frozen=True, slots=True)
class Context:
    """What an op's `push_forward` may ask of the differentiation.

    An op with regions has that method in the place of `jvp`: it emits the op anew, so that its
    regions return tangents too.
    """

    regions: tuple[Graph, ...]

    def push_forward(self, region: Graph, wanted: Sequence[int]) -> Graph:
        """A region with tangents; see `jvp_graph`."""
        return jvp_graph(region, wanted)


def jvp_graph(graph: Graph, wrt: Sequence[int]) -> Graph:
    """The graph `inputs + tangents of inputs wrt -> outputs + tangents of float outputs`.

    Raises:
        GradientError: an input in `wrt` is not of float type, or an op has no forward derivative.
    """
    result = Graph(f"{graph.name}_jvp")
    pairs = zip(graph.inputs, graph.signature.inputs, strict=True)
    inputs = [result.add_input(value.type, value.hint, role) for value, role in pairs]
    builder = Builder(result)
    tangents: dict[Value, Handle] = {}
    for i in wrt:
        require_float(inputs[i])
        tangents[inputs[i]] = Handle(
            builder, result.add_input(inputs[i].type, f"t_{inputs[i].hint}")
        )
    outputs = _push_forward(builder, graph, inputs, tangents)
    ends = [
        (tangents.get(value) or Handle(builder, value).full(0.0, value.type.shape)).value
        for value in outputs
        if value.type.dtype.is_inexact
    ]
    result.set_outputs([*outputs, *ends])
    return result


def _push_forward(
    builder: Builder, graph: Graph, inputs: Sequence[Value], tangents: dict[Value, Handle]
) -> list[Value]:
    mapping = dict(zip(graph.inputs, inputs, strict=True))
    for node in graph:
        operands = [mapping[value] for value in node.inputs]
        builder.location = node.location
        if is_inlined(node.op):
            outputs = _push_forward(builder, node.regions[0], operands, tangents)
        else:
            outputs = _step(builder, node, operands, tangents)
        mapping.update(zip(node.outputs, outputs, strict=True))
    builder.location = None
    return [mapping[value] for value in graph.outputs]


def _step(
    builder: Builder, node: Node, operands: list[Value], tangents: dict[Value, Handle]
) -> list[Value]:
    given = [tangents.get(value) for value in operands]
    is_active = any(t is not None for t in given)
    handles = [Handle(builder, value) for value in operands]
    push = getattr(node.op, "push_forward", None)
    try:
        if is_active and push is not None:
            results, changes = push(Context(node.regions), handles, given)
            outputs = [handle.value for handle in results]
        else:
            copies = tuple(region.copy() for region in node.regions)
            outputs = list(builder.emit(node.op, operands, copies))
            if not is_active:
                return outputs
            results = [Handle(builder, value) for value in outputs]
            changes = node.op.jvp(None, handles, results, given)
    except IrflowError as error:
        raise error.at(node.location) from None
    for value, tangent in zip(outputs, changes, strict=True):
        if tangent is not None and value.type.dtype.is_inexact:
            tangents[value] = tangent
    return outputs
