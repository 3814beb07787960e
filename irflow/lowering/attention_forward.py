"""Attention, block by block.

for each batch, head and block of queries           parallel
  the queries, transposed
  for each block of keys that may be seen
    scores = keys @ queries                         tiles; with their maximum
    powers = exp(scores - top)                      with their sum; what is there is rescaled
    result += powers @ values                       tiles
  result / total

Sources: Milakov and Gimelshein, "Online normalizer calculation for softmax" (2018); Dao et al.,
"FlashAttention" (2022). All sums run in the order of the keys, whatever the number of threads.
"""

from __future__ import annotations

from collections.abc import Iterator

from irflow.ir.graph import Node
from irflow.loops import Apply, Buffer, Expr, Select
from irflow.lowering.attention_blocks import Keys, Place, larger
from irflow.lowering.attention_plan import Plan
from irflow.lowering.attention_scores import Scores
from irflow.lowering.nest import NestContext
from irflow.lowering.values import ZERO, index_of, literal
from irflow.scalars import find


class ForwardWriter(Scores):
    """Writes one kernel."""

    def __init__(self, context: NestContext, plan: Plan, anchor: Node) -> None:
        self.q, self.k, self.v, *terms = anchor.inputs
        super().__init__(context, plan, terms)
        self.grid = plan.grid(plan.width, plan.queries)

    def write(self) -> None:
        """All blocks of queries."""
        plan = self.plan
        with self.shared(*plan.batch, plan.heads, plan.query_blocks) as (*batch, head, block):
            group = self.context.index(head // plan.shared)
            self.block(self.place(batch, head, group, block))

    def block(self, place: Place) -> None:
        """One block of queries."""
        plan = self.plan
        queries = self.turned(plan.features, self.elements(self.q, place, plan.scale))
        self.start_numbers()
        if plan.skips and not plan.is_bounded:
            self.unseen = self.alloc("waiting", 1)
            self.store(self.unseen, (ZERO,), literal(1, plan.dtype))
        self.result: Buffer | None = None if plan.is_single else self.cleared("result", self.grid)
        for keys in self.blocks(place):
            self.score(place, keys, queries)
            self.exponentiate(keys)
            self.add_values(place, keys)
        if self.result is not None:
            self.finish(place, self.result)
        self.store_statistics(place)

    def blocks(self, place: Place) -> Iterator[Keys]:
        """Blocks of keys that may be seen; then others, for queries that have seen none."""
        plan = self.plan
        if not plan.skips or plan.is_bounded:
            yield from self.each_block(self.end(place) if plan.skips else None)
            return
        end, whole = self.end(place), index_of(plan.keys)
        seen = index_of(self.blocks_of(end))
        late = index_of(self.blocks_of(whole - end))
        with self.context.one_loop(seen + late, name="j") as number:
            is_late = self.builder.let(number >= seen, "late")
            behind = end + (number - seen) * plan.block
            first = Select(is_late, behind, number * plan.block)
            keys = self.keys(first, Select(is_late, whole, end))
            assert self.unseen is not None
            has_unseen = Apply(find("greater"), (self.loaded(self.unseen, ZERO), self.zero))
            is_needed = find("logical_or")(find("logical_not")(is_late), has_unseen)
            with self.builder.if_(is_needed):
                yield keys

    # -------------------------------------------------------------------------------------- scores

    def score(self, place: Place, keys: Keys, queries: Buffer) -> None:
        """Scores of a block, and the largest one of each query so far."""
        plan, terms = self.plan, self.joined_terms(place, keys)
        rows = self.rows_of(self.k, keys, place)
        best = self.lowest("best")
        for cells, first in self.each_score_tile(keys, rows, queries, plan.features):
            for r, key, offset, is_there in self.each_score(keys, first):
                found = self.loaded(cells, r, offset)
                found = self.joined(found, terms, place, keys, (key, offset))
                if is_there is not None:
                    found = Select(is_there, found, literal(float("-inf"), plan.dtype))
                found = self.builder.let(found, "score")
                self.store(self.scores, (key, offset), found)
                self.store(best, (offset,), larger(found, self.loaded(best, offset)))
        self.move_top(best)

    # -------------------------------------------------------------------------------------- values

    def add_values(self, place: Place, keys: Keys) -> None:
        """Values of a block, weighted; stored, where there is no other block."""
        values = self.rows_of(self.v, keys, place)
        result, inverse = self.result, self.numbers("inverse")
        if result is None:
            self.invert(inverse)

        def start(row: Expr, column: Expr) -> Expr:
            if result is None:
                return self.zero
            factor = self.builder.let(self.loaded(self.factor, row), "factor")
            return Apply(find("multiply"), (self.loaded(result, row, column), factor))

        def finish(row: Expr, column: Expr, value: Expr) -> None:
            if result is not None:
                self.store(result, (row, column), value)
                return
            by = self.builder.let(self.loaded(inverse, row), "by")
            self.store_row(0, place, row, column, value * by)

        def weight(row: Expr, key: Expr) -> Expr:
            return self.loaded(self.scores, key, row)

        extents = place.count, keys.count
        self.multiply(self.grid, extents, (weight, values), start, finish)

    def finish(self, place: Place, result: Buffer) -> None:
        """Divide all that was added up by the sums."""
        inverse = self.numbers("inverse")
        self.invert(inverse)
        for row, column in self.context.vector_loops((place.count, self.plan.width), "q"):
            by = self.builder.let(self.loaded(inverse, row), "by")
            self.store_row(0, place, row, column, self.loaded(result, row, column) * by)

    def store_statistics(self, place: Place) -> None:
        """The largest score and the sum of each query, where they are wanted."""
        for buffer, numbers in zip(self.context.outputs[1:], (self.used, self.total), strict=False):
            for offset in self.each_lane():
                index = (*place.batch, place.head, place.start + offset)
                where = tuple(map(self.context.index, index))
                value = self.loaded(numbers, offset)
                self.builder.store(buffer, where, value, self.valid(place, offset))
