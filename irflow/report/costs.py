"""What kernels cost in arithmetic, traffic and memory; symbolic where sizes are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from irflow import dims
from irflow.dims import Size
from irflow.ir.graph import Graph, Node, Value
from irflow.ir.op import Cost
from irflow.location import Location
from irflow.lowering.program import HostStep, KernelStep, Program, Step
from irflow.transform.pass_ import describe

TYPICAL_SIZE = 64
"""What symbolic sizes are taken for where a number is needed, if their bounds allow it."""


@dataclass(frozen=True, slots=True)
class KernelCost:
    """What one step of a program, or one node of a graph, costs.

    Attributes:
        name: of the kernel, or of the op.
        kind: `"kernel"`, `"host"` or `"node"`.
        ops: the operations that it computes, as text, equal ones once with how often.
        is_fused: whether a pass put several nodes into it.
        flops: of all its operations.
        bytes: what it reads and writes, each buffer once.
        unfused_bytes: what its operations would read and write one by one.
        lines: the user's lines that it came from.
    """

    name: str
    kind: str
    ops: tuple[str, ...]
    is_fused: bool
    flops: Size
    bytes: Size
    unfused_bytes: Size
    lines: tuple[Location, ...]

    def intensity(self, sizes: Mapping[str, int]) -> float | None:
        """Flops a byte for these sizes; None when nothing is moved."""
        moved = dims.evaluate(self.bytes, sizes)
        return dims.evaluate(self.flops, sizes) / moved if moved else None


@dataclass(frozen=True, slots=True)
class Temporary:
    """A piece of the arena.

    Attributes:
        number: of its buffer.
        type: what it holds, as text.
        nbytes: its size, symbolic where sizes are.
        steps: the first and the last step that need it.
    """

    number: int
    type: str
    nbytes: Size
    steps: tuple[int, int]


def typical_sizes(graph: Graph) -> dict[str, int]:
    """A value for each symbolic size of `graph`, within its bounds."""
    return {
        symbol.name: max(symbol.lower, min(TYPICAL_SIZE, symbol.upper or TYPICAL_SIZE))
        for symbol in graph.symbols
    }


def node_cost(node: Node) -> Cost:
    """The cost of a node: of its regions, once each, if it has any, else what its op says."""
    if not node.regions:
        return node.op.cost([v.type for v in node.inputs], [v.type for v in node.outputs])
    return total(node_cost(inner) for region in node.regions for inner in region)


def total(costs: Iterable[Cost]) -> Cost:
    """The sum of costs."""
    flops: Size = 0
    moved: Size = 0
    for cost in costs:
        flops, moved = flops + cost.flops, moved + cost.bytes
    return Cost(flops, moved)


def graph_costs(graph: Graph) -> list[KernelCost]:
    """The cost of each node that computes something, for backends that run graphs."""
    return [_node(node) for node in graph if node.op.name != "constant"]


def program_costs(program: Program) -> list[KernelCost]:
    """The cost of each kernel and host step, in the order they run."""
    return [
        _step(program, step, node, positions)
        for node, step, positions in _steps_of_nodes(program)
        if not isinstance(step, HostStep) or node is not None
    ]


def temporaries(program: Program) -> list[Temporary]:
    """The pieces of the arena, largest first for typical sizes."""
    sizes = typical_sizes(program.graph)
    found = [
        Temporary(number, str(program.buffers[number].type), program.buffers[number].type.nbytes, at)
        for number, at in program.lifetimes().items()
    ]
    return sorted(found, key=lambda one: (-dims.evaluate(one.nbytes, sizes), one.number))


def _node(node: Node) -> KernelCost:
    cost = node_cost(node)
    values = [*dict.fromkeys(node.inputs), *node.outputs]
    moved = sum((value.type.nbytes for value in values), 0)
    inner = _inner_nodes([node])
    return KernelCost(
        describe(node), "node", _counted(inner), bool(node.regions), cost.flops, moved, cost.bytes,
        _lines(inner),
    )  # fmt: skip


def _step(
    program: Program, step: Step, node: Node | None, positions: Sequence[int]
) -> KernelCost:
    buffers = [program.buffers[number] for number in (*dict.fromkeys(step.inputs), *step.outputs)]
    moved = sum((buffer.type.nbytes for buffer in buffers), 0)
    nodes = _needed(node, positions) if node is not None else []
    cost = total(node_cost(one) for one in nodes)
    name = step.kernel.name if isinstance(step, KernelStep) else str(step).partition(" = ")[2]
    is_fused = node is not None and bool(node.regions)
    inner = _inner_nodes(nodes)
    return KernelCost(
        name, "kernel" if isinstance(step, KernelStep) else "host", _counted(inner), is_fused,
        cost.flops, moved, cost.bytes, _lines(inner),
    )  # fmt: skip


def _steps_of_nodes(program: Program) -> Iterator[tuple[Node | None, Step, list[int]]]:
    """Each step with the node it computes and which of its results; None for copies at the end.

    Steps stand in the order of the nodes, and a node's steps fill each of its results once.
    """
    steps = iter([s for s in program.steps if isinstance(s, KernelStep | HostStep)])
    for node in program.graph:
        if node.op.name in ("constant", *_aliases()):
            continue
        left = list(range(len(node.outputs)))
        while left:
            step = next(steps, None)
            if step is None:
                return
            types = [program.buffers[number].type for number in step.outputs]
            positions = []
            for type in types:
                fitting = [i for i in left if node.outputs[i].type == type]
                positions.append(fitting[0] if fitting else left[0])
                left.remove(positions[-1])
            yield node, step, positions
    for step in steps:
        yield None, step, []


def _aliases() -> tuple[str, ...]:
    from irflow.lowering.lower import ALIASES

    return ALIASES


def _needed(node: Node, positions: Sequence[int]) -> list[Node]:
    """The nodes of a fused region that these results need; the node itself if it has none."""
    if len(node.regions) != 1:
        return [node]
    (region,) = node.regions
    wanted: set[Value] = {region.outputs[i] for i in positions if i < len(region.outputs)}
    kept = []
    for inner in reversed(region):
        if any(output in wanted for output in inner.outputs):
            wanted.update(inner.inputs)
            kept.append(inner)
    return kept[::-1]


def _inner_nodes(nodes: Iterable[Node]) -> list[Node]:
    found: list[Node] = []
    for node in nodes:
        inner = [one for region in node.regions for one in region]
        found += _inner_nodes(inner) if inner else [node]
    return found


def _counted(nodes: Iterable[Node]) -> tuple[str, ...]:
    counts: dict[str, int] = {}
    for node in nodes:
        if node.op.name in ("constant", "broadcast"):
            continue
        name = str(getattr(node.op, "row", node.op.name))
        name = f"{node.op.name} {name}" if node.op.name == "reduce" else name
        counts[name] = counts.get(name, 0) + 1
    return tuple(f"{name} ×{times}" if times > 1 else name for name, times in counts.items())


def _lines(nodes: Iterable[Node]) -> tuple[Location, ...]:
    found = {node.location for node in nodes if node.location is not None}
    return tuple(sorted(found, key=lambda location: (location.file, location.line)))
