"""Scores of a block of queries and a block of keys: products, with what joins them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from irflow import dtypes
from irflow.dtypes import i64
from irflow.ir.graph import Value
from irflow.loops import Apply, Buffer, Cast, Expr, Load, LoopKind, Select
from irflow.lowering.attention_blocks import Blocks, Element, Keys, Place, larger
from irflow.lowering.attention_plan import Plan
from irflow.lowering.nest import NestContext
from irflow.lowering.tile import TRUE, Pass
from irflow.lowering.values import ZERO, index_of, literal, minimum
from irflow.ops.attention_forms import BLOCKED
from irflow.records import dataclass
from irflow.scalars import find


@dataclass(frozen=True, slots=True)
class Term:
    """A term of the scores of a block.

    Attributes:
        value: the operand.
        copy: its elements as `[0, key, query]`, where both say which one it is.
    """

    value: Value
    copy: Buffer | None


class Scores(Blocks):
    """Writes scores of one kernel.

    Args:
        context: where to.
        plan: sizes of blocks and tiles.
        terms: operands that join the scores.
    """

    def __init__(self, context: NestContext, plan: Plan, terms: Sequence[Value]) -> None:
        super().__init__(context, plan)
        self.terms = terms

    # --------------------------------------------------------------------------------------- terms

    def joined_terms(self, place: Place, keys: Keys) -> list[Term]:
        """The terms for a block of scores."""
        return [Term(value, self._turned_term(value, place, keys)) for value in self.terms]

    def _turned_term(self, value: Value, place: Place, keys: Keys) -> Buffer | None:
        if 1 in value.type.shape[-2:]:
            return None

        def at(key: Expr, offset: Expr) -> Expr:
            index = self._term_index(value, place, self.query(place, offset), key)
            return self._number(self.context.at(value, index))

        return self.turned_rows(self.plan.block, Pass(keys.first, keys.count), at)

    def _number(self, element: Expr) -> Expr:
        """An element as a float; 1 for true."""
        if element.dtype is not dtypes.bool_:
            return element
        one, none = (literal(x, self.plan.dtype) for x in (1, 0))
        return Select(element, one, none)

    def _term_index(self, value: Value, place: Place, query: Expr, key: Expr) -> list[Expr]:
        index = [*place.batch, place.head, query, key]
        return [
            ZERO if size == 1 else part for size, part in zip(value.type.shape, index, strict=True)
        ]

    def _term_at(self, term: Term, place: Place, first: Expr, key: Expr, offset: Expr) -> Expr:
        """An element of a term at a key of the block and a query of it."""
        if term.copy is not None:
            return self.loaded(term.copy, ZERO, key, offset)
        number = minimum(first + key, index_of(self.plan.keys) - 1)
        index = self._term_index(term.value, place, place.start + offset, number)
        with self.context.masked(self.valid(place, offset) or TRUE):
            return self.context.at(term.value, index)

    def joined(
        self, score: Expr, terms: Sequence[Term], place: Place, keys: Keys, at: tuple[Expr, Expr]
    ) -> Expr:
        """A score with the terms added, or replaced where it is blocked."""
        key, offset = at
        for term in terms:
            if term.value.type.dtype is not dtypes.bool_:
                score = score + self._term_at(term, place, keys.first, key, offset)
        blocked = literal(BLOCKED, self.plan.dtype)
        for condition in self.conditions(terms, place, keys, at):
            score = Select(condition, score, blocked)
        return score

    def conditions(
        self, terms: Sequence[Term], place: Place, keys: Keys, at: tuple[Expr, Expr]
    ) -> Iterator[Expr]:
        """What has to hold for a score not to be replaced."""
        key, offset = at
        for term in terms:
            if term.value.type.dtype is dtypes.bool_:
                element = self._term_at(term, place, keys.first, key, offset)
                if element.dtype is not dtypes.bool_:
                    element = Apply(find("greater"), (element, literal(0, element.dtype)))
                yield element
        if self.plan.is_causal:
            # In floats, whose comparisons take one instruction; offsets are small numbers.
            dtype, plan = self.plan.dtype, self.plan
            shift = index_of(plan.keys - plan.length)
            least = self.builder.let(Cast(dtype, keys.first + key - place.start - shift), "seen")
            yield Apply(find("greater_equal"), (Cast(dtype, offset), least))

    # -------------------------------------------------------------------------------------- scores

    def each_score_tile(
        self, keys: Keys, left: Element, right: Buffer, size: int
    ) -> Iterator[tuple[Buffer, Expr]]:
        """Tiles of products of keys, or values, with a turned block of queries.

        Args:
            keys: the block.
            left: rows of the keys by their number in the block, and the feature.
            right: `[0, feature, query]`.
            size: features.

        Yields:
            The sums, and the first key of the tile in the block.
        """
        plan = self.plan
        widths = (plan.lanes,) * plan.vectors
        with self.context.one_loop(self.whole(keys.count, plan.rows), name="i") as number:
            first = self.context.index(number * plan.rows)
            rows = self._row_numbers(keys, first)
            cells = self.sums(plan.rows, widths, lambda *_: self.zero)
            self.add_products(
                cells,
                widths,
                size,
                lambda r, k: left(rows(r), k),
                lambda k, offset: self.loaded(right, ZERO, k, offset),
            )
            yield cells, first

    def _row_numbers(self, keys: Keys, first: Expr) -> Callable[[Expr], Expr]:
        """The rows of a tile; the last key again behind the end."""
        plan = self.plan
        if isinstance(plan.keys, int) and plan.keys % plan.rows == 0 and not self.may_shift:
            return lambda r: first + r
        numbers = self.builder.alloc(i64, (plan.rows,), name="rows")
        last = index_of(keys.count) - 1
        with self.context.one_loop(plan.rows, LoopKind.UNROLL, "r") as r:
            self.builder.store(numbers, (r,), self.context.index(minimum(first + r, last)))
        return lambda r: Load(numbers, (r,))

    @property
    def may_shift(self) -> bool:
        """Whether blocks may start at any key."""
        return self.plan.skips and not self.plan.is_bounded

    def each_score(self, keys: Keys, first: Expr) -> Iterator[tuple[Expr, Expr, Expr, Expr | None]]:
        """Row in the tile, key in the block, query in the block; and whether there is such a key.

        None stands for "yes".
        """
        plan = self.plan
        is_whole = isinstance(keys.count, int) and keys.count % plan.rows == 0
        with self.context.one_loop(plan.rows, LoopKind.UNROLL, "r") as r:
            key = self.context.index(first + r)
            there = None if is_whole else self.builder.let(key < index_of(keys.count), "there")
            for offset in self.each_lane():
                yield r, key, offset, there

    def has_unseen(self, top: Buffer) -> Expr:
        """Whether no score of some query is above that of blocked keys, as a float above 0."""
        flag = self.alloc("unseen", 1)
        blocked, one = literal(BLOCKED, self.plan.dtype), literal(1, self.plan.dtype)
        self.store(flag, (ZERO,), self.zero)
        with self.context.one_loop(self.plan.queries, name="q") as offset:
            has_seen = Apply(find("greater"), (self.loaded(top, offset), blocked))
            self.store(flag, (ZERO,), Select(has_seen, self.loaded(flag, ZERO), one))
        return self.builder.let(self.loaded(flag, ZERO), "unseen")

    # -------------------------------------------------------------------------------------- powers

    def start_numbers(self) -> None:
        """Memory for a block of scores, and numbers a query before the first block."""
        plan = self.plan
        self.scores = self.alloc("scores", plan.block, plan.queries)
        self.top = self.numbers("top", float("-inf"))
        self.used, self.factor = self.numbers("used"), self.numbers("factor")
        self.total = self.numbers("total", 0.0)
        self.unseen: Buffer | None = None

    def lowest(self, name: str) -> Buffer:
        """Registers for the largest scores of a block, before the first."""
        found = self.builder.alloc(self.plan.dtype, (self.plan.queries,), name=name)
        for offset in self.each_lane():
            self.store(found, (offset,), literal(float("-inf"), self.plan.dtype))
        return found

    def move_top(self, best: Buffer) -> None:
        """Take in the largest scores of a block; by what older sums are to be multiplied."""
        exp, isfinite = find("exp"), find("isfinite")
        for offset in self.each_lane():
            before = self.builder.let(self.loaded(self.top, offset), "before")
            top = self.builder.let(larger(before, self.loaded(best, offset)), "top")
            used = self.builder.let(Select(isfinite(top), top, self.zero), "used")
            self.store(self.top, (offset,), top)
            self.store(self.used, (offset,), used)
            self.store(self.factor, (offset,), exp(before - used))
        if self.unseen is not None:
            self.store(self.unseen, (ZERO,), self.has_unseen(self.top))

    def exponentiate(self, keys: Keys) -> None:
        """Powers in the place of the scores of a block, and their sums."""
        sums = self.builder.alloc(self.plan.dtype, (self.plan.queries,), name="sum")
        for offset in self.each_lane():
            self.store(sums, (offset,), self.zero)
        with self.context.one_loop(keys.count, name="k") as key:
            for offset in self.each_lane():
                below = self.loaded(self.scores, key, offset) - self.loaded(self.used, offset)
                power = self.builder.let(find("exp")(below), "power")
                self.store(self.scores, (key, offset), power)
                self.store(sums, (offset,), self.loaded(sums, offset) + power)
        for offset in self.each_lane():
            before = self.loaded(self.total, offset) * self.loaded(self.factor, offset)
            self.store(self.total, (offset,), before + self.loaded(sums, offset))

    def invert(self, buffer: Buffer) -> None:
        """1 through the sum of each query."""
        for offset in self.each_lane():
            self.store(buffer, (offset,), 1 / self.loaded(self.total, offset))
