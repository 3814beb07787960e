"""The steps of a program: what runs, and which buffers it reads and writes.

Kernels, ops that run on the host, and copies; and steps with lists of steps inside: branches,
loops, blocks of rows, and what runs at the same time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import field
from textwrap import indent

from irflow import dims
from irflow.dims import Size
from irflow.ir.graph import Node
from irflow.ir.types import TensorType
from irflow.loops import Kernel
from irflow.records import dataclass


@dataclass(frozen=True, slots=True)
class KernelStep:
    """Run a kernel on buffers, given by number in the order of its parameters.

    Attributes:
        kernel: what runs.
        inputs: what it reads. What it overwrites it may read, too.
        outputs: what it writes.
        place: as of all steps that compute nodes, where it stood as nodes were lowered in order.
    """

    kernel: Kernel
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    place: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"{_list(self.outputs)} = kernel @{self.kernel.name}({_list(self.inputs)})"


@dataclass(frozen=True, slots=True)
class HostStep:
    """Run a node by its NumPy meaning, outside of generated code."""

    node: Node
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    place: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"{_list(self.outputs)} = host {self.node.op.name}({_list(self.inputs)})"


@dataclass(frozen=True, slots=True)
class CopyStep:
    """Copy the elements of a buffer: an output that is an input, a constant or another output."""

    source: int
    target: int

    @property
    def inputs(self) -> tuple[int, ...]:
        return (self.source,)

    @property
    def outputs(self) -> tuple[int, ...]:
        return (self.target,)

    def __str__(self) -> str:
        return f"{_list(self.outputs)} = copy({_list(self.inputs)})"


@dataclass(frozen=True, slots=True)
class UpdateStep:
    """Overwrite some rows of a buffer, where others would be a copy with these replaced.

    Attributes:
        source: the new rows.
        starts: an i64 a axis, of which the first is the row to begin with, clipped.
        target: what is overwritten.
        type: of what is overwritten.
        window: of the new rows; all sizes but the first agree.
    """

    source: int
    starts: int
    target: int
    type: TensorType
    window: TensorType

    @property
    def inputs(self) -> tuple[int, ...]:
        return self.source, self.starts, self.target

    @property
    def outputs(self) -> tuple[int, ...]:
        return (self.target,)

    def __str__(self) -> str:
        return f"b{self.target}[b{self.starts}] = copy(b{self.source})"


@dataclass(frozen=True, slots=True)
class SwitchStep:
    """Run one of several lists of steps.

    Attributes:
        index: the buffer with its number, an i64, which is clipped.
        branches: the lists.
        outputs: the buffers that all of them fill.
        place: as of a kernel step.
    """

    index: int
    branches: tuple[tuple[Step, ...], ...]
    outputs: tuple[int, ...]
    place: int = field(default=0, compare=False)

    @property
    def parts(self) -> tuple[tuple[Step, ...], ...]:
        """All lists of steps inside."""
        return self.branches

    @property
    def inputs(self) -> tuple[int, ...]:
        return _read([self.index], self.parts)

    def __str__(self) -> str:
        blocks = [_block(steps) for steps in self.branches]
        return f"{_list(self.outputs)} = switch b{self.index} {' '.join(blocks)}"


@dataclass(frozen=True, slots=True)
class LoopView:
    """A buffer that lies in another one, further on with every repetition.

    Attributes:
        view: that buffer.
        base: the other one: repetition `i` sees an element of its first axis.
        shift: 0 for element `i`; -1 for that of the repetition before, 1 for that of the next one.
        edge: the buffer in its place where there is no such repetition.
    """

    view: int
    base: int
    shift: int = 0
    edge: int | None = None

    @property
    def bases(self) -> tuple[int, ...]:
        """All buffers in which the view lies."""
        return (self.base,) if self.edge is None else (self.base, self.edge)

    def __str__(self) -> str:
        shift = f"{self.shift:+}" if self.shift else ""
        edge = "" if self.edge is None else f" or b{self.edge}"
        return f"b{self.view}=b{self.base}[i{shift}]{edge}"


@dataclass(frozen=True, slots=True)
class LoopStep:
    """Repeat steps.

    Attributes:
        start: steps before the first repetition, which fill the carry.
        body: what is repeated.
        outputs: the buffers of the carry, then those that views of the body fill.
        length: the most repetitions, or None for no limit.
        reverse: whether views are met from the last to the first.
        views: what lies elsewhere in each repetition.
        condition: steps before each repetition and after the last one.
        test: the buffer with the bool that they compute, whether to go on; None for always.
        place: as of a kernel step.
    """

    start: tuple[Step, ...]
    body: tuple[Step, ...]
    outputs: tuple[int, ...]
    length: Size | None
    reverse: bool = False
    views: tuple[LoopView, ...] = ()
    condition: tuple[Step, ...] = ()
    test: int | None = None
    place: int = field(default=0, compare=False)

    @property
    def parts(self) -> tuple[tuple[Step, ...], ...]:
        """All lists of steps inside."""
        return self.start, self.condition, self.body

    @property
    def inputs(self) -> tuple[int, ...]:
        tests = [] if self.test is None else [self.test]
        inside = {v.view for v in self.views}.union(self.outputs)
        found = _read([*(n for v in self.views for n in v.bases), *tests], self.parts)
        return tuple(number for number in found if number not in inside)

    def __str__(self) -> str:
        limit = "" if self.length is None else f" length={self.length}"
        views = "".join(f" {view}" for view in self.views)
        test = "" if self.test is None else f" while b{self.test} {_block(self.condition)}"
        order = " reverse" * self.reverse
        start = f"{_block(self.start)} then " if self.start else ""
        head = f"{_list(self.outputs)} = loop{limit}{order}{views} "
        return f"{head}{start}{test.lstrip()}{' ' * bool(test)}{_block(self.body)}"


@dataclass(frozen=True, slots=True)
class RowView:
    """The rows of one block in a buffer.

    Attributes:
        view: the buffer that lies in another.
        base: the latter.
        axis: which of its axes is that of rows; there is at most one in front of it.
        type: of the base, as it is seen here.
    """

    view: int
    base: int
    axis: int
    type: TensorType

    @property
    def row_bytes(self) -> Size:
        """The bytes from one row to the next."""
        return self.type.with_shape(self.type.shape[self.axis + 1 :]).nbytes


@dataclass(frozen=True, slots=True)
class RowsStep:
    """Run steps for each block of rows; the blocks do not depend on each other.

    Attributes:
        body: what is run; loops inside see elements of the views' first axis.
        outputs: the buffers whose rows are filled.
        rows: of all blocks.
        height: rows of a block; the last one may have fewer.
        views: what belongs to the block at hand.
        place: as of a kernel step.
    """

    body: tuple[Step, ...]
    outputs: tuple[int, ...]
    rows: Size
    height: int
    views: tuple[RowView, ...]
    place: int = field(default=0, compare=False)

    @property
    def parts(self) -> tuple[tuple[Step, ...], ...]:
        """All lists of steps inside."""
        return (self.body,)

    @property
    def count(self) -> Size:
        """How many blocks there are."""
        return dims.ceil_div(self.rows, self.height)

    @property
    def inputs(self) -> tuple[int, ...]:
        inside = {v.view for v in self.views}.union(self.outputs)
        found = _read([v.base for v in self.views], self.parts)
        return tuple(number for number in found if number not in inside)

    def __str__(self) -> str:
        views = "".join(f" b{v.view}=b{v.base}[{':, ' * v.axis}rows]" for v in self.views)
        head = f"{_list(self.outputs)} = rows {self.rows} by {self.height}{views} "
        return head + _block(self.body)


@dataclass(frozen=True, slots=True)
class ForkStep:
    """Run lists of steps at the same time; none of them needs what another one writes.

    Attributes:
        branches: the lists.
    """

    branches: tuple[tuple[Step, ...], ...]

    @property
    def parts(self) -> tuple[tuple[Step, ...], ...]:
        """All lists of steps inside."""
        return self.branches

    @property
    def inputs(self) -> tuple[int, ...]:
        return _read([], self.parts)

    @property
    def outputs(self) -> tuple[int, ...]:
        return tuple(n for branch in self.branches for step in branch for n in step.outputs)

    def __str__(self) -> str:
        return f"fork {' '.join(_block(steps) for steps in self.branches)}"


Step = KernelStep | HostStep | CopyStep | UpdateStep | SwitchStep | LoopStep | RowsStep | ForkStep
"""Any step."""
COMPOSED = SwitchStep, LoopStep, RowsStep, ForkStep
"""Those with others inside."""


def _read(first: Sequence[int], parts: Sequence[Sequence[Step]]) -> tuple[int, ...]:
    """What steps read, but for what they write themselves."""
    steps = [step for part in parts for step in part]
    written = {number for step in steps for number in step.outputs}
    read = [*first, *(number for step in steps for number in step.inputs)]
    return tuple(number for number in dict.fromkeys(read) if number not in written)


def _block(steps: Sequence[Step]) -> str:
    return "\n".join(["{", *(indent(str(step), "  ") for step in steps), "}"])


def every_step(steps: Sequence[Step]) -> Iterator[Step]:
    """All steps, those inside of others after them."""
    for step in steps:
        yield step
        if isinstance(step, COMPOSED):
            for part in step.parts:
                yield from every_step(part)


def without_forks(steps: Sequence[Step]) -> list[Step]:
    """Steps with those of forks in their place."""
    found: list[Step] = []
    for step in steps:
        inner = [s for b in step.branches for s in b] if isinstance(step, ForkStep) else [step]
        found += inner
    return found


def _list(numbers: Sequence[int]) -> str:
    return ", ".join(f"b{number}" for number in numbers)


def own_buffers(step: Step) -> list[int]:
    """The buffers that a step touches by itself, not by those inside of it."""
    match step:
        case SwitchStep():
            return [step.index]
        case LoopStep():
            tests = [] if step.test is None else [step.test]
            return [*tests, *(number for v in step.views for number in (v.view, *v.bases))]
        case RowsStep():
            return [number for v in step.views for number in (v.view, v.base)]
        case ForkStep():
            return []
        case _:
            return [*step.inputs, *step.outputs]
