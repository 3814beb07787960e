"""Kernels that work on one row of the last axis at a time: softmax, normalisations, losses.

    for row                                             parallel
      for column in vectors:                            a pass over the row
        what reductions of the first stage read; sums go on in registers
      ...                                               a pass for each further stage
      for column in vectors:
        what is computed from all reductions

Reductions of one stage do not depend on each other and share a pass. What costs more to compute
than to load, and is needed in several passes, waits in a buffer as long as a row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from irflow import dims, dtypes
from irflow.dims import Size
from irflow.ir.graph import Node, Value
from irflow.loops import Buffer, Expr, Load, LoopKind, Select, Space
from irflow.lowering import schedule
from irflow.lowering.combine import combined
from irflow.lowering.group import Group
from irflow.lowering.nest import Built, NestContext
from irflow.lowering.target import Target
from irflow.lowering.values import ZERO, Reduction, divided, index_of, narrowed
from irflow.ops import Elementwise, Reduce

Index = tuple[Expr, ...]


def is_by_rows(group: Group) -> bool:
    """Whether a group has whole tensors behind reductions of their rows, and needs one at a time.

    The pass `fuse` makes no others of more than one stage.
    """
    plan = _Plan.of(group)
    return plan is not None and (len(plan.reductions) > 2 or any(plan.outputs))


def row_nest(group: Group, target: Target) -> Built:
    """The nest of a group of which `is_by_rows` holds."""
    plan = _Plan.of(group)
    assert plan is not None
    context = NestContext(group, target)
    _Writer(context, plan).write()
    return context.finish(streams=True)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What happens in which pass.

    Attributes:
        shape: of whole tensors, `[*rows, length]`.
        stages: for each node the pass behind which, or in which, it can be computed.
        reductions: those of each pass.
        outputs: the whole tensors that each pass stores, by position; the last one has no
            reductions.
        kept: what each pass leaves in buffers for later ones.
    """

    shape: tuple[Size, ...]
    stages: dict[Node, int]
    reductions: list[list[Node]]
    outputs: list[list[int]]
    kept: list[list[Value]]

    @classmethod
    def of(cls, group: Group) -> _Plan | None:
        """The plan of a group, None if it is of another kind."""
        heavy = group.heavy()
        shapes = {node.inputs[0].type.shape for node in heavy}
        if len(shapes) != 1 or not all(isinstance(node.op, Reduce) for node in heavy):
            return None
        (shape,) = shapes
        rank = len(shape)
        allowed = (shape, shape[:-1], (*shape[:-1], 1))
        is_along = all(isinstance(n.op, Reduce) and n.op.axes == (rank - 1,) for n in heavy)
        if rank < 2 or not is_along or any(v.type.shape not in allowed for v in group.outputs):
            return None
        stages = _stages(group)
        last = max(stages[node] for node in heavy)
        reductions: list[list[Node]] = [[] for _ in range(last + 1)]
        for node in heavy:
            reductions[stages[node] - 1].append(node)
        outputs: list[list[int]] = [[] for _ in range(last + 1)]
        for position, value in enumerate(group.outputs):
            if value.type.shape == shape:
                outputs[stages.get(value.node, 0) if value.node else 0].append(position)
        kept = _kept(group, shape, reductions, outputs)
        return cls(shape, stages, reductions, outputs, kept)


def _stages(group: Group) -> dict[Node, int]:
    """How many reductions in a row lead to each node, itself included."""
    stages: dict[Node, int] = {}
    for node in group.nodes:
        before = max((stages.get(v.node, 0) for v in node.inputs if v.node), default=0)
        stages[node] = before + isinstance(node.op, Reduce)
    return stages


def _kept(
    group: Group,
    shape: tuple[Size, ...],
    reductions: Sequence[Sequence[Node]],
    outputs: Sequence[Sequence[int]],
) -> list[list[Value]]:
    """For each pass, what it computes at some cost and a later one needs again."""
    kept: list[list[Value]] = [[] for _ in reductions]
    if not schedule.fits_row(shape[-1]):
        return kept
    own = set(group.nodes)
    needed: list[dict[Node, None]] = []
    for nodes, positions in zip(reductions, outputs, strict=True):
        roots = [node.inputs[0] for node in nodes] + [group.outputs[i] for i in positions]
        needed.append(whole_tensors(roots, own, shape))
    done: set[Node] = set()
    for number, members in enumerate(needed):
        later = {node for following in needed[number + 1 :] for node in following}
        for node in members:
            if node in later and node not in done and _is_costly(node):
                kept[number].append(node.output)
        done.update(members)
    return kept


def whole_tensors(
    roots: Sequence[Value], own: set[Node], shape: tuple[Size, ...]
) -> dict[Node, None]:
    """The nodes with whole tensors that lead to some values without a reduction between."""
    found: dict[Node, None] = {}
    waiting = list(roots)
    while waiting:
        node = waiting.pop().node
        if node is None or node not in own or node in found or isinstance(node.op, Reduce):
            continue
        if node.output.type.shape == shape:
            found[node] = None
            waiting += node.inputs
    return found


def _is_costly(node: Node) -> bool:
    return isinstance(node.op, Elementwise) and node.op.row.flops > schedule.KEPT_FLOPS


def nbytes(buffer: Buffer) -> Size:
    """The bytes of a buffer."""
    return dims.product(buffer.shape) * buffer.dtype.itemsize


class _Writer:
    """Writes one kernel."""

    def __init__(self, context: NestContext, plan: _Plan) -> None:
        self.context, self.plan = context, plan
        self.builder = context.builder
        self.group = context.group
        widest = [dtypes.compute_dtype(type.dtype).itemsize for type in self.group.types]
        self.lanes = context.target.vector_bytes // max(4, *widest)
        self.chains = 1
        self.buffers: dict[Value, Buffer] = {}

    def write(self) -> None:
        """All rows."""
        with self.context.output_loops(self.plan.shape[:-1], in_vectors=False) as row:
            self.passes(row)
            self.store_numbers(row)

    def passes(self, row: Index) -> None:
        """All passes over a row."""
        plan = self.plan
        parts = zip(plan.reductions, plan.outputs, plan.kept, strict=True)
        for number, (nodes, positions, kept) in enumerate(parts):
            if nodes or positions:
                self.one_pass(row, number, nodes, positions, kept)

    def fetched(self, row: Index) -> list[tuple[Buffer, Index]]:
        """Rows in memory that are brought nearer while there is more to compute than to load.

        These are the next row of what the first pass goes over, which may lie outside, and those
        that are going to be written.
        """
        following = (*row[:-1], row[-1] + 1)
        pairs = [(buffer, following) for buffer in self.read_at_first()]
        target = self.context.target
        written = [b for b in self.context.outputs if b.shape == self.plan.shape]
        pairs += [(b, row) for b in written if not schedule.streams(target, nbytes(b))]
        return [pair for pair in pairs if schedule.fetches(target, nbytes(pair[0]))]

    def read_at_first(self) -> list[Buffer]:
        """The inputs that the first pass goes over, in whole rows."""
        plan = self.plan
        roots = [node.inputs[0] for node in plan.reductions[0]]
        roots += [self.group.outputs[i] for i in plan.outputs[0]]
        nodes = whole_tensors(roots, set(self.group.nodes), plan.shape)
        read = dict.fromkeys([*roots, *(value for node in nodes for value in node.inputs)])
        buffers = self.context.buffers
        return [buffers[v] for v in read if v in buffers and v.type.shape == plan.shape]

    def store_numbers(self, row: Index) -> None:
        """Outputs with one number a row."""
        for position, value in enumerate(self.group.outputs):
            if value.type.shape != self.plan.shape:
                place = row if len(value.type.shape) == len(row) else (*row, ZERO)
                self.store(position, place)

    def store(self, position: int, index: Index) -> None:
        value, buffer = self.group.outputs[position], self.context.outputs[position]
        element = narrowed(self.context.at(value, index), buffer.dtype)
        self.builder.store(buffer, index, element, self.context.mask)

    def one_pass(
        self,
        row: Index,
        number: int,
        nodes: Sequence[Node],
        positions: Sequence[int],
        kept: Sequence[Value],
    ) -> None:
        """One pass over a row, with what becomes of its reductions."""
        found = [self.reduction(node, row) for node in nodes]
        self.chains = self.chains_of(nodes, positions)
        cells = [self.accumulator(reduction) for reduction in found]
        known = dict(self.buffers)
        self.buffers |= {value: self.row_buffer(value) for value in kept}
        fetched = self.fetched(row) if number == 1 else []
        for column, lane in self.columns(self.plan.shape[-1]):
            index = (*row, column)
            for buffer, lead in fetched:
                self.builder.let(Load(buffer, (*lead, column), hint="prefetch"), "ahead")
            for value, buffer in known.items():
                loaded = self.builder.let(Load(buffer, (column,)), "kept")
                self.context.define(value, index, loaded)
            for value in kept:
                element = self.context.at(value, index)
                self.builder.store(self.buffers[value], (column,), element)
            for reduction, cell in zip(found, cells, strict=True):
                self.accumulate(reduction, cell, column, lane)
            for position in positions:
                self.store(position, index)
        for node, reduction, cell in zip(nodes, found, cells, strict=True):
            total = self.combine(reduction, cell)
            self.context.define(node.output, row, self.context.let(reduction.finish(total)))

    def reduction(self, node: Node, row: Index) -> Reduction:
        found = self.context.capture(node.output, row)
        assert found is not None
        return found

    def accumulator(self, reduction: Reduction) -> Buffer:
        """Registers in which a reduction begins."""
        cells = self.builder.alloc(reduction.dtype, (self.chains * self.lanes,), name="lanes")
        for place in self.each_chain(self.chains):
            self.builder.store(cells, (place,), reduction.identity)
        return cells

    def each_chain(self, count: int) -> Iterator[Expr]:
        """Vector loops over the lanes of the first chains."""
        with (
            self.context.one_loop(count, LoopKind.UNROLL, "u") as chain,
            self.context.one_loop(self.lanes, LoopKind.VECTOR, "l") as lane,
        ):
            yield chain * self.lanes + lane

    def combine(self, reduction: Reduction, cells: Buffer) -> Expr:
        """Chains combined by halves, then the lanes of what is left."""
        count = self.chains
        while count > 1:
            count //= 2
            for place in self.each_chain(count):
                pair = [Load(cells, (part,)) for part in (place, place + count * self.lanes)]
                self.builder.store(cells, (place,), combined(reduction.row, *pair))
        return self.context.combine_lanes(reduction, cells, (), self.lanes)

    def chains_of(self, nodes: Sequence[Node], positions: Sequence[int]) -> int:
        """The chains of a pass, by its operations on an element."""
        length = self.plan.shape[-1]
        # Chains without elements change no result, so that nothing depends on leaving them out.
        if not nodes or (isinstance(length, int) and length < schedule.CHAINS * self.lanes):
            return 1
        roots = [node.inputs[0] for node in nodes] + [self.group.outputs[i] for i in positions]
        needed = whole_tensors(roots, set(self.group.nodes), self.plan.shape)
        flops = sum(n.op.row.flops for n in needed if isinstance(n.op, Elementwise))
        return schedule.chains(flops)

    def row_buffer(self, value: Value) -> Buffer:
        """Memory for a row, in whole vectors."""
        length = self.plan.shape[-1]
        assert isinstance(length, int)
        whole = -(-length // self.lanes) * self.lanes
        dtype = dtypes.compute_dtype(value.type.dtype)
        return self.builder.alloc(dtype, (whole,), Space.GLOBAL, "row")

    def accumulate(self, reduction: Reduction, cells: Buffer, column: Expr, lane: Expr) -> None:
        """One vector more."""
        before = Load(cells, (lane,))
        value = self.builder.let(reduction.body([column]))
        after = combined(reduction.row, before, value)
        mask = self.context.mask
        after = after if mask is None else Select(mask, after, before)
        self.builder.store(cells, (lane,), after)

    def columns(self, length: Size) -> Iterator[tuple[Expr, Expr]]:
        """The columns of a row with their places in the chains; the rest under a mask."""
        context, lanes = self.context, self.lanes
        whole, rest = divided(length, lanes)
        rounds, single = divided(whole, self.chains) if self.chains > 1 else (0, whole)
        if rounds != 0:
            with context.one_loop(rounds) as block:
                for place in self.each_chain(self.chains):
                    yield block * (self.chains * lanes) + place, place
        if single != 0:
            done = index_of(rounds) * (self.chains * lanes)
            with (
                context.one_loop(single) as block,
                context.one_loop(lanes, LoopKind.VECTOR, "l") as lane,
            ):
                yield done + block * lanes + lane, lane
        if rest != 0:
            start, count = index_of(whole) * lanes, index_of(rest)
            with (
                context.one_loop(lanes, LoopKind.VECTOR, "l") as lane,
                context.masked(lane < count),
            ):
                yield start + lane, lane
