"""Independent steps at the same time, where each of them is too small to be shared by threads.

    a1; a2; b1; b2; c(a2, b2)      ->      fork {a1; a2} {b1; b2}; c

Chains of steps that wait for nothing but themselves are branches of a fork, one thread a branch.
A step that threads share already is in none: it runs before the fork, or after it. The order
depends on shapes, on what steps read and write, and on the `Target`; never on a measurement. Each
step computes what it did before, so the bits stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from itertools import islice, takewhile

from irflow import dims
from irflow.lowering.lifetimes import lifetimes
from irflow.lowering.memory import Interval, least_bytes
from irflow.lowering.program import Storage
from irflow.lowering.steps import (
    ForkStep,
    LoopStep,
    RowsStep,
    Step,
    SwitchStep,
    every_step,
)
from irflow.lowering.target import Target
from irflow.lowering.times import CALL, Time, TimeTable
from irflow.records import dataclass

WINDOW = 32
"""So many steps ahead independent ones are looked for."""

LEAST_GAIN = 3_000
"""What a fork must save, in the units of `grain`; about a microsecond."""

LEAST_SHARE = 8
"""And what part of the time: one divided by this."""

SHARED = 0.75
"""A step is shared by threads well if it takes no more than this part of its work."""

LIGHT_SHARE = 16
"""A step with no more than this part of the work of the heaviest one may come before a fork."""

TYPICAL_SIZE = 64
"""What symbolic sizes are taken for."""


def forked(steps: Sequence[Step], buffers: Sequence[Storage], target: Target) -> tuple[Step, ...]:
    """The steps of a program with forks where these save time.

    Args:
        steps: of the whole program.
        buffers: of the program.
        target: the machine; with one thread nothing changes.
    """
    before = tuple(steps)
    if target.threads < 2:
        return before
    after = _Forker(target.threads, _roots(before)).run(before)
    if after == before:
        return before
    # What runs at the same time cannot share memory; no more than a cache may be needed for that.
    is_small = _peak(after, buffers) <= _peak(before, buffers) + target.l2_bytes
    return after if is_small else before


def _peak(steps: Sequence[Step], buffers: Sequence[Storage]) -> int:
    """The most bytes of temporaries that are needed at once, for typical sizes."""
    wanted = [number for number, storage in enumerate(buffers) if storage.kind == "temporary"]
    symbols = dims.shape_symbols([size for n in wanted for size in buffers[n].type.shape])
    sizes = {symbol.name: TYPICAL_SIZE for symbol in symbols}
    return least_bytes(
        Interval(first, last, dims.evaluate(buffers[number].type.nbytes, sizes))
        for number, (first, last) in lifetimes(steps, wanted).items()
    )


def _roots(steps: Sequence[Step]) -> dict[int, int]:
    """The buffer in which each view lies."""
    found: dict[int, int] = {}
    for step in every_step(steps):
        if isinstance(step, LoopStep | RowsStep):
            found.update((v.view, v.base) for v in step.views)
    return found


# ------------------------------------------------------------------------------------ dependences


@dataclass(frozen=True, slots=True)
class Touched:
    """The buffers that a step reads and writes, by number; of views those in which they lie."""

    reads: frozenset[int]
    writes: frozenset[int]


def touched(step: Step, roots: Mapping[int, int]) -> Touched:
    """What a step touches, those inside of it included."""

    def root(number: int) -> int:
        while number in roots:
            number = roots[number]
        return number

    inner = list(every_step([step]))
    reads = frozenset(root(n) for one in inner for n in one.inputs)
    return Touched(reads, frozenset(root(n) for one in inner for n in one.outputs))


def dependences(steps: Sequence[Step], roots: Mapping[int, int]) -> list[set[int]]:
    """For each step the earlier ones that must come before it."""
    writer: dict[int, int] = {}
    readers: dict[int, list[int]] = {}
    found = []
    for i, step in enumerate(steps):
        used = touched(step, roots)
        before = {writer[n] for n in used.reads | used.writes if n in writer}
        before.update(reader for n in used.writes for reader in readers.pop(n, ()))
        writer.update(dict.fromkeys(used.writes, i))
        for number in used.reads - used.writes:
            readers.setdefault(number, []).append(i)
        found.append(before)
    return found


# ------------------------------------------------------------------------------------------ chains


@dataclass(slots=True)
class _Chain:
    """Steps that wait for nothing but each other, and for what comes before the fork.

    Attributes:
        steps: their numbers.
        work: of all of them, on one thread.
    """

    steps: list[int] = field(default_factory=list)
    work: float = 0.0


@dataclass(slots=True)
class _Plan:
    """What could be done next.

    Attributes:
        first: steps before the fork, by number.
        chains: what may run at the same time.
    """

    first: set[int] = field(default_factory=set)
    chains: list[_Chain] = field(default_factory=list)

    def is_worth_it(self, threads: int) -> bool:
        """Whether a fork saves enough."""
        works = [chain.work for chain in self.chains]
        total = sum(works)
        saved = total - max(max(works, default=0.0), total / threads) - CALL
        return saved >= max(LEAST_GAIN, total / LEAST_SHARE)

    def branches(self, threads: int) -> Iterator[list[int]]:
        """The chains; the smallest ones share branches, so that each is worth a call."""
        waiting, work = list[int](), 0.0
        for chain in self.chains:
            waiting += chain.steps
            work += chain.work
            if work >= LEAST_GAIN / threads:
                yield sorted(waiting)
                waiting, work = [], 0.0
        if waiting:
            yield sorted(waiting)

    def needed(self, before: Sequence[set[int]]) -> list[int]:
        """Those of the first steps for which the chains wait, in order."""
        wanted = {n for chain in self.chains for i in chain.steps for n in before[i]}
        for i in sorted(self.first, reverse=True):
            if i in wanted:
                wanted |= before[i]
        return sorted(self.first & wanted)


class _Forker:
    """Puts forks into lists of steps.

    Args:
        threads: how many there are.
        roots: the buffer in which each view lies.
    """

    def __init__(self, threads: int, roots: Mapping[int, int]) -> None:
        self.threads, self.roots = threads, roots
        self.times = TimeTable(threads)

    def run(self, steps: Sequence[Step]) -> tuple[Step, ...]:
        """The same steps in an order with forks."""
        before = dependences(steps, self.roots)
        times = [self.times.of(step) for step in steps]
        left, result = dict.fromkeys(range(len(steps))), list[Step]()
        while left:
            plan = self._plan(times, before, left)
            forks = list(plan.branches(self.threads)) if plan.is_worth_it(self.threads) else []
            taken = plan.needed(before) if forks else [next(iter(left))]
            result += [self._inside(steps[i]) for i in taken]
            if forks:
                result.append(ForkStep(tuple(tuple(steps[i] for i in fork) for fork in forks)))
            for i in [*taken, *(i for fork in forks for i in fork)]:
                del left[i]
        return tuple(result)

    def _inside(self, step: Step) -> Step:
        """A step whose parts may have forks; not where threads share it already."""
        if isinstance(step, LoopStep):
            return replace(step, body=self.run(step.body))
        if isinstance(step, SwitchStep):
            return replace(step, branches=tuple(self.run(branch) for branch in step.branches))
        return step

    def _plan(
        self, times: Sequence[Time | None], before: Sequence[set[int]], left: Mapping[int, None]
    ) -> _Plan:
        """Chains among the next steps, up to one of which no time is known."""
        next_ones = list(takewhile(lambda i: times[i] is not None, islice(left, WINDOW)))
        known = {i: time for i in next_ones if (time := times[i]) is not None}
        serial = [time.work for time in known.values() if not _is_shared(time)]
        light = max(serial, default=0.0) / LIGHT_SHARE
        plan, home = _Plan(), dict[int, _Chain | None]()
        for i, time in known.items():
            homes = [home[n] for n in before[i] if n in left and n not in plan.first]
            is_first = _is_shared(time) or time.work <= light
            if not homes and is_first:
                plan.first.add(i)
                continue
            chain = _common(homes)
            home[i] = None if _is_shared(time) else chain
            if chain is None or _is_shared(time):
                continue
            if not homes:
                plan.chains.append(chain)
            chain.steps.append(i)
            chain.work += time.work
        return plan


def _common(homes: Sequence[_Chain | None]) -> _Chain | None:
    """The one chain of all; a new one if there is none, and None if there are several."""
    if not homes:
        return _Chain()
    return homes[0] if all(home is homes[0] for home in homes) else None


def _is_shared(time: Time) -> bool:
    return time.alone <= SHARED * time.work
