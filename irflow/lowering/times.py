"""How long steps take on one thread and on all of them, estimated from their code alone."""

from __future__ import annotations

from collections.abc import Iterable

from irflow import dims
from irflow.dims import Size
from irflow.loops import (
    Apply,
    Block,
    Const,
    Expr,
    For,
    If,
    Intrinsic,
    Kernel,
    Let,
    Load,
    LoopKind,
    Space,
    Stmt,
    Store,
    While,
    walk,
)
from irflow.loops.bounds import Bounds, Interval, interval
from irflow.lowering import grain
from irflow.lowering.steps import CopyStep, KernelStep, LoopStep, RowsStep, Step, SwitchStep
from irflow.records import dataclass

CALL = 1_000
"""Having other threads help, and waiting for them, in the units of `grain`."""

STEP = 30
"""Calling a kernel, or copying a little."""

LARGE_BYTES = 1 << 20
"""Results of this size surely make several chunks for threads."""

MOST_ITERATIONS = 1 << 20
"""A bound beyond this says nothing about how long a loop is."""


@dataclass(frozen=True, slots=True)
class Time:
    """Times in the units of `grain`.

    Attributes:
        work: on one thread.
        alone: with all threads, if nothing else runs.
    """

    work: float
    alone: float

    def __add__(self, other: Time) -> Time:
        return Time(self.work + other.work, self.alone + other.alone)

    def times(self, count: int) -> Time:
        """That of so many repetitions."""
        return Time(count * self.work, count * self.alone)


def _once(cost: int) -> Time:
    return Time(cost, cost)


# ------------------------------------------------------------------------------------------- steps


class TimeTable:
    """Times of steps; those of a kernel are found once.

    Args:
        threads: how many there are.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._kernels: dict[str, Time] = {}

    def of(self, step: Step) -> Time | None:
        """The time of a step; None where it is not known, and the step stays where it is."""
        match step:
            case KernelStep(kernel):
                return self._kernel(kernel)
            case CopyStep():
                return _once(STEP)
            case LoopStep(length=length) if length is not None and not step.condition:
                start, body = self._all(step.start), self._all(step.body)
                return start + body.times(_count(length)) if start and body else None
            case RowsStep():
                part, count = self._all(step.body), _count(step.count)
                rounds = -(-count // self.threads)
                return part and Time(count * part.work, rounds * part.work + CALL)
            case SwitchStep():
                found = [time for branch in step.branches if (time := self._all(branch))]
                is_known = len(found) == len(step.branches)
                return max(found, key=lambda time: time.work) if is_known else None
            case _:
                return None

    def _all(self, steps: Iterable[Step]) -> Time | None:
        total = Time(0, 0)
        for step in steps:
            time = self.of(step)
            if time is None:
                return None
            total += time
        return total

    def _kernel(self, kernel: Kernel) -> Time:
        if kernel.name not in self._kernels:
            self._kernels[kernel.name] = self._large(kernel) or (
                _once(STEP) + _Walk(self.threads).stmt(kernel.body)
            )
        return self._kernels[kernel.name]

    def _large(self, kernel: Kernel) -> Time | None:
        """The least time of a kernel with large results, without a look at all of its code."""
        sizes = [dims.product(out.shape) * out.dtype.itemsize for out in kernel.outputs]
        total = sum((size for size in sizes if isinstance(size, int)), 0)
        loops = [s for s in kernel.body.statements if isinstance(s, For)]
        is_shared = any(loop.kind is LoopKind.PARALLEL for loop in loops)
        if total < LARGE_BYTES or not is_shared:
            return None
        work = total // grain.ACCESS
        return Time(work, work / self.threads)


def _count(size: Size) -> int:
    return size if isinstance(size, int) else grain.UNKNOWN_EXTENT


# ------------------------------------------------------------------------------------------ kernels


class _Walk:
    """Goes through the code of a kernel."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.known: Bounds = {}

    def stmt(self, stmt: Stmt) -> Time:
        match stmt:
            case Block(statements):
                return sum((self.stmt(inner) for inner in statements), Time(0, 0))
            case For():
                return self.loop(stmt)
            case While(condition, body):
                return (self.stmt(body) + _once(_cost(condition))).times(grain.UNKNOWN_EXTENT)
            case If(condition, then, otherwise):
                found = [self.stmt(block) for block in (then, otherwise) if block is not None]
                return max(found, key=lambda time: time.work) + _once(_cost(condition))
            case Let(var, value):
                if value.dtype.is_integer and value.lanes == 1:
                    self.known[var.name] = interval(value, self.known)
                return _once(_cost(value))
            case Store(buffer, index, value):
                return _once(_cost(Load(buffer, index)) + _cost(value))
            case _:
                return Time(0, 0)

    def loop(self, loop: For) -> Time:
        longest = interval(loop.extent, self.known).high
        count = longest if longest <= MOST_ITERATIONS else grain.UNKNOWN_EXTENT
        self.known[loop.var.name] = Interval(0, max(count - 1, 0))
        time = self.stmt(loop.body).times(count)
        if loop.kind is not LoopKind.PARALLEL or count == 1:
            return time
        # `grain` counts more than this does, and takes longer; so large loops need not be asked.
        chunks = min(count, int(time.work) // grain.CHUNK)
        if chunks < self.threads:
            chunks = -(-count // grain.iterations_per_chunk(loop))
        if chunks <= 1:
            return time
        return Time(time.work, time.work / min(self.threads, chunks) + CALL)


def _cost(expr: Expr) -> int:
    """Of what a processor executes: registers have no indices, and addresses are for nothing.

    Most operations are two in one instruction.
    """
    match expr:
        case Load(buffer):
            return 0 if buffer.space is Space.REGISTER else grain.ACCESS
        case Const():
            return 0
        case Apply(row, args):
            own = 0 if expr.dtype.is_integer else max(1, row.flops // 2)
            return own + sum(map(_cost, args))
        case Intrinsic(_, args):
            return 1 + sum(map(_cost, args))
        case _:
            return sum(map(_cost, walk.children(expr)))
