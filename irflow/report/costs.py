"""What kernels cost in arithmetic, traffic and memory; symbolic where sizes are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from irflow import dims
from irflow.dims import Size
from irflow.ir.graph import Graph, Node, Value
from irflow.ir.op import Cost
from irflow.location import Location
from irflow.lowering.lower import ALIASES, FUSED, content_of
from irflow.lowering.program import Program
from irflow.lowering.steps import (
    CopyStep,
    ForkStep,
    HostStep,
    KernelStep,
    LoopStep,
    RowsStep,
    Step,
    SwitchStep,
    UpdateStep,
    without_forks,
)
from irflow.ops import DynamicUpdateSlice
from irflow.ops.scan import Scan
from irflow.ops.while_loop import While
from irflow.records import dataclass
from irflow.transform.pass_ import describe

KINDS = {
    KernelStep: "kernel",
    HostStep: "host",
    CopyStep: "copy",
    UpdateStep: "copy",
    LoopStep: "loop",
    RowsStep: "rows",
    SwitchStep: "switch",
}

TYPICAL_SIZE = 64
"""What symbolic sizes are taken for where a number is needed, if their bounds allow it."""


@dataclass(frozen=True, slots=True)
class KernelCost:
    """What one step of a program, or one node of a graph, costs.

    Attributes:
        name: of the kernel, or of the op.
        kind: `"kernel"`, `"host"`, `"copy"`, `"loop"`, `"rows"`, `"switch"` or `"node"`.
        ops: the operations that it computes, as text, equal ones once with how often.
        is_fused: whether a pass put several nodes into it.
        flops: of all its operations.
        bytes: what it reads and writes, each buffer once.
        unfused_bytes: what its operations would read and write one by one.
        lines: the user's lines that it came from.
        depth: in how many loops and branches it stands.
        times: how often the loops around it run it, at most; None when that is not known.
    """

    name: str
    kind: str
    ops: tuple[str, ...]
    is_fused: bool
    flops: Size
    bytes: Size
    unfused_bytes: Size
    lines: tuple[Location, ...]
    depth: int = 0
    times: Size | None = 1

    @property
    def known_times(self) -> Size:
        """How often it runs, once where that is not known."""
        return 1 if self.times is None else self.times

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
    """The cost of a node: of its regions if it has any, else what its op says.

    Regions of loops count as often as they run at most, once if that is not known.
    """
    if node.op.name == "constant":
        return Cost(0, 0)
    if not node.regions:
        return node.op.cost([v.type for v in node.inputs], [v.type for v in node.outputs])
    cost = total(node_cost(inner) for region in node.regions for inner in region)
    times = _repetitions(node)
    return Cost(cost.flops * times, cost.bytes * times)


def _repetitions(node: Node) -> Size:
    match node.op:
        case Scan():
            return node.op.length
        case While() if node.op.max_steps is not None:
            return node.op.max_steps
        case _:
            return 1


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
    """The cost of each kernel, host step and copy, in order; those in loops behind the loop."""
    return list(_costs(program, program.graph, program.steps, 0, 1))


def temporaries(program: Program) -> list[Temporary]:
    """The pieces of the arena, largest first for typical sizes."""
    sizes = typical_sizes(program.graph)
    found = [
        Temporary(
            number, str(program.buffers[number].type), program.buffers[number].type.nbytes, at
        )
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


def _costs(
    program: Program, nodes: Iterable[Node], steps: Sequence[Step], depth: int, times: Size | None
) -> Iterator[KernelCost]:
    for node, step, positions in _matched(program, nodes, without_forks(steps)):
        yield replace(_step(program, step, node, positions), depth=depth, times=times)
        regions = node.regions if node is not None else ()
        if isinstance(step, SwitchStep):
            for branch, inside in _paired(regions, step.branches):
                yield from _costs(program, branch, inside, depth + 1, times)
        if isinstance(step, RowsStep):
            yield from _costs(program, [] if node is None else [node], step.body, depth + 1, times)
        if isinstance(step, LoopStep):
            yield from _costs(program, (), step.start, depth + 1, times)
            many = times * step.length if times is not None and step.length is not None else None
            parts = (step.body,) if step.test is None else (step.condition, step.body)
            for region, inside in _paired(regions, parts):
                yield from _costs(program, region, inside, depth + 1, many)


def _paired(
    regions: Sequence[Graph], parts: Sequence[Sequence[Step]]
) -> list[tuple[Iterable[Node], Sequence[Step]]]:
    """Lists of steps with the nodes that they compute, if these are known."""
    nodes: Sequence[Iterable[Node]] = regions if len(regions) == len(parts) else [()] * len(parts)
    return list(zip(nodes, parts, strict=True))


def _step(program: Program, step: Step, node: Node | None, positions: Sequence[int]) -> KernelCost:
    inside = isinstance(step, LoopStep | RowsStep | SwitchStep)
    moved = 0 if inside else _moved(program, step)
    nodes = [] if inside or node is None else _needed(node, positions)
    cost = total(node_cost(one) for one in nodes)
    inner = _inner_nodes(nodes)
    lines = _lines([node] if inside and node is not None else inner)
    is_fused = node is not None and node.op.name == FUSED
    return KernelCost(
        _name(step), KINDS[type(step)], _counted(inner), is_fused, cost.flops, moved, cost.bytes,
        lines,
    )  # fmt: skip


def _moved(program: Program, step: Step) -> Size:
    """What a step that has no others inside reads and writes, each buffer once."""
    if isinstance(step, UpdateStep):
        return 2 * step.window.nbytes
    numbers = (*dict.fromkeys(step.inputs), *step.outputs)
    return sum((program.buffers[number].type.nbytes for number in numbers), 0)


def _name(step: Step) -> str:
    match step:
        case KernelStep():
            return step.kernel.name
        case LoopStep():
            limit = "" if step.test is None else " at most"
            return "loop" if step.length is None else f"loop of {step.length} steps{limit}"
        case RowsStep():
            return f"{step.rows} rows by {step.height}"
        case SwitchStep():
            return f"switch of {len(step.branches)} branches"
        case _:
            return str(step).partition(" = ")[2]


def _matched(
    program: Program, nodes: Iterable[Node], steps: Sequence[Step]
) -> Iterator[tuple[Node | None, Step, list[int]]]:
    """Each step with the node it computes and which of its results; None for copies.

    Steps were made in the order of the nodes, and a node's steps fill each of its results once.
    Only rows are overwritten when all else has been computed.
    """
    known = [node for node in nodes if not _needs_no_step(node)]
    windows = [node for node in known if isinstance(node.op, DynamicUpdateSlice)]
    updates = windows[len(windows) - sum(isinstance(step, UpdateStep) for step in steps) :]
    rest, last = iter([node for node in known if node not in updates]), iter(updates)
    found: dict[int, tuple[Node | None, list[int]]] = {}
    node: Node | None = None
    left: list[int] = []
    for place, step in sorted(enumerate(steps), key=_place):
        if isinstance(step, CopyStep):
            found[place] = None, []
            continue
        if isinstance(step, UpdateStep):
            found[place] = next(last, None), [0]
            continue
        if not left:
            node = next(rest, None)
            left = [] if node is None else list(range(len(node.outputs)))
        positions = []
        for number in step.outputs:
            type = program.buffers[number].type
            fitting = [i for i in left if node is not None and node.outputs[i].type == type]
            positions += (fitting or left)[:1]
            left = [i for i in left if i not in positions]
        found[place] = node, positions
    for place, step in enumerate(steps):
        node, positions = found[place]
        yield node, step, positions


def _place(numbered: tuple[int, Step]) -> int:
    """Where a step stood as it was made; a copy or an update stands anywhere."""
    _, step = numbered
    return 0 if isinstance(step, CopyStep | UpdateStep | ForkStep) else step.place


def _needs_no_step(node: Node) -> bool:
    """Whether a node is memory that is there already."""
    is_alias = node.op.name in ALIASES and content_of(node.inputs[0]) is None
    return is_alias or node.op.name == "constant"


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
