"""The gradient of attention, block by block.

for each batch and head of keys                     parallel
  for each chunk of queries                         parallel too, where heads are few
    for each head and block of queries
      queries and cotangents, transposed
      for each block of keys that was seen
        weights = exp(keys @ queries - top) / total tiles
        inner = weights * (values @ cotangents - delta)
        gradient of values += weights @ cotangents
        gradient of keys += inner @ queries
        gradient of queries += inner^T @ keys
  gradients of keys and values: the sums of all chunks

Source: Dao et al., "FlashAttention" (2022). What is added up for a key comes in the order of the
chunks, the heads and the queries. How many chunks there are depends on one head's sizes only.
"""

from __future__ import annotations

from collections.abc import Sequence

from irflow import dims
from irflow.dims import Size
from irflow.ir.graph import Node, Value
from irflow.loops import Apply, Buffer, Expr, LoopKind, Select, Space, integer
from irflow.lowering.attention_blocks import Element, Keys, Place
from irflow.lowering.attention_plan import Grid, Plan
from irflow.lowering.attention_scores import Scores
from irflow.lowering.nest import NestContext
from irflow.lowering.values import ZERO, index_of, literal, minimum, narrowed
from irflow.ops.attention_forms import BLOCKED
from irflow.scalars import find


class GradientWriter(Scores):
    """Writes one kernel."""

    def __init__(self, context: NestContext, plan: Plan, anchor: Node) -> None:
        self.q, self.k, self.v, self.g, *numbers = anchor.inputs
        self.given = numbers[:3]
        super().__init__(context, plan, numbers[3:])
        self.queries = plan.grid(plan.features, plan.queries)
        self.keys_grid = plan.grid(plan.features, plan.rows)
        self.values_grid = plan.grid(plan.width, plan.rows)

    def write(self) -> None:
        """All heads of keys."""
        plan = self.plan
        each = (*plan.batch, plan.groups)
        if plan.chunks == 1 or not plan.has_few_heads:
            with self.shared(*each) as (*batch, group):
                self.allocate(())
                with self.context.one_loop(plan.chunks, name="c") as chunk:
                    self.chunk(batch, group, chunk, (chunk,))
                with self.context.one_loop(plan.keys, name="k") as row:
                    self.store_key((*batch, row, group), ())
            return
        self.allocate(each)
        with self.shared(*each, plan.chunks) as (*batch, group, chunk):
            self.chunk(batch, group, chunk, (*batch, group, chunk))
        with self.shared(*each, plan.keys) as (*batch, group, row):
            self.store_key((*batch, row, group), (*batch, group))

    def allocate(self, heads: Sequence[Size]) -> None:
        """Memory for the sums of each chunk: `[*heads, chunk, key, number]`, keys' then values'."""
        plan = self.plan
        # One piece, since of several large ones the system takes some back after each call.
        width = self.keys_grid.padded + self.values_grid.padded
        shape = (*heads, plan.chunks, plan.keys + plan.rows, width)
        self.total = self.builder.alloc(plan.dtype, shape, Space.GLOBAL, "total")

    def chunk(
        self, batch: Sequence[Expr], group: Expr, chunk: Expr, where: tuple[Expr, ...]
    ) -> None:
        """What a chunk of queries adds to the keys and values of a head; `where` its sums are."""
        plan, self.where = self.plan, where
        *_, rows, width = self.total.shape
        for row, column in self.context.vector_loops((rows, width), "q"):
            self.store(self.total, (*where, row, column), self.zero)
        share = dims.ceil_div(plan.query_blocks, plan.chunks)
        first = self.context.index(chunk * index_of(share))
        left = minimum(index_of(share), index_of(plan.query_blocks) - first)
        count = share if plan.chunks == 1 else self.context.known_extent(self.context.index(left))
        with self.context.loops((plan.shared, count), name="h") as (h, number):
            head = self.context.index(group * plan.shared + h)
            self.block(self.place(batch, head, group, first + number))

    def store_key(self, place: tuple[Expr, ...], heads: tuple[Expr, ...]) -> None:
        """The sums of all chunks for a key and a value."""
        plan = self.plan
        found = (0, plan.features, plan.scale), (self.keys_grid.padded, plan.width, 1.0)
        *_, row, _ = place
        for (start, width, factor), buffer in zip(found, self.context.outputs[1:], strict=True):
            with self.context.one_loop(width, LoopKind.VECTOR, "l") as column:
                value = self.loaded(self.total, *heads, ZERO, row, start + column)
                for chunk in range(1, plan.chunks):
                    where = (*heads, integer(chunk), row, start + column)
                    value = value + self.loaded(self.total, *where)
                value = value if factor == 1 else value * factor
                self.store(buffer, (*place, column), narrowed(value, buffer.dtype))

    # -------------------------------------------------------------------------------------- blocks

    def block(self, place: Place) -> None:
        """One block of queries."""
        plan = self.plan
        queries = self.turned(plan.features, self.elements(self.q, place, plan.scale))
        cotangents = self.turned(plan.width, self.elements(self.g, place))
        self.weights = self.alloc("weights", plan.block, plan.queries)
        self.inner = self.alloc("inner", plan.block, plan.queries)
        self.fetch_numbers(place)
        rows = self.query_rows(self.q, place), self.query_rows(self.g, place)
        result = None if plan.is_single else self.cleared("result", self.queries)
        end = self.end_of_seen(place) if plan.skips else None
        for keys in self.each_block(end):
            own, values = (self.rows_of(x, keys, place) for x in (self.k, self.v))
            self.weigh(place, keys, own, queries)
            self.differentiate(keys, values, cotangents)
            self.add(self.values_grid, keys, place, (self.weights, rows[1]), self.keys_grid.padded)
            self.add(self.keys_grid, keys, place, (self.inner, rows[0]), 0)
            self.add_queries(place, keys, own, result)
        if result is not None:
            for row, column in self.context.vector_loops((place.count, plan.features), "q"):
                self.store_query(place, row, column, self.loaded(result, row, column))

    def fetch_numbers(self, place: Place) -> None:
        """What there is one number of for each query, in order."""
        self.delta, self.top, self.inverse = (
            self.numbers(name) for name in ("delta", "top", "inverse")
        )
        delta, top, total = self.given
        with self.context.one_loop(self.plan.queries, name="q") as offset:
            query = self.context.index(self.query(place, offset))
            by_head = [*place.batch, place.head, query]
            self.store(
                self.delta, (offset,), self.context.at(delta, [*place.batch, query, place.head])
            )
            self.store(self.top, (offset,), self.context.at(top, by_head))
            self.store(self.inverse, (offset,), 1 / self.context.at(total, by_head))

    def end_of_seen(self, place: Place) -> Expr:
        """The first key that counts for no query of a block: all count for one that saw none."""
        end = self.end(place)
        if self.plan.is_bounded:
            return end
        is_any = Apply(find("greater"), (self.has_unseen(self.top), self.zero))
        return self.builder.let(Select(is_any, index_of(self.plan.keys), end), "end")

    def query_rows(self, value: Value, place: Place) -> Element:
        """Rows of a block of queries, or of cotangents: where they are, or copied."""

        def at(row: Expr, column: Expr) -> Expr:
            index = [*place.batch, place.start + row, place.head, column]
            return self.context.at(value, index)

        if self.is_plain(value):
            return at
        return self.copied(at, place.count, self.plan.queries, value.type.shape[-1])

    # -------------------------------------------------------------------------------------- scores

    def weigh(self, place: Place, keys: Keys, rows: Element, queries: Buffer) -> None:
        """The weights of a block."""
        terms = self.joined_terms(place, keys)
        for cells, first in self.each_score_tile(keys, rows, queries, self.plan.features):
            for r, key, offset, is_there in self.each_score(keys, first):
                score = self.loaded(cells, r, offset)
                score = self.joined(score, terms, place, keys, (key, offset))
                power = find("exp")(score - self.loaded(self.top, offset))
                weight = power * self.loaded(self.inverse, offset)
                weight = weight if is_there is None else Select(is_there, weight, self.zero)
                self.store(self.weights, (key, offset), weight)

    def differentiate(self, keys: Keys, values: Element, cotangents: Buffer) -> None:
        """The gradients by the scores of a block."""
        blocked = literal(BLOCKED, self.plan.dtype)
        for cells, first in self.each_score_tile(keys, values, cotangents, self.plan.width):
            for r, key, offset, is_there in self.each_score(keys, first):
                below = self.loaded(cells, r, offset) - self.loaded(self.delta, offset)
                found = self.loaded(self.weights, key, offset) * below
                if self.terms or not self.plan.is_bounded:
                    # A query that saw nothing weighs blocked keys, whose scores do not move.
                    has_seen = Apply(find("not_equal"), (self.loaded(self.top, offset), blocked))
                    found = Select(has_seen, found, self.zero)
                found = found if is_there is None else Select(is_there, found, self.zero)
                self.store(self.inner, (key, offset), found)

    # ---------------------------------------------------------------------------------------- sums

    def add(
        self,
        grid: Grid,
        keys: Keys,
        place: Place,
        factors: tuple[Buffer, Element],
        shift: int,
    ) -> None:
        """Rows of a block of queries, summed up for each key from column `shift` on."""
        left, right = factors

        def start(row: Expr, column: Expr) -> Expr:
            return self.loaded(self.total, *self.where, keys.first + row, column + shift)

        def finish(row: Expr, column: Expr, value: Expr) -> None:
            self.store(self.total, (*self.where, keys.first + row, column + shift), value)

        def weight(row: Expr, query: Expr) -> Expr:
            return self.loaded(left, row, query)

        extents = keys.count, place.count
        self.multiply(grid, extents, (weight, right), start, finish)

    def add_queries(self, place: Place, keys: Keys, rows: Element, result: Buffer | None) -> None:
        """Keys of a block, summed up for each query; stored, where there is no other block."""

        def start(row: Expr, column: Expr) -> Expr:
            return self.zero if result is None else self.loaded(result, row, column)

        def finish(row: Expr, column: Expr, value: Expr) -> None:
            if result is None:
                self.store_query(place, row, column, value)
            else:
                self.store(result, (row, column), value)

        def weight(row: Expr, key: Expr) -> Expr:
            return self.loaded(self.inner, key, row)

        extents = place.count, keys.count
        self.multiply(self.queries, extents, (weight, rows), start, finish)

    def store_query(self, place: Place, row: Expr, column: Expr, value: Expr) -> None:
        """Store an element of the gradient by the queries."""
        self.store_row(0, place, row, column, value * self.plan.scale)
