"""The steps of a pipeline that take elements one by one, in the thread that asks for them."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import field
from typing import Any

from irflow.data import elements
from irflow.data.sources import close
from irflow.data.stage import (
    ENDLESS,
    Element,
    Origin,
    Pair,
    Several,
    Stage,
    Step,
    UserFunction,
    describe,
)
from irflow.errors import UsageError
from irflow.records import dataclass


@dataclass(frozen=True, eq=False)
class Map(Step):
    """The results of a function on each element."""

    call: UserFunction

    def pairs(self) -> Iterator[Pair]:
        call = self.call
        for origin, element in self.source.pairs():
            yield origin, call(origin, element)

    def sample(self) -> Element:
        return self.call.apply(self.source.sample())

    def spec(self) -> Element:
        return elements.spec_of(self.sample())


@dataclass(frozen=True, eq=False)
class Filter(Step):
    """The elements for which a function is true."""

    call: UserFunction

    def pairs(self) -> Iterator[Pair]:
        for origin, element in self.source.pairs():
            kept = self.call(origin, element)
            try:
                is_kept = bool(kept)
            except Exception as error:  # an array of several bools
                raise self.call.failure(origin, error, element) from error
            if is_kept:
                yield origin, element

    def length(self) -> None:
        return None


@dataclass(frozen=True, eq=False)
class Cut(Step):
    """Every `step`-th element from `start` on, and before `stop` if there is one."""

    start: int
    stop: int | None
    step: int = 1

    def pairs(self) -> Iterator[Pair]:
        if self.stop == 0:
            return
        pairs = self.source.pairs()
        try:
            yield from itertools.islice(pairs, self.start, self.stop, self.step)
        finally:
            close(pairs)

    def length(self) -> float | None:
        count = self.source.length()
        if count == ENDLESS:
            return ENDLESS if self.stop is None else self._within(self.stop)
        return None if count is None else self._within(int(count))

    def _within(self, count: int) -> int:
        return len(range(count)[self.start : self.stop : self.step])


@dataclass(frozen=True, eq=False)
class Repeat(Step):
    """The elements again and again, `count` times or without end."""

    count: int | None

    def pairs(self) -> Iterator[Pair]:
        passes = itertools.count() if self.count is None else range(self.count)
        for _ in passes:
            is_empty = True
            for pair in self.source.pairs():
                is_empty = False
                yield pair
            if is_empty:  # or an endless repetition of nothing would never return
                return

    def length(self) -> float | None:
        count = self.source.length()
        if count == 0 or self.count == 0:
            return 0
        if self.count is None:
            return ENDLESS
        return None if count is None else count * self.count


@dataclass(frozen=True, eq=False)
class Enumerate(Step):
    """Pairs of a number and an element."""

    start: int

    def pairs(self) -> Iterator[Pair]:
        for number, (origin, element) in enumerate(self.source.pairs(), self.start):
            yield origin, (number, element)

    def sample(self) -> Element:
        return (self.start, self.source.sample())

    def spec(self) -> Element:
        return (elements.spec_of(self.start), self.source.spec())


@dataclass(frozen=True, eq=False)
class Unbatch(Step):
    """The rows of each element as elements of their own."""

    def pairs(self) -> Iterator[Pair]:
        for origin, element in self.source.pairs():
            leaves, structure = elements.flatten(element)
            arrays = [elements.array_of(leaf) for leaf in leaves]
            sizes = {array.shape[:1] for array in arrays}
            if len(sizes) != 1 or () in sizes:
                raise UsageError(
                    "unbatch: the leaves of an element have no common first axis",
                    facts=[*describe(origin), ("element", elements.describe(element))],
                )
            origins = origin.origins if isinstance(origin, Several) else None
            count = len(arrays[0])
            for row in range(count):
                place = origins[row] if origins and len(origins) == count else origin
                yield place, structure.unflatten([array[row] for array in arrays])

    def length(self) -> float | None:
        return self.source.length() if self.source.length() in (0, ENDLESS) else None

    def sample(self) -> Element:
        leaves, structure = elements.flatten(self.source.sample())
        return structure.unflatten([elements.array_of(leaf)[0] for leaf in leaves])

    def spec(self) -> Element:
        return elements.spec_of(self.sample())


@dataclass(frozen=True, eq=False)
class Cache(Step):
    """The elements as the first complete pass gave them, kept in memory."""

    kept: list[list[Pair]] = field(default_factory=list)
    lock: Any = field(default_factory=threading.Lock)

    def pairs(self) -> Iterator[Pair]:
        if self.kept:
            yield from self.kept[0]
            return
        seen: list[Pair] = []
        for pair in self.source.pairs():
            seen.append(pair)
            yield pair
        with self.lock:  # of two first passes at a time, one is kept
            if not self.kept:
                self.kept.append(seen)

    def length(self) -> float | None:
        return len(self.kept[0]) if self.kept else self.source.length()


# -------------------------------------------------------------------------------- several datasets


@dataclass(frozen=True, eq=False)
class Zip(Stage):
    """Tuples of an element of each dataset, up to the end of the shortest."""

    sources: tuple[Stage, ...]

    def pairs(self) -> Iterator[Pair]:
        all_pairs = [source.pairs() for source in self.sources]
        try:
            for row in zip(*all_pairs, strict=False):
                origins, parts = zip(*row, strict=True)
                yield Several(origins), parts
        finally:
            for pairs in all_pairs:
                close(pairs)

    def length(self) -> float | None:
        counts = [source.length() for source in self.sources]
        known = [count for count in counts if count is not None]
        return None if len(known) < len(counts) else min(known)

    def sample(self) -> Element:
        return tuple(source.sample() for source in self.sources)

    def spec(self) -> Element:
        return tuple(source.spec() for source in self.sources)


@dataclass(frozen=True, eq=False)
class Concatenate(Stage):
    """The elements of one dataset after those of another."""

    sources: tuple[Stage, ...]

    def pairs(self) -> Iterator[Pair]:
        for source in self.sources:
            yield from source.pairs()

    def length(self) -> float | None:
        counts = [source.length() for source in self.sources]
        if ENDLESS in counts:
            return ENDLESS
        known = [count for count in counts if count is not None]
        return None if len(known) < len(counts) else sum(known)

    def sample(self) -> Element:
        return self.sources[0].sample()

    def spec(self) -> Element:
        return self.sources[0].spec()


ENDED: Iterator[Pair] = iter(())


@dataclass(frozen=True, eq=False)
class Interleave(Step):
    """The elements of the datasets that a function makes, `block` of each in turn."""

    call: UserFunction
    cycle: int
    block: int
    stage_of: Callable[[Any], Stage]

    def pairs(self) -> Iterator[Pair]:
        waiting = self._inner()
        turn: list[Iterator[Pair]] = list(itertools.islice(waiting, self.cycle))
        try:
            while turn:
                for position, pairs in enumerate(list(turn)):
                    got = list(itertools.islice(pairs, self.block))
                    yield from got
                    if len(got) < self.block:
                        turn[position] = next(waiting, ENDED)
                turn = [pairs for pairs in turn if pairs is not ENDED]
        finally:
            for begun in turn:
                close(begun)
            close(waiting)

    def _inner(self) -> Iterator[Iterator[Pair]]:
        for origin, element in self.source.pairs():
            yield self._with_origin(origin, self.stage_of(self.call(origin, element)))

    def _with_origin(self, origin: Origin, stage: Stage) -> Iterator[Pair]:
        for inner, element in stage.pairs():
            yield Several((origin, inner)), element

    def length(self) -> None:
        return None

    def sample(self) -> Element:
        return self.stage_of(self.call.apply(self.source.sample())).sample()

    def spec(self) -> Element:
        return elements.spec_of(self.sample())
