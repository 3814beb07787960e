"""Kernels that work on one row of the last axis at a time: softmax, normalisations, losses.

    for row                                             parallel
      for column in vectors:                            a pass over the row
        what reductions of the first stage read; sums go on in registers
      ...                                               a pass for each further stage
      for column in vectors:
        what is computed from all reductions

Sums down the columns, as in the gradient of a scale, go on in memory while the rows pass by, for a
chunk of rows each; the chunks are combined in their order at the end.

Reductions of one stage do not depend on each other and share a pass. What costs more to compute
than to load, and is needed in several passes, waits in a buffer as long as a row.
"""

from __future__ import annotations

from collections.abc import Iterator

from irflow import dims, dtypes
from irflow.dims import Size
from irflow.ir.graph import Node, Value
from irflow.loops import Buffer, Expr, Load, LoopKind, Select, Space
from irflow.lowering import schedule
from irflow.lowering.combine import combined
from irflow.lowering.group import Group
from irflow.lowering.nest import Built, NestContext
from irflow.lowering.partial import ColumnSums
from irflow.lowering.row_plan import RowPlan, whole_tensors
from irflow.lowering.target import Target
from irflow.lowering.values import ZERO, Reduction, divided, index_of, narrowed
from irflow.ops import Elementwise

Index = tuple[Expr, ...]


def is_by_rows(group: Group) -> bool:
    """Whether a group has whole tensors behind reductions of their rows, and needs one at a time.

    The pass `fuse` makes no others of more than one stage.
    """
    plan = RowPlan.of(group)
    return plan is not None and (len(plan.reductions) > 2 or any(plan.outputs) or any(plan.columns))


def row_nest(group: Group, target: Target) -> Built:
    """The nest of a group of which `is_by_rows` holds."""
    plan = RowPlan.of(group)
    assert plan is not None
    context = NestContext(group, target)
    _Writer(context, plan).write()
    return context.finish(streams=True)


def nbytes(buffer: Buffer) -> Size:
    """The bytes of a buffer."""
    return dims.product(buffer.shape) * buffer.dtype.itemsize


class _Writer:
    """Writes one kernel."""

    def __init__(self, context: NestContext, plan: RowPlan) -> None:
        self.context, self.plan = context, plan
        self.builder = context.builder
        self.group = context.group
        widest = [dtypes.compute_dtype(type.dtype).itemsize for type in self.group.types]
        self.lanes = context.target.vector_bytes // max(4, *widest)
        self.chains = 1
        self.buffers: dict[Value, Buffer] = {}
        self.sums: ColumnSums | None = None

    def write(self) -> None:
        """All rows; where there are sums down the columns, in chunks, and then what follows."""
        lead = self.plan.shape[:-1]
        anchors = [node for nodes in self.plan.columns for node in nodes]
        if not anchors:
            with self.context.output_loops(lead, in_vectors=False) as row:
                self.rows(row)
            return
        sums = ColumnSums(self.context, anchors, self.plan.shape)
        self.sums = sums
        for row in sums.rows():
            self.rows(row)
        behind = [v.node in self.plan.behind for v in self.group.outputs]
        for index in sums.combined():
            for position, is_behind in enumerate(behind):
                if is_behind:
                    self.store(position, index)

    def rows(self, row: Index) -> None:
        """A row, with what has one number a row."""
        self.passes(row)
        self.store_numbers(row)

    def passes(self, row: Index) -> None:
        """All passes over a row."""
        plan = self.plan
        for number in range(len(plan.reductions)):
            if plan.roots(self.group, number):
                self.one_pass(row, number)

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
        roots = plan.roots(self.group, 0)
        nodes = whole_tensors(roots, set(self.group.nodes), plan.shape)
        read = dict.fromkeys([*roots, *(value for node in nodes for value in node.inputs)])
        buffers = self.context.buffers
        return [buffers[v] for v in read if v in buffers and v.type.shape == plan.shape]

    def store_numbers(self, row: Index) -> None:
        """Outputs with one number a row."""
        for position, value in enumerate(self.group.outputs):
            if value.type.shape != self.plan.shape and value.node not in self.plan.behind:
                place = row if len(value.type.shape) == len(row) else (*row, ZERO)
                self.store(position, place)

    def store(self, position: int, index: Index) -> None:
        value, buffer = self.group.outputs[position], self.context.outputs[position]
        element = narrowed(self.context.at(value, index), buffer.dtype)
        self.builder.store(buffer, index, element, self.context.mask)

    def one_pass(self, row: Index, number: int) -> None:
        """One pass over a row, with what becomes of its reductions."""
        nodes, kept = self.plan.reductions[number], self.plan.kept[number]
        found = [self.reduction(node, row) for node in nodes]
        self.chains = self.chains_of(number)
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
            for node in self.plan.columns[number]:
                assert self.sums is not None
                self.sums.add(node, index)
            for position in self.plan.outputs[number]:
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

    def chains_of(self, number: int) -> int:
        """The chains of a pass, by its operations on an element."""
        length = self.plan.shape[-1]
        is_short = isinstance(length, int) and length < schedule.CHAINS * self.lanes
        # Chains without elements change no result, so that nothing depends on leaving them out.
        if not self.plan.reductions[number] or is_short:
            return 1
        roots = self.plan.roots(self.group, number)
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
