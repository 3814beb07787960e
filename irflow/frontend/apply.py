"""Using a traced function: inline it into the current trace, call it as a named region, or evaluate it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from irflow import ops
from irflow.frontend.tensor import Tensor, apply
from irflow.frontend.tracing import Trace, TracedFunction, current_trace
from irflow.frontend.variable import Variable
from irflow.ir.evaluate import evaluate
from irflow.ir.graph import Graph


def operands_of(traced: TracedFunction, arguments: Sequence[Tensor]) -> list[Tensor]:
    """The argument leaves followed by the current values of what the function captured."""
    captured = [c.value if isinstance(c, Variable) else c for c in traced.captures]
    return [*arguments, *captured]


def run_graph(graph: Graph, operands: Sequence[Tensor]) -> list[Tensor]:
    """The outputs of `graph` on tensors: inlined into the current trace, or evaluated at once."""
    trace = current_trace()
    if trace is None:
        return [Tensor(array) for array in evaluate(graph, [operand.data for operand in operands])]
    return _inline(trace, graph, operands)


def _inline(trace: Trace, graph: Graph, operands: Sequence[Tensor]) -> list[Tensor]:
    values = trace.builder.inline(graph, [trace.lift(operand) for operand in operands])
    return [trace.tensor(value) for value in values]


def finish(traced: TracedFunction, outputs: Sequence[Tensor]) -> Any:
    """Assign the updates among `outputs` and rebuild the result from the rest."""
    count = traced.result_count
    ends = outputs[count : count + len(traced.updates)]
    for variable, tensor in zip(traced.updates, ends, strict=True):
        variable.assign(tensor)
    return traced.structure.unflatten(list(outputs[:count]))


def apply_traced(traced: TracedFunction, arguments: Sequence[Tensor]) -> Any:
    """The result of a traced function on arguments."""
    return finish(traced, run_graph(traced.graph, operands_of(traced, arguments)))


def call_traced(traced: TracedFunction, arguments: Sequence[Tensor], name: str) -> Any:
    """The same as a `call` node, which keeps the function's body together and its name visible."""
    return finish(traced, apply(ops.Call(name), operands_of(traced, arguments), (traced.graph,)))
