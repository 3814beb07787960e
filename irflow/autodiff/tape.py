"""Reverse mode: copy the forward nodes while recording them, then walk the record backwards.

Everything happens on graphs. The forward nodes, the gradients and whatever is computed from them
end up in one graph, so passes see the whole training step. Only *active* values take part: those
that depend on an input to be differentiated through floating-point values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Any

from irflow.errors import CheckError, GradientError, IrflowError
from irflow.ir.builder import Builder
from irflow.ir.graph import Graph, Node, Value
from irflow.ir.op import Op
from irflow.ir.signature import OutputRole
from irflow.location import Location
from irflow.ops.broadcast import Reshape
from irflow.ops.operand import Handle
from irflow.records import dataclass


@dataclass(slots=True)
class Step:
    """One recorded forward node."""

    op: Op
    inputs: list[Handle]
    outputs: list[Handle]
    location: Location | None
    regions: tuple[Graph, ...] = ()
    residuals: Any = None


@dataclass(slots=True)
class Tape:
    """The forward nodes of a graph as they were emitted, and the way back through them."""

    builder: Builder
    steps: list[Step] = field(default_factory=list)
    active: set[Value] = field(default_factory=set)

    def record(self, graph: Graph, inputs: Sequence[Value]) -> list[Value]:
        """Emit the nodes of `graph` on `inputs`, recording the active ones; its outputs."""
        mapping = dict(zip(graph.inputs, inputs, strict=True))
        for node in graph:
            operands = [mapping[value] for value in node.inputs]
            self.builder.location = node.location
            for old, new in zip(node.outputs, self._emit(node, operands), strict=True):
                new.hint = new.hint or old.hint
                mapping[old] = new
        return [mapping[value] for value in graph.outputs]

    def _emit(self, node: Node, operands: list[Value]) -> Sequence[Value]:
        if not any(value in self.active for value in operands):
            copies = tuple(region.copy() for region in node.regions)
            return self.builder.emit(node.op, operands, copies)
        if is_inlined(node.op):
            return self.record(node.regions[0], operands)
        inputs = [Handle(self.builder, value) for value in operands]
        step = Step(node.op, inputs, [], node.location, node.regions)
        step.outputs = self._forward(step)
        self.steps.append(step)
        outputs = [handle.value for handle in step.outputs]
        self.active.update(value for value in outputs if value.type.dtype.is_inexact)
        return outputs

    def _forward(self, step: Step) -> list[Handle]:
        forward = getattr(step.op, "forward", None)
        if forward is None:
            copies = tuple(region.copy() for region in step.regions)
            return list(step.inputs[0].emit(step.op, step.inputs, copies))
        outputs, step.residuals = forward(Context(self, step), step.inputs, step.regions)
        return distinct(outputs, step.inputs)

    def pull_back(self, cotangents: dict[Value, Handle]) -> dict[Value, Handle]:
        """Propagate cotangents of recorded values back to the inputs; the argument is updated."""
        for step in reversed(self.steps):
            given = [cotangents.get(output.value) for output in step.outputs]
            if all(g is None for g in given):
                continue
            self.builder.location = step.location
            for operand, g in zip(step.inputs, self._vjp(step, given), strict=True):
                if g is not None and operand.value in self.active:
                    _accumulate(cotangents, operand, g, step.op)
        self.builder.location = None
        return cotangents

    def _vjp(self, step: Step, given: list[Handle | None]) -> Sequence[Handle | None]:
        try:
            require_real(step.op, [*step.inputs, *step.outputs])
            return step.op.vjp(Context(self, step), step.inputs, step.outputs, given)
        except IrflowError as error:
            raise error.at(step.location) from None


@dataclass(frozen=True, slots=True)
class Context:
    """What an op's `forward` and `vjp` may ask of the differentiation."""

    tape: Tape
    step: Step

    @property
    def residuals(self) -> Any:
        """What the op's `forward` kept."""
        return self.step.residuals

    @property
    def regions(self) -> tuple[Graph, ...]:
        return self.step.regions

    def needs(self, position: int) -> bool:
        """Whether the cotangent of that input is wanted."""
        return self.step.inputs[position].value in self.tape.active

    def inline(self, region: Graph, inputs: Sequence[Handle]) -> list[Handle]:
        """Emit the nodes of a region on handles, without recording them."""
        builder = self.tape.builder
        return [
            Handle(builder, value) for value in builder.inline(region, [h.value for h in inputs])
        ]

    def differentiate(self, region: Graph, wanted: Sequence[int]) -> tuple[Graph, Graph]:
        """A region as a forward and a backward graph; see `split_joint`."""
        return split_joint(vjp_graph(region, wanted), len(region.inputs), len(region.outputs))


def distinct(outputs: Sequence[Handle], inputs: Sequence[Handle]) -> list[Handle]:
    """Results as values of their own, where one is an operand or stands there twice.

    Derivatives are kept by value, and an operand has another one than a result that equals it.
    """
    known = {handle.value for handle in inputs}
    found = []
    for handle in outputs:
        if handle.value in known:
            (handle,) = handle.emit(Reshape(handle.shape), [handle])
        known.add(handle.value)
        found.append(handle)
    return found


def is_inlined(op: Op) -> bool:
    """Whether differentiation looks through the op's only region, as through a call."""
    return op.name in ("call", "fusion")


def _accumulate(cotangents: dict[Value, Handle], operand: Handle, g: Handle, op: Op) -> None:
    if g.type != operand.type:
        raise CheckError(
            f"the gradient of {op.name} has another type than its operand",
            facts=[("operand", operand.type), ("gradient", g.type)],
            hint="a bug in the op's vjp",
        )
    before = cotangents.get(operand.value)
    cotangents[operand.value] = g if before is None else before + g


def differentiable_outputs(graph: Graph) -> list[int]:
    """Positions of the outputs that have cotangents: those of floating-point type."""
    return [i for i, value in enumerate(graph.outputs) if value.type.dtype.is_inexact]


def vjp_graph(graph: Graph, wrt: Sequence[int]) -> Graph:
    """The graph `inputs + cotangents of float outputs -> outputs + cotangents of inputs wrt`.

    Args:
        graph: any graph; it is not changed.
        wrt: positions of float inputs.

    Raises:
        GradientError: an input in `wrt` is not of float type.
    """
    tape, inputs = _start(graph, f"{graph.name}_vjp", wrt)
    outputs = tape.record(graph, inputs)
    cotangents: dict[Value, Handle] = {}
    for i in differentiable_outputs(graph):
        seed = Handle(tape.builder, tape.builder.graph.add_input(outputs[i].type, f"ct{i}"))
        if outputs[i] in tape.active:
            before = cotangents.get(outputs[i])
            cotangents[outputs[i]] = seed if before is None else before + seed
    return _finish(tape, graph, outputs, cotangents, [inputs[i] for i in wrt])


def gradient_graph(graph: Graph, wrt: Sequence[int], output: int = 0) -> Graph:
    """The graph `inputs -> outputs + gradients of one scalar output by inputs wrt`.

    Raises:
        GradientError: that output is not a float scalar, or an input in `wrt` is not of float type.
    """
    loss = graph.outputs[output]
    if loss.type.shape != () or not loss.type.dtype.is_float:
        raise GradientError(
            f"gradient of a result of type {loss.type}",
            facts=[("wanted", "a float scalar")],
            hint=_loss_hint(loss),
            location=loss.node.location if loss.node else None,
        )
    tape, inputs = _start(graph, f"{graph.name}_grad", wrt)
    outputs = tape.record(graph, inputs)
    cotangents: dict[Value, Handle] = {}
    if outputs[output] in tape.active:
        cotangents[outputs[output]] = Handle(tape.builder, outputs[output]).full(1.0, ())
    return _finish(tape, graph, outputs, cotangents, [inputs[i] for i in wrt])


def _loss_hint(loss: Value) -> str | None:
    if loss.type.shape:
        return "reduce it to one number first, for example with .mean()"
    return None


def require_float(value: Value) -> None:
    """GradientError unless a derivative with respect to an input exists."""
    dtype = value.type.dtype
    if dtype.is_float:
        return
    hint = "only float inputs have derivatives"
    if dtype.kind == "complex":
        hint = "there are no derivatives by complex inputs; use the real and imaginary parts"
    raise GradientError(
        f"derivative with respect to {value.hint or 'an input'} of type {value.type}", hint=hint
    )


def require_real(op: Op, handles: Sequence[Handle]) -> None:
    """GradientError where a derivative would pass through complex numbers."""
    types = [handle.type for handle in handles]
    if any(type.dtype.kind == "complex" for type in types):
        raise GradientError(
            f"{op.name}: there are no derivatives through complex numbers",
            facts=[(f"value {i}", type) for i, type in enumerate(types)],
            hint="irf.stop_gradient marks a real result that needs none",
        )


def _start(graph: Graph, name: str, wrt: Sequence[int]) -> tuple[Tape, list[Value]]:
    """A new graph with the inputs of `graph`, and a tape on which those in `wrt` are active."""
    for i in wrt:
        require_float(graph.inputs[i])
    result = Graph(name)
    pairs = zip(graph.inputs, graph.signature.inputs, strict=True)
    inputs = [result.add_input(value.type, value.hint, role) for value, role in pairs]
    return Tape(Builder(result), active={inputs[i] for i in wrt}), inputs


def _finish(
    tape: Tape,
    graph: Graph,
    outputs: list[Value],
    cotangents: dict[Value, Handle],
    wrt: list[Value],
) -> Graph:
    tape.pull_back(cotangents)
    result = tape.builder.graph
    gradients = [
        cotangents.get(value) or Handle(tape.builder, value).full(0.0, value.type.shape)
        for value in wrt
    ]
    roles = [*graph.signature.outputs, *(OutputRole("gradient", value.hint) for value in wrt)]
    result.set_outputs([*outputs, *(gradient.value for gradient in gradients)], roles)
    return result


def split_joint(joint: Graph, input_count: int, output_count: int) -> tuple[Graph, Graph]:
    """Cut a `vjp_graph` at the values that the backward part reads.

    What depends on no input, such as a constant, is no such value: either part makes its own.

    Args:
        joint: `inputs + cotangents -> outputs + gradients`.
        input_count: how many of what it takes are inputs.
        output_count: how many of what it returns are outputs.

    Returns:
        `forward`: `inputs -> outputs + residuals`; `backward`: `residuals + cotangents ->
        gradients`.
    """
    cotangents, gradients = joint.inputs[input_count:], joint.outputs[output_count:]
    late = _dependent(joint, cotangents)
    early = _dependent(joint, joint.inputs[:input_count]) - late
    read = [value for node in joint if node.outputs[0] in late for value in node.inputs]
    residuals = [value for value in dict.fromkeys([*read, *gradients]) if value in early]
    outputs = [*joint.outputs[:output_count], *residuals]
    forward = _extract(joint, f"{joint.name}_forward", joint.inputs[:input_count], outputs)
    backward = _extract(joint, f"{joint.name}_backward", [*residuals, *cotangents], gradients)
    return forward, backward


def _dependent(graph: Graph, values: Sequence[Value]) -> set[Value]:
    """All values that depend on some."""
    found = set(values)
    for node in graph:
        if any(value in found for value in node.inputs):
            found.update(node.outputs)
    return found


def _extract(graph: Graph, name: str, inputs: Sequence[Value], outputs: Sequence[Value]) -> Graph:
    """The part of a graph that computes `outputs` from `inputs`, as a graph of its own."""
    part = Graph(name)
    mapping = {value: part.add_input(value.type, value.hint) for value in inputs}
    builder = Builder(part)
    for node in _needed(graph, inputs, outputs):
        builder.location = node.location
        copies = tuple(region.copy() for region in node.regions)
        results = builder.emit(node.op, [mapping[value] for value in node.inputs], copies)
        for old, new in zip(node.outputs, results, strict=True):
            mapping.setdefault(old, new)  # an input stays one beside a result that is computed
    part.set_outputs([mapping[value] for value in outputs])
    return part


def _needed(graph: Graph, inputs: Sequence[Value], outputs: Sequence[Value]) -> list[Node]:
    """The nodes between some values and others, in order."""
    known, wanted = set(inputs), set(outputs)
    nodes = []
    for node in reversed(graph):
        if any(output in wanted and output not in known for output in node.outputs):
            nodes.append(node)
            wanted.update(node.inputs)
    return nodes[::-1]
