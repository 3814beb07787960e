"""Attention of one query, as in decoding: bound by the bytes of keys and values.

for each batch and chunk of keys                    parallel
  for each key                                      in the order in which they lie in memory
    scores of all heads                             heads along the lanes
  powers = exp(scores - top)                        with their sum
  for some keys, for each head
    part of the result += powers @ values
for each batch                                      parallel
  parts of all chunks, in order, each rescaled to the largest score of all

Chunks depend on shapes and the `Target` only, and so does the order of every sum. Source of the
combination: Dao et al., "Flash-Decoding for long-context inference" (2023).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from irflow import dims
from irflow.ir.graph import Node, Value
from irflow.loops import Apply, Buffer, Expr, Load, LoopKind, Ramp, Space, integer
from irflow.loops.intrinsics import multiply_add
from irflow.lowering.attention_blocks import Keys, Place, larger, scaled
from irflow.lowering.attention_plan import Plan
from irflow.lowering.attention_scores import Scores, Term
from irflow.lowering.nest import NestContext
from irflow.lowering.packing import summed
from irflow.lowering.tile import TRUE
from irflow.lowering.values import ZERO, index_of, minimum, narrowed
from irflow.scalars import find

KEYS = 16
"""So many keys go into the results of a head before those of the next."""

Row = Callable[[Expr, Expr, Expr], Expr]
"""An element by its key in the chunk, its head of keys, and its number."""


class DecodingWriter(Scores):
    """Writes one kernel.

    Args:
        context: where to.
        plan: with heads along the lanes, and a chunk of keys as its block.
        anchor: the op.
    """

    def __init__(self, context: NestContext, plan: Plan, anchor: Node) -> None:
        self.q, self.k, self.v, *terms = anchor.inputs
        super().__init__(context, plan, terms)
        self.grid = plan.grid(plan.width, plan.shared)
        self.chunks = dims.ceil_div(plan.keys, plan.block)

    def write(self) -> None:
        """All chunks, and what they come to."""
        plan, alloc = self.plan, self.builder.alloc
        each = (*plan.batch, self.chunks)
        self.tops = alloc(plan.dtype, (*each, plan.queries), Space.GLOBAL, "tops")
        self.totals = alloc(plan.dtype, (*each, plan.queries), Space.GLOBAL, "totals")
        parts = (*each, plan.heads, self.grid.padded)
        self.parts = alloc(plan.dtype, parts, Space.GLOBAL, "parts")
        with self.shared(*each) as (*batch, chunk):
            self.chunk(batch, chunk)
        with self.shared(*plan.batch) as batch:
            self.combine(batch)

    def chunk(self, batch: Sequence[Expr], chunk: Expr) -> None:
        """The results of a chunk of keys, and the largest score and the sum of each head."""
        plan = self.plan
        keys = self.keys(self.context.index(chunk * plan.block), index_of(plan.keys))
        self.start_numbers()
        self.score(batch, keys)
        self.exponentiate(keys)
        self.add_values(batch, chunk, keys)
        for offset in self.each_lane():
            place = (*batch, chunk, offset)
            self.store(self.tops, place, self.loaded(self.top, offset))
            self.store(self.totals, place, self.loaded(self.total, offset))

    # -------------------------------------------------------------------------------------- scores

    def score(self, batch: Sequence[Expr], keys: Keys) -> None:
        """Scores of a chunk, and the largest one of each head."""
        plan, queries = self.plan, self.scaled_queries(batch)
        rows = self.rows(self.k, batch, keys)
        place = Place(tuple(batch), ZERO, ZERO, ZERO, 1)
        terms = [Term(value, None) for value in self.terms]
        best = self.lowest("best")
        with self.context.one_loop(keys.count, name="k") as key:
            for head, count in self.head_blocks():
                found = self.dots(rows, queries, key, head, count)
                lanes = Ramp(self.context.index(head), 1, plan.lanes)
                self.builder.store(self.scores, (key, lanes), found)
            for offset in self.each_lane():
                total = self.loaded(self.scores, key, offset)
                found = self.joined(total, terms, place, keys, (key, offset))
                found = self.builder.let(found, "score")
                self.store(self.scores, (key, offset), found)
                self.store(best, (offset,), larger(found, self.loaded(best, offset)))
        self.move_top(best)

    def scaled_queries(self, batch: Sequence[Expr]) -> Buffer:
        """The query of each head times the scale, `[head, feature]`."""
        plan = self.plan
        copy = self.alloc("queries", plan.heads, plan.features)
        for head, k in self.context.vector_loops((plan.heads, plan.features), "q"):
            element = self.context.at(self.q, [*batch, ZERO, head, k])
            self.store(copy, (head, k), scaled(element, plan.scale))
        return copy

    def head_blocks(self) -> Iterator[tuple[Expr, int]]:
        """The first head of each vector of them, and how many they are."""
        whole, rest = divmod(self.plan.heads, self.plan.lanes)
        if whole:
            with self.context.one_loop(whole, name="h") as number:
                yield number * self.plan.lanes, self.plan.lanes
        if rest:
            yield integer(whole * self.plan.lanes), rest

    def dots(self, rows: Row, queries: Buffer, key: Expr, head: Expr, count: int) -> Expr:
        """A vector of the scores of `count` heads."""
        plan, builder = self.plan, self.builder
        cells = builder.alloc(plan.dtype, (count, plan.lanes), name="dots")
        heads = range(count)
        with self.context.one_loop(plan.lanes, LoopKind.VECTOR, "l") as lane:
            for h in heads:
                self.store(cells, (integer(h), lane), self.zero)
        whole, rest = divmod(plan.features, plan.lanes)
        for offset in self.columns((plan.lanes,) * whole + ((rest,) if rest else ())):
            lane = self.context.index(offset % plan.lanes)
            for h in heads:
                group = self.group(head, h)
                sofar = self.loaded(cells, integer(h), lane)
                query = Load(queries, self.indices(head + h, offset), self.context.mask)
                total = multiply_add(query, rows(key, group, offset), sofar)
                self.builder.store(cells, (integer(h), lane), total)
        ramp = Ramp(ZERO, 1, plan.lanes)
        found = [builder.let(Load(cells, (integer(h), ramp)), "row") for h in heads]
        return summed(self.context, found)

    def group(self, head: Expr, h: int) -> Expr:
        """The head of keys for the head `h` of a vector of them that starts at `head`."""
        shared = self.plan.shared
        if self.plan.lanes % shared == 0:
            return self.context.index(head // shared + h // shared)
        return self.context.index((head + h) // shared)

    def indices(self, *parts: Expr) -> tuple[Expr, ...]:
        return tuple(map(self.context.index, parts))

    def _term_at(self, term: Term, place: Place, first: Expr, key: Expr, offset: Expr) -> Expr:
        """An element of a term at a key of the chunk and a head."""
        index, shape = [*place.batch, offset, ZERO, first + key], term.value.type.shape
        index = [ZERO if n == 1 else part for n, part in zip(shape, index, strict=True)]
        with self.context.masked(TRUE if shape[-3] == 1 else offset < self.plan.heads):
            return self.context.at(term.value, index)

    # -------------------------------------------------------------------------------------- values

    def rows(self, value: Value, batch: Sequence[Expr], keys: Keys) -> Row:
        """Rows of a chunk: where they are, or copied where heads would compute them anew."""
        plan, size = self.plan, value.type.shape[-1]

        def at(key: Expr, group: Expr, number: Expr) -> Expr:
            found: Expr = self.context.at(value, [*batch, keys.first + key, group, number])
            return found

        if plan.shared == 1 or self.is_plain(value):
            return at
        assert isinstance(size, int)
        copy = self.alloc("rows", plan.block, plan.groups, size)
        with (
            self.context.loops((keys.count, plan.groups), name="k") as (key, group),
            self.context.one_loop(size, LoopKind.VECTOR, "l") as number,
        ):
            self.store(copy, (key, group, number), at(key, group, number))
        return lambda *place: Load(copy, self.indices(*place), self.context.mask)

    def add_values(self, batch: Sequence[Expr], chunk: Expr, keys: Keys) -> None:
        """Values of a chunk, weighted and summed up for each head."""
        plan, rows = self.plan, self.rows(self.v, batch, keys)
        for head, column in self.context.vector_loops((plan.heads, self.grid.padded), "q"):
            self.store(self.parts, (*batch, chunk, head, column), self.zero)
        with (
            self.context.one_loop(self.whole(index_of(keys.count), KEYS), name="j") as number,
            self.context.one_loop(plan.heads // self.grid.rows, name="h") as block,
        ):
            head = self.context.index(block * self.grid.rows)
            self.add_some(batch, chunk, rows, self.some_keys(keys, number), head)

    def some_keys(self, keys: Keys, number: Expr) -> Keys:
        """Some of the keys of a chunk, counted from its start."""
        first = self.context.index(number * KEYS)
        left = minimum(integer(KEYS), index_of(keys.count) - first)
        return Keys(first, self.context.known_extent(self.context.index(left)))

    def add_some(
        self, batch: Sequence[Expr], chunk: Expr, rows: Row, keys: Keys, head: Expr
    ) -> None:
        """Some values, for the heads of a tile."""
        group = self.context.index(head // self.plan.shared)

        def weight(r: Expr, k: Expr) -> Expr:
            return self.loaded(self.scores, keys.first + k, head + r)

        for start, widths in self.tiles():

            def part(r: Expr, c: Expr, start: Expr = start) -> tuple[Expr, ...]:
                return (*batch, chunk, head + r, start + c)

            def value(k: Expr, c: Expr, start: Expr = start) -> Expr:
                return rows(keys.first + k, group, start + c)

            cells = self.sums(
                self.grid.rows, widths, lambda r, c: self.loaded(self.parts, *part(r, c))
            )
            self.add_products(cells, widths, keys.count, weight, value)
            for offset in self.columns(widths):
                with self.context.one_loop(self.grid.rows, LoopKind.UNROLL, "r") as r:
                    self.store(self.parts, part(r, offset), self.loaded(cells, r, offset))

    def tiles(self) -> Iterator[tuple[Expr, tuple[int, ...]]]:
        """The first column and the widths of the vectors of each tile of a result."""
        start = 0
        for widths in self.grid.tiles:
            yield integer(start), widths
            start += len(widths) * self.grid.lanes

    # ---------------------------------------------------------------------------------- all chunks

    def combine(self, batch: Sequence[Expr]) -> None:
        """The results of all heads from those of the chunks."""
        plan = self.plan
        self.start_numbers()
        best = self.lowest("best")
        with self.context.one_loop(self.chunks, name="c") as chunk:
            for offset in self.each_lane():
                top = self.loaded(self.tops, *batch, chunk, offset)
                self.store(best, (offset,), larger(top, self.loaded(best, offset)))
        self.move_top(best)
        factors = self.chunk_factors(batch)
        inverse = self.numbers("inverse")
        self.invert(inverse)
        with self.context.one_loop(plan.heads, name="h") as head:
            by = self.builder.let(self.loaded(inverse, head), "by")
            for start, widths in self.tiles():
                for column, total in self.combined(batch, head, factors, start, widths):
                    output, place = self.context.outputs[0], (*batch, ZERO, head, column)
                    self.store(output, place, narrowed(total * by, output.dtype))
        self.store_statistics(batch)

    def combined(
        self,
        batch: Sequence[Expr],
        head: Expr,
        factors: Buffer,
        start: Expr,
        widths: tuple[int, ...],
    ) -> Iterator[tuple[Expr, Expr]]:
        """The columns of a tile, and the sums of the parts of all chunks."""

        def factor(_: Expr, chunk: Expr) -> Expr:
            return self.loaded(factors, chunk, head)

        def part(chunk: Expr, column: Expr) -> Expr:
            return self.loaded(self.parts, *batch, chunk, head, start + column)

        cells = self.sums(1, widths, lambda *_: self.zero)
        self.add_products(cells, widths, self.chunks, factor, part)
        for offset in self.columns(widths):
            yield start + offset, self.loaded(cells, ZERO, offset)

    def chunk_factors(self, batch: Sequence[Expr]) -> Buffer:
        """By what the results of each chunk are multiplied, `[chunk, head]`; sums their sums up."""
        plan, exp = self.plan, find("exp")
        factors = self.builder.alloc(
            plan.dtype, (self.chunks, plan.queries), Space.GLOBAL, "factors"
        )
        with self.context.one_loop(self.chunks, name="c") as chunk:
            for offset in self.each_lane():
                top = self.builder.let(self.loaded(self.tops, *batch, chunk, offset), "top")
                factor = exp(top - self.loaded(self.used, offset))
                factor = self.builder.let(factor, "factor")
                own = self.loaded(self.totals, *batch, chunk, offset)
                total = Apply(find("multiply"), (own, factor)) + self.loaded(self.total, offset)
                self.store(factors, (chunk, offset), factor)
                self.store(self.total, (offset,), total)
        return factors

    def store_statistics(self, batch: Sequence[Expr]) -> None:
        """The largest score and the sum of each head, where they are wanted."""
        for buffer, numbers in zip(self.context.outputs[1:], (self.used, self.total), strict=False):
            with self.context.one_loop(self.plan.heads, LoopKind.VECTOR, "l") as head:
                self.store(buffer, (*batch, head, ZERO), self.loaded(numbers, head))
