"""A program: numbered buffers and the steps that fill them, in order.

It is what remains of a graph: kernels in the loop IR, ops that run on the host, and copies. A
backend that receives programs prints the kernels in its language and runs the steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import indent

from irflow import dims
from irflow.dims import Size
from irflow.ir.attributes import DenseArray
from irflow.ir.graph import Graph, Node
from irflow.ir.types import TensorType
from irflow.loops import Kernel
from irflow.loops.print import print_kernel
from irflow.lowering.memory import Interval, Layout, plan


@dataclass(frozen=True, slots=True)
class Storage:
    """One buffer of a program.

    Attributes:
        kind: `"input"`, `"output"`, `"constant"`, `"temporary"`, or `"view"` for a part of another
            buffer that a loop determines.
        type: what it holds; steps may see the same elements under another shape.
        position: which input or output it is.
        content: of a constant.
    """

    kind: str
    type: TensorType
    position: int = 0
    content: DenseArray | None = None

    def __str__(self) -> str:
        place = f" {self.position}" if self.kind in ("input", "output") else ""
        return f"{self.kind}{place} {self.type}"


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
class LoopStep:
    """Repeat steps.

    Attributes:
        start: steps before the first repetition, which fill the carry.
        body: what is repeated.
        outputs: the buffers of the carry, then those that views of the body fill.
        length: the most repetitions, or None for no limit.
        reverse: whether views are met from the last to the first.
        views: pairs of a buffer and the one in which it lies: repetition `i` sees element `i` of
            the latter's first axis.
        condition: steps before each repetition and after the last one.
        test: the buffer with the bool that they compute, whether to go on; None for always.
        place: as of a kernel step.
    """

    start: tuple[Step, ...]
    body: tuple[Step, ...]
    outputs: tuple[int, ...]
    length: Size | None
    reverse: bool = False
    views: tuple[tuple[int, int], ...] = ()
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
        inside = {view for view, _ in self.views}.union(self.outputs)
        found = _read([*(base for _, base in self.views), *tests], self.parts)
        return tuple(number for number in found if number not in inside)

    def __str__(self) -> str:
        limit = "" if self.length is None else f" length={self.length}"
        views = "".join(f" b{view}=b{base}[i]" for view, base in self.views)
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


Step = KernelStep | HostStep | CopyStep | UpdateStep | SwitchStep | LoopStep | RowsStep


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
        if isinstance(step, SwitchStep | LoopStep | RowsStep):
            for part in step.parts:
                yield from every_step(part)


def _list(numbers: Sequence[int]) -> str:
    return ", ".join(f"b{number}" for number in numbers)


def own_buffers(step: Step) -> list[int]:
    """The buffers that a step touches by itself, not by those inside of it."""
    match step:
        case SwitchStep():
            return [step.index]
        case LoopStep():
            tests = [] if step.test is None else [step.test]
            return [*tests, *(number for pair in step.views for number in pair)]
        case RowsStep():
            return [number for v in step.views for number in (v.view, v.base)]
        case _:
            return [*step.inputs, *step.outputs]


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
            if isinstance(step, RowsStep):
                self.rows(step)
                continue
            self.touch(own_buffers(step))
            self.time += 1
            if isinstance(step, SwitchStep):
                for branch in step.branches:
                    self.run(branch)

    def loop(self, step: LoopStep) -> None:
        self.run(step.start)
        first, bases = self.time, [base for _, base in step.views]
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

    def rows(self, step: RowsStep) -> None:
        """Blocks are at different places at one time, so that all of it is needed all the time."""
        first = self.time
        inside = {n for one in every_step([step]) for n in own_buffers(one)}
        self.time += 1
        self.run(step.body)
        for number in self.wanted & inside:
            before = self.found.get(number, (first, 0))[0]
            self.found[number] = (min(before, first), self.time)
        self.time += 1

    def touch(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            if number in self.wanted:
                self.found[number] = (self.found.get(number, (self.time, 0))[0], self.time)


@dataclass(frozen=True)
class Program:
    """Buffers and steps.

    Attributes:
        name: of the function.
        graph: what was lowered; its inputs and outputs say what is taken and returned.
        buffers: all memory, by number.
        steps: in the order they run.
        symbols: names of the sizes that are known at the call only, sorted.
    """

    name: str
    graph: Graph
    buffers: tuple[Storage, ...]
    steps: tuple[Step, ...]
    symbols: tuple[str, ...]

    def kernels(self) -> Iterator[Kernel]:
        """Each kernel once, in the order of its first use."""
        steps = (step for step in every_step(self.steps) if isinstance(step, KernelStep))
        yield from {step.kernel.name: step.kernel for step in steps}.values()

    def numbers(self, kind: str) -> list[int]:
        """The buffers of one kind."""
        return [number for number, b in enumerate(self.buffers) if b.kind == kind]

    def output_numbers(self) -> list[int]:
        """The output buffers in the order of the outputs."""
        return sorted(self.numbers("output"), key=lambda number: self.buffers[number].position)

    def lifetimes(self) -> dict[int, tuple[int, int]]:
        """For each temporary, the first and the last step that touch it.

        Steps are numbered in the order of `every_step`, with an end for each loop. What a loop
        touches is needed in all of it, unless it is nowhere else.
        """
        clock = _Clock({n for n, b in enumerate(self.buffers) if b.kind == "temporary"})
        clock.run(self.steps)
        return clock.found

    def layout(self, sizes: Mapping[str, int]) -> Layout:
        """Where temporaries lie, for given sizes."""
        return plan(
            {
                number: Interval(
                    first, last, dims.evaluate(self.buffers[number].type.nbytes, sizes)
                )
                for number, (first, last) in self.lifetimes().items()
            }
        )

    def __str__(self) -> str:
        """The listing `"loops"`."""
        sizes = f" sizes {', '.join(self.symbols)}" if self.symbols else ""
        lines = [f"program @{self.name}{sizes} {{"]
        lines += [f"  b{number}: {storage}" for number, storage in enumerate(self.buffers)]
        lines += [indent(str(step), "  ") for step in self.steps]
        kernels = [print_kernel(kernel) for kernel in self.kernels()]
        return "\n".join([*lines, "}\n", *kernels])
