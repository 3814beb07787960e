"""When each buffer of a program is needed, for a plan of its memory."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import field

from irflow.lowering.steps import (
    ForkStep,
    LoopStep,
    RowsStep,
    Step,
    SwitchStep,
    every_step,
    own_buffers,
)
from irflow.records import dataclass


def lifetimes(steps: Sequence[Step], wanted: Collection[int]) -> dict[int, tuple[int, int]]:
    """The first and the last step that touch each of some buffers.

    Steps are numbered in the order of `every_step`, with an end for each loop. What a loop touches
    is needed in all of it, unless it is nowhere else; what is touched by steps that run at the same
    time, as long as any of these runs.

    Args:
        steps: of a program.
        wanted: the numbers of buffers.
    """
    clock = _Clock(set(wanted))
    clock.run(steps)
    return clock.found


@dataclass(slots=True)
class _Clock:
    """Walks over steps and notes when buffers are touched.

    Attributes:
        wanted: the buffers to note.
        time: the number of the next step.
        found: the first and last time of each.
    """

    wanted: set[int]
    time: int = 0
    found: dict[int, tuple[int, int]] = field(default_factory=dict)

    def run(self, steps: Sequence[Step]) -> None:
        """Go through steps."""
        for step in steps:
            if isinstance(step, LoopStep):
                self.loop(step)
                continue
            if isinstance(step, RowsStep | ForkStep):
                self.together(step)
                continue
            self.touch(own_buffers(step))
            self.time += 1
            if isinstance(step, SwitchStep):
                for branch in step.branches:
                    self.run(branch)

    def loop(self, step: LoopStep) -> None:
        self.run(step.start)
        first, bases = self.time, [number for v in step.views for number in v.bases]
        inside = {n for one in every_step([step]) for n in own_buffers(one)}
        # Without their stretching, a buffer could take the place of one that the next round reads.
        kept = self.wanted & inside & {*self.found, *bases}
        self.touch(bases)
        self.time += 1
        self.run(step.condition)
        self.touch([] if step.test is None else [step.test])
        self.time += 1
        self.run(step.body)
        for number in kept:
            self.found[number] = (min(self.found[number][0], first), self.time)
        self.time += 1

    def together(self, step: RowsStep | ForkStep) -> None:
        """Threads are at different places at one time, so that all of it is needed all the time."""
        first = self.time
        inside = {n for one in every_step([step]) for n in own_buffers(one)}
        self.time += 1
        for part in step.parts:
            self.run(part)
        for number in self.wanted & inside:
            before = self.found.get(number, (first, 0))[0]
            self.found[number] = (min(before, first), self.time)
        self.time += 1

    def touch(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            if number in self.wanted:
                self.found[number] = (self.found.get(number, (self.time, 0))[0], self.time)
