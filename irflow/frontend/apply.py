"""Tracing a Python function, and using the graph: inline, as a named call, or evaluated at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from irflow import ops, tree
from irflow.errors import TreeError
from irflow.frontend import eager
from irflow.frontend.tensor import Tensor, apply, as_tensor
from irflow.frontend.tracing import Argument, Trace, TracedFunction, current_trace, tracing
from irflow.frontend.variable import Variable
from irflow.ir import OutputRole
from irflow.ir.graph import Graph


def trace_function(
    function: Callable[[list[Tensor]], Any],
    arguments: Sequence[Argument],
    name: str,
    *,
    is_compiled: bool = False,
    kind: type[Trace] = Trace,
) -> TracedFunction:
    """Trace `function`, which takes the list of its argument leaves as tensors.

    Args:
        function: what to trace.
        arguments: one description a leaf.
        name: of the graph, and for messages.
        is_compiled: whether the graph outlives the call, so that no branch may depend on data.
        kind: the class of the trace, which has a hint for such a branch.

    Raises:
        TreeError: a result is not a tensor, an array or a number.
    """
    with tracing(name, is_compiled=is_compiled, kind=kind) as trace:
        inputs = [
            Tensor.traced(trace, trace.add_input(a.type, a.hint, a.source), weak=a.weak)
            for a in arguments
        ]
        leaves, structure = tree.flatten(function(inputs))
        paths = structure.paths("result")
        tensors = [_result(name, *row) for row in zip(leaves, paths, strict=True)]
        results = [trace.lift(tensor) for tensor in tensors]
        roles = [OutputRole("result", path.removeprefix("result")) for path in paths]
        updates = list(trace.assigned)
        roles += [OutputRole("update", trace.role_name(variable)) for variable in updates]
        trace.graph.set_outputs([*results, *trace.assigned.values()], roles)
    weak = tuple(tensor.is_weak for tensor in tensors)
    return TracedFunction(trace.graph, structure, weak, trace.captures, updates)


def _result(name: str, leaf: Any, path: str) -> Tensor:
    try:
        return as_tensor(leaf)
    except (TypeError, ValueError):
        raise TreeError(
            f"{name} returns something that is not a tensor",
            facts=[(path, type(leaf).__name__)],
            hint="return tensors, arrays, numbers and None, in tuples, lists, dicts or dataclasses",
        ) from None


def operands_of(traced: TracedFunction, arguments: Sequence[Tensor]) -> list[Tensor]:
    """The argument leaves followed by the current values of what the function captured."""
    captured = [c.value if isinstance(c, Variable) else c for c in traced.captures]
    return [*arguments, *captured]


def run_graph(graph: Graph, operands: Sequence[Tensor]) -> list[Tensor]:
    """The outputs of `graph` on tensors: inlined into the current trace, or evaluated at once."""
    trace = current_trace()
    if trace is None:
        arrays = eager.run_graph(graph, [operand.data for operand in operands])
        return [Tensor(array) for array in arrays]
    values = trace.builder.inline(graph, [trace.lift(operand) for operand in operands])
    return [Tensor.traced(trace, value) for value in values]


def finish(traced: TracedFunction, outputs: Sequence[Tensor]) -> Any:
    """Assign the updates among `outputs` and rebuild the result from the rest."""
    count = traced.result_count
    ends = outputs[count : count + len(traced.updates)]
    for variable, tensor in zip(traced.updates, ends, strict=True):
        variable.assign(tensor)
    return traced.structure.unflatten(list(outputs[:count]))


def call_traced(traced: TracedFunction, arguments: Sequence[Tensor], name: str) -> Any:
    """The result as a `call` node, which keeps the body together and the name visible."""
    outputs = list(apply(ops.Call(name), operands_of(traced, arguments), (traced.graph,)))
    for position, weak in enumerate(traced.weak):
        outputs[position] = outputs[position].weakened() if weak else outputs[position]
    return finish(traced, outputs)
