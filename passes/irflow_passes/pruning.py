"""Branches and loops without the results that nobody reads; part of `dce`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from irflow.ir.graph import Graph, Node, Value
from irflow.ops import Checkpoint, Scan, Switch, While
from irflow.ops.region_parts import size_givers
from irflow.records import dataclass


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the operands of a node, the inputs of its regions and its results belong together.

    Attributes:
        lead: so many operands go into no region.
        constants: so many inputs of the regions come before the carries.
        carries: so many results of the body go into the inputs after the constants.
        tests: so many regions in front are conditions.
    """

    lead: int = 0
    constants: int = 0
    carries: int = 0
    tests: int = 0

    def results_of(self, inputs: Iterable[int]) -> set[int]:
        """The carried results that belong to inputs."""
        carried = range(self.constants, self.constants + self.carries)
        return {i - self.constants for i in inputs if i in carried}

    def inputs_of(self, results: Iterable[int]) -> set[int]:
        """The inputs that belong to carried results."""
        return {self.constants + i for i in results if i < self.carries}


def prune(graph: Graph, node: Node) -> Node | None:
    """The node that took the place of `node`, with fewer results or operands; None if all stay.

    Before: a `switch`, `checkpoint`, `while` or `scan` with a result that nobody reads, or an
        operand that no region reads. A carry is read where it leads to a result that is read, or
        to the end of the loop.
    After: they are gone, from the regions too; an operand that alone gives a size stays.
    Keeps: the results bit by bit, and the number of steps.
    """
    layout = _layout(node)
    if layout is None:
        return None
    used = {i for i, output in enumerate(node.outputs) if output.uses}
    results, inputs = _needed(node, layout, used)
    if len(results) == len(node.outputs) and layout.lead + len(inputs) == len(node.inputs):
        return None
    for number, region in enumerate(node.regions):
        if number >= layout.tests:
            region.set_outputs([region.outputs[i] for i in results])
        _drop_inputs(region, inputs)
    op = node.op
    if isinstance(op, (While, Scan)):
        op = replace(op, constants=sum(i < layout.constants for i in inputs))
    if isinstance(op, Scan):
        op = replace(op, carries=sum(i < layout.carries for i in results))
    operands = (*node.inputs[: layout.lead], *(node.inputs[layout.lead + i] for i in inputs))
    made = graph.insert(Node(op, operands, node.regions, node.location), node)
    for position, new in zip(results, made.outputs, strict=True):
        graph.replace_uses(node.outputs[position], new)
    graph.erase(node)
    return made


def _layout(node: Node) -> _Layout | None:
    match node.op:
        case Switch():
            return _Layout(lead=1)
        case Checkpoint():
            return _Layout()
        case While(constants=constants):
            return _Layout(constants=constants, carries=len(node.outputs), tests=1)
        case Scan(constants=constants, carries=carries):
            return _Layout(constants=constants, carries=carries)
    return None


def _needed(node: Node, layout: _Layout, used: Iterable[int]) -> tuple[list[int], list[int]]:
    """The positions of the results and of the regions' inputs that stay, ascending."""
    results = set(used)
    while True:
        inputs = layout.inputs_of(results)
        for number, region in enumerate(node.regions):
            ends = region.outputs if number < layout.tests else [region.outputs[i] for i in results]
            inputs |= _read_by(region, ends)
        types = node.regions[-1].input_types
        others = [i for i in range(len(types)) if i not in inputs]
        givers = size_givers([types[i] for i in inputs], [types[i] for i in others])
        inputs |= {others[i] for i in givers}
        more = layout.results_of(inputs)
        if more <= results:
            return sorted(results), sorted(inputs)
        results |= more


def _read_by(region: Graph, ends: Iterable[Value]) -> set[int]:
    """The positions of the inputs on which some values depend."""
    wanted = set(ends)
    for node in reversed(region):
        used = {i for i, output in enumerate(node.outputs) if output in wanted}
        if used:
            wanted.update(_operands_read(node, used))
    return {value.index for value in region.inputs if value in wanted}


def _operands_read(node: Node, used: Iterable[int]) -> Sequence[Value]:
    """The operands on which some results of a node depend."""
    layout = _layout(node)
    if layout is None:
        return node.inputs
    _, inputs = _needed(node, layout, used)
    lead = layout.lead
    return [*node.inputs[:lead], *(node.inputs[lead + i] for i in inputs)]


def _drop_inputs(region: Graph, kept: Iterable[int]) -> None:
    """Take the other inputs out of a region, and what nobody needs."""
    for node in reversed(region):
        if node.is_read:
            prune(region, node)
        else:
            region.erase(node)
    others = set(range(len(region.inputs))) - set(kept)
    for value in [region.inputs[i] for i in sorted(others)]:
        region.remove_input(value)
