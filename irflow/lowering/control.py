"""Branches and loops as steps: their regions are lowered into the same program.

The carry of a loop has one buffer a value, which the body reads and overwrites: that of the operand
where nobody else needs it. It is written where the next value is computed if nobody reads the old
one after that, row by row where the body replaces rows, else by a copy at the end of the body. A
slice of a sequence, and the outputs of one step, are no copies but *views*: buffers that lie in
another one, further on with every step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from irflow.ir.graph import Graph, Node, Value
from irflow.ir.op import Lowering
from irflow.ir.types import TensorType
from irflow.lowering.carries import carry_on
from irflow.lowering.program import Storage
from irflow.lowering.row_blocks import Blocks, row_blocks
from irflow.lowering.stacked_carries import StackedCarry, first_value, stacked_carries
from irflow.lowering.steps import (
    CopyStep,
    LoopStep,
    LoopView,
    RowsStep,
    RowView,
    Step,
    SwitchStep,
    UpdateStep,
)
from irflow.ops import DynamicUpdateSlice, Scan, Switch, While
from irflow.ops.region_parts import fitted
from irflow.records import dataclass

if TYPE_CHECKING:
    from irflow.lowering.lower import ProgramBuilder

LOOKED_THROUGH = ("call", "checkpoint", "custom_jvp", "custom_vjp", "fusion")
NATIVE = ("switch", "scan", "while")
ALIASES = ("optimization_barrier", "reshape", "stop_gradient")
"""Ops whose result is the memory of their operand."""


def is_native(node: Node) -> bool:
    """Whether a node of control flow can become steps: nothing inside runs on the host."""
    return node.op.name in NATIVE and all(map(is_native_graph, node.regions))


def is_native_graph(graph: Graph) -> bool:
    """Whether all nodes can become steps, and none runs on the host."""
    return all(_is_native_inside(node) for node in graph)


def _is_native_inside(node: Node) -> bool:
    if node.op.name in LOOKED_THROUGH:
        return is_native_graph(node.regions[0])
    if node.op.lowering is Lowering.REGION:
        return is_native(node)
    return node.lowering is not Lowering.HOST


def lower_control(builder: ProgramBuilder, node: Node) -> None:
    """Add the step of a native node."""
    match node.op:
        case Switch():
            _switch(builder, node)
        case Scan():
            _scan(builder, node, node.op)
        case While():
            _while(builder, node, node.op)


def _switch(builder: ProgramBuilder, node: Node) -> None:
    index, *operands = node.inputs
    results = [builder.fresh(value) for value in node.outputs]
    branches = []
    for region in node.regions:
        graph = builder.closed(fitted("switch", region, [value.type for value in operands]))
        mark = len(builder.buffers)
        with builder.inside() as steps:
            values = _lower(builder, graph, [builder.number(value) for value in operands])
            carry_on(builder, values, results, mark)
        branches.append(tuple(steps))
    number, place = builder.number(index), len(builder.steps)
    builder.steps.append(SwitchStep(number, tuple(branches), tuple(results), place))


def _scan(builder: ProgramBuilder, node: Node, op: Scan) -> None:
    first = op.constants + op.carries
    sequences = node.inputs[first:]
    slices = [value.type.with_shape(value.type.shape[1:]) for value in sequences]
    types = [*(value.type for value in node.inputs[:first]), *slices]
    graph = builder.closed(fitted("scan", node.regions[0], types))
    stacked = stacked_carries(graph, node, op)
    stacks = [builder.fresh(value) for value in node.outputs[op.carries :]]
    carry, start = _carry(builder, node, op.constants, op.carries, stacked)
    fixed = [builder.number(value) for value in node.inputs[: op.constants]]
    places = _Places(fixed, carry, [builder.number(value) for value in sequences], stacks, stacked)
    blocks = None if builder.is_inside_blocks else row_blocks(graph, op, builder.target)
    with builder.before_loop(fixed):
        if blocks is None:
            step: Step = _loop(builder, graph, op, places, start)
        else:
            builder.steps += start
            step = _rows(builder, node, op, blocks, places)
    builder.steps.append(step)


@dataclass(frozen=True, slots=True)
class _Places:
    """The buffers of a scan: of constants, carries, sequences and stacked outputs.

    A carry that lies in a stack has that of its first value or, where this is in the stack,
    that of its last one.
    """

    fixed: list[int]
    carry: list[int]
    sequences: list[int]
    stacks: list[int]
    stacked: Mapping[int, StackedCarry]

    @property
    def results(self) -> tuple[int, ...]:
        """The buffers that the loop fills."""
        first = [i for i, found in self.stacked.items() if not found.is_old]
        carried = [number for i, number in enumerate(self.carry) if i not in first]
        return (*carried, *self.stacks)


def _loop(
    builder: ProgramBuilder, graph: Graph, op: Scan, places: _Places, start: tuple[Step, ...]
) -> LoopStep:
    """The loop over the steps of a scan."""
    slices = graph.inputs[op.constants + op.carries :]
    views = [
        LoopView(builder.add(Storage("view", value.type)), number)
        for value, number in zip(slices, places.sequences, strict=True)
    ]
    sliced = [view.view for view in views]
    before, after = list(places.carry), list(places.carry)
    for i, found in places.stacked.items():
        before[i], after[i] = _lie_in_stack(builder, graph.outputs[i].type, found, places, i, views)
    mark = len(builder.buffers)
    with builder.inside() as steps:
        given = [*places.fixed, *before, *sliced]
        values = _lower_body(builder, graph, given, op.constants, op.carries)
        ready = {found.stack for found in places.stacked.values() if found.is_old}
        for i, value in enumerate(graph.outputs[op.carries :]):
            if i not in ready:
                number, stack = values[op.carries + i], places.stacks[i]
                views.append(LoopView(_stacked(builder, number, value, mark), stack))
        for i, found in places.stacked.items():
            after[i] = after[i] if found.is_old else values[i]
        carry_on(builder, values[: op.carries], after, mark)
    loop = LoopStep(start, tuple(steps), places.results, op.length, op.reverse, tuple(views))
    return replace(loop, place=len(builder.steps))


def _stacked(builder: ProgramBuilder, number: int, value: Value, mark: int) -> int:
    """The buffer of a value of the body that is stacked, which is a view then, or a copy of it."""
    place = Storage("view", value.type)
    if number >= mark and builder.buffers[number].kind == "temporary":
        builder.buffers[number] = place
        return number
    view = builder.add(place)
    # What is not made in the body is there from its beginning on, and may be overwritten there;
    # what is made may lie in a carry that a loop inside took.
    where = 0 if value.node is None else len(builder.steps)
    builder.steps.insert(where, CopyStep(number, view))
    return view


def _lie_in_stack(
    builder: ProgramBuilder,
    type: TensorType,
    found: StackedCarry,
    places: _Places,
    position: int,
    views: list[LoopView],
) -> tuple[int, int]:
    """Where a repetition finds a carry that lies in a stack, and where it leaves the next value."""
    stack, other = places.stacks[found.stack], places.carry[position]
    before = builder.add(Storage("view", type))
    if not found.is_old:
        views.append(LoopView(before, stack, -1, other))
        return before, before
    after = builder.add(Storage("view", type))
    views += [LoopView(before, stack), LoopView(after, stack, 1, other)]
    return before, after


def _rows(
    builder: ProgramBuilder, node: Node, op: Scan, blocks: Blocks, places: _Places
) -> RowsStep:
    """The loop over the steps for each block of rows."""
    views: list[RowView] = []

    def view(number: int, type: TensorType, axis: int) -> int:
        shape = (*type.shape[:axis], blocks.size, *type.shape[axis + 1 :])
        found = builder.add(Storage("view", type.with_shape(shape)))
        views.append(RowView(found, number, axis, type))
        return found

    types = [value.type for value in node.inputs]
    flags, first, last = blocks.inputs, op.constants, op.constants + op.carries
    inner = _Places(
        [view(n, types[i], 0) if flags[i] else n for i, n in enumerate(places.fixed)],
        [view(n, types[i], 0) for i, n in enumerate(places.carry, first)],
        [view(n, types[i], 1) if flags[i] else n for i, n in enumerate(places.sequences, last)],
        [view(n, node.outputs[i].type, 1) for i, n in enumerate(places.stacks, op.carries)],
        places.stacked,
    )
    mark = len(builder.buffers)
    with builder.in_blocks():
        loop = _loop(builder, blocks.body, op, inner, ())
    common = {number for place in builder.preheaders for number in place.packed.values()}
    for number in range(mark, len(builder.buffers)):
        storage = builder.buffers[number]
        if storage.kind == "temporary" and number not in common:
            whole = storage.type.with_shape((blocks.rows, *storage.type.shape[1:]))
            builder.buffers[number] = Storage("view", storage.type)
            views.append(RowView(number, builder.add(Storage("temporary", whole)), 0, whole))
    place = len(builder.steps)
    return RowsStep((loop,), places.results, blocks.rows, blocks.height, tuple(views), place)


def _while(builder: ProgramBuilder, node: Node, op: While) -> None:
    types = [value.type for value in node.inputs]
    test, body = (builder.closed(fitted("while", region, types)) for region in node.regions)
    carry, start = _carry(builder, node, op.constants, len(node.outputs), {})
    fixed = [builder.number(value) for value in node.inputs[: op.constants]]
    with builder.inside() as condition:
        (truth,) = _lower(builder, test, [*fixed, *carry])
    mark = len(builder.buffers)
    with builder.before_loop(fixed), builder.inside() as steps:
        values = _lower_body(builder, body, [*fixed, *carry], op.constants, len(carry))
        carry_on(builder, values, carry, mark)
    builder.steps.append(
        LoopStep(
            start,
            tuple(steps),
            tuple(carry),
            op.max_steps,
            condition=tuple(condition),
            test=truth,
            place=len(builder.steps),
        )
    )


def _carry(
    builder: ProgramBuilder,
    node: Node,
    first: int,
    count: int,
    stacked: Mapping[int, StackedCarry],
) -> tuple[list[int], tuple[Step, ...]]:
    """The buffers of the carry, which are those of the results, and the steps that fill them.

    Of what lies in stacks, those of the first values, or where to leave the last ones (`_Places`).
    """
    carry: list[int] = []
    start: list[Step] = []
    for i, value in enumerate(node.inputs[first : first + count]):
        number, result = builder.number(value), node.outputs[i]
        found = stacked.get(i)
        if found is not None:
            if found.is_old:
                stack = builder.numbers[node.outputs[count + found.stack]]
                view = builder.add(Storage("view", value.type))
                start.append(first_value(number, view, stack))
            carry.append(builder.fresh(result) if found.is_old else number)
            continue
        if builder.lending.fits(value, result, node):
            builder.lending.take(value, result)
            builder.numbers[result] = number
        elif _may_take(builder, value, node):
            builder.numbers[result] = number
        else:
            start.append(CopyStep(number, builder.fresh(result)))
        carry.append(builder.numbers[result])
    return carry, tuple(start)


def _may_take(builder: ProgramBuilder, value: Value, node: Node) -> bool:
    """Whether a loop may carry an operand in the memory where it is: nobody needs it afterwards."""
    is_own = value in builder.carried if value.node is None else value.node.op.name not in ALIASES
    is_temporary = builder.buffers[builder.number(value)].kind == "temporary"
    is_read_once = node.inputs.count(value) == 1
    if not (is_own and is_temporary and is_read_once) or value.is_output:
        return False
    # Updates in place come last, wherever they stand.
    if any(user.op.name in ALIASES or _is_update(user, value) for user in value.users):
        return False
    later = node.next
    while later is not None and value not in later.inputs:
        later = later.next
    return later is None


def _lower(builder: ProgramBuilder, graph: Graph, inputs: Sequence[int]) -> list[int]:
    """Add the steps of a region whose inputs are in buffers; the buffers of its results."""
    return _lower_body(builder, graph, inputs, 0, 0)


def _lower_body(
    builder: ProgramBuilder, graph: Graph, inputs: Sequence[int], first: int, carries: int
) -> list[int]:
    """`_lower` for a body, whose inputs from `first` on are carried; rows are updated in place."""
    builder.numbers.update(zip(graph.inputs, inputs, strict=True))
    carried = graph.inputs[first : first + carries]
    builder.carried.update(carried)
    updates = [
        value.node
        for value, old in zip(graph.outputs, carried, strict=False)
        if value.node is not None and _is_in_place(value.node, old)
    ]
    for node in graph:
        if node not in updates:
            builder.node(node)
    targets = {builder.number(node.inputs[0]) for node in updates}
    ready = [[_held(builder, value, targets) for value in node.inputs[1:]] for node in updates]
    for node, (source, starts) in zip(updates, ready, strict=True):
        target = builder.number(node.inputs[0])
        types = node.inputs[0].type, node.inputs[1].type
        builder.steps.append(UpdateStep(source, starts, target, *types))
        builder.numbers[node.output] = target
    return [builder.number(value) for value in graph.outputs]


def _is_in_place(node: Node, old: Value) -> bool:
    """Whether a node replaces whole rows of the carry, and nobody reads carry or result besides."""
    if not _is_update(node, old):
        return False
    is_alone = len(node.output.uses) == 1 and not old.is_output and node.inputs.count(old) == 1
    is_rows = old.type.rank > 0 and old.type.shape[1:] == node.inputs[1].type.shape[1:]
    return is_alone and is_rows and not any(user.op.name in ALIASES for user in old.users)


def _is_update(node: Node, value: Value) -> bool:
    return isinstance(node.op, DynamicUpdateSlice) and node.inputs[0] is value


def _held(builder: ProgramBuilder, value: Value, targets: set[int]) -> int:
    """The buffer of a value, or a copy where that buffer is about to be overwritten."""
    number = builder.number(value)
    if number not in targets:
        return number
    held = builder.add(Storage("temporary", value.type))
    builder.steps.append(CopyStep(number, held))
    return held
