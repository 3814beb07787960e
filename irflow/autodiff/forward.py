"""Forward mode: every active node is followed at once by the nodes of its tangent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field

from irflow.autodiff.tape import distinct, is_inlined, require_float, require_real
from irflow.errors import IrflowError
from irflow.ir.builder import Builder
from irflow.ir.graph import Graph, Node, Value
from irflow.ops.operand import Handle
from irflow.records import dataclass


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


def jvp_graph(graph: Graph, wrt: Sequence[int], *, is_apart: bool = False) -> Graph:
    """The graph `inputs + tangents of inputs wrt -> outputs + tangents of float outputs`.

    Args:
        graph: any graph; it is not changed.
        wrt: positions of float inputs.
        is_apart: whether the outputs may not depend on tangents, so that `split_joint` can cut the
            result: a loop whose carry has tangents stands in it twice, with them and without.

    Raises:
        GradientError: an input in `wrt` is not of float type, or an op has no forward derivative.
    """
    result = Graph(f"{graph.name}_jvp")
    pairs = zip(graph.inputs, graph.signature.inputs, strict=True)
    inputs = [result.add_input(value.type, value.hint, role) for value, role in pairs]
    walk = _Walk(Builder(result), is_apart)
    for i in wrt:
        require_float(inputs[i])
        walk.tangents[inputs[i]] = Handle(
            walk.builder, result.add_input(inputs[i].type, f"t_{inputs[i].hint}")
        )
    outputs = walk.follow(graph, inputs)
    result.set_outputs([*outputs, *(walk.tangent(v) for v in outputs if v.type.dtype.is_inexact)])
    return result


@dataclass(slots=True)
class _Walk:
    """The nodes of a graph as they are emitted anew, with the tangents so far."""

    builder: Builder
    is_apart: bool
    tangents: dict[Value, Handle] = field(default_factory=dict)

    def tangent(self, value: Value) -> Value:
        """The tangent of a value, zeros where it has none."""
        return (
            self.tangents.get(value) or Handle(self.builder, value).full(0.0, value.type.shape)
        ).value

    def follow(self, graph: Graph, inputs: Sequence[Value]) -> list[Value]:
        mapping = dict(zip(graph.inputs, inputs, strict=True))
        for node in graph:
            operands = [mapping[value] for value in node.inputs]
            self.builder.location = node.location
            if is_inlined(node.op):
                outputs = self.follow(node.regions[0], operands)
            else:
                outputs = self._step(node, operands)
            mapping.update(zip(node.outputs, outputs, strict=True))
        self.builder.location = None
        return [mapping[value] for value in graph.outputs]

    def _step(self, node: Node, operands: list[Value]) -> list[Value]:
        given = [self.tangents.get(value) for value in operands]
        if all(t is None for t in given):
            return self._emit(node, operands)
        handles = [Handle(self.builder, value) for value in operands]
        push = getattr(node.op, "push_forward", None)
        try:
            if push is not None:
                results, changes = push(Context(node.regions), handles, given)
                is_mixed = _is_mixed(results, given)
                outputs = [handle.value for handle in distinct(results, handles)]
                if self.is_apart and is_mixed:
                    outputs = self._emit(node, operands)
            else:
                outputs = self._emit(node, operands)
                results = [Handle(self.builder, value) for value in outputs]
                require_real(node.op, [*handles, *results])
                changes = node.op.jvp(None, handles, results, given)
        except IrflowError as error:
            raise error.at(node.location) from None
        for value, tangent in zip(outputs, changes, strict=True):
            if tangent is not None and value.type.dtype.is_inexact:
                self.tangents[value] = tangent
        return outputs

    def _emit(self, node: Node, operands: list[Value]) -> list[Value]:
        copies = tuple(region.copy() for region in node.regions)
        return list(self.builder.emit(node.op, operands, copies))


def _is_mixed(outputs: Sequence[Handle], given: Sequence[Handle | None]) -> bool:
    """Whether one node makes outputs and tangents."""
    moves = {handle.value for handle in given if handle is not None}
    nodes = [handle.value.node for handle in outputs]
    return any(node is not None and moves & set(node.inputs) for node in nodes)
