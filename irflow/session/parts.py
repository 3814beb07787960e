"""The part of an explicit graph that a run needs, as a closed graph for the compiler."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from irflow.dims import Size
from irflow.errors import UsageError
from irflow.frontend.variable import Variable
from irflow.ir import OutputRole
from irflow.ir.graph import Graph as IrGraph
from irflow.ir.graph import Node, Value
from irflow.ops import SizeOf
from irflow.records import dataclass
from irflow.session.graph import Graph


@dataclass(frozen=True, slots=True)
class Part:
    """What is run.

    Attributes:
        graph: from the fed values, then the variables, to the fetched values, then the updates; all
            its sizes are known.
        fed: the values that stand for the first inputs: those that are needed.
        variables: what the further inputs are.
        updates: what the last outputs are assigned to.
    """

    graph: IrGraph
    fed: list[Value]
    variables: list[Variable]
    updates: list[Variable]


def needed(values: Sequence[Value], fed: Collection[Value]) -> tuple[list[Value], list[Value]]:
    """All values that some depend on, and among these the inputs; no way leads past `fed`."""
    found = dict.fromkeys(values)
    pending = list(found)
    while pending:
        value = pending.pop()
        if value.node is None or value in fed:
            continue
        fresh = [operand for operand in value.node.inputs if operand not in found]
        found.update(dict.fromkeys(fresh))
        pending.extend(dict.fromkeys(fresh))
    inputs = [value for value in found if value.node is None and value not in fed]
    return list(found), inputs


def cut(
    graph: Graph,
    fetched: Sequence[Value],
    updates: Mapping[Variable, Value],
    fed: Collection[Value],
    sizes: Mapping[str, Size],
) -> Part:
    """The part between `fed` and the variables on one side, `fetched` and `updates` on the other.

    Raises:
        UsageError: a size in it is not known.
    """
    found, inputs = needed([*fetched, *updates.values()], fed)
    used = set(found)
    variables = [v for v in graph.variables if graph.read(v) in inputs or v in updates]
    given = [value for value in fed if value in used]
    part = IrGraph("run")
    mapping: dict[Value, Value] = {}
    for value in given:
        mapping[value] = part.add_input(value.type.substitute(sizes), value.hint)
    for variable in variables:
        value = graph.read(variable)
        role = graph.graph.signature.inputs[value.index]
        # One that is fed stays what is fed, even where it is assigned as well.
        mapping.setdefault(value, part.add_input(value.type, value.hint, role))
    for node in graph.graph:
        if any(output in used and output not in mapping for output in node.outputs):
            _copy(node, part, mapping, sizes)
    part.set_outputs(
        [mapping[value] for value in (*fetched, *updates.values())],
        [OutputRole("result", value.hint) for value in fetched]
        + [OutputRole("update", variable.name) for variable in updates],
    )
    return Part(part, given, variables, list(updates))


def _copy(
    node: Node, part: IrGraph, mapping: dict[Value, Value], sizes: Mapping[str, Size]
) -> None:
    """Add a copy of a node to the part; a result that is fed stays what is fed."""
    operands = tuple(mapping[value] for value in node.inputs)
    regions = tuple(region.copy(sizes) for region in node.regions)
    copied = part.insert(Node(node.op.substitute(sizes), operands, regions, node.location))
    _require_sizes(copied)
    for old, new in zip(node.outputs, copied.outputs, strict=True):
        new.hint = old.hint
        mapping.setdefault(old, new)


def _require_sizes(node: Node) -> None:
    unknown: list[object] = [value.type for value in node.outputs if not value.type.is_static]
    if isinstance(node.op, SizeOf) and not isinstance(node.op.size, int):
        unknown.append(str(node.op.size))
    if unknown:
        raise UsageError(
            "a size is not known in this run",
            facts=[(node.op.name, unknown[0])],
            location=node.location,
            hint="feed a placeholder that has it",
        )
