"""The functions through which Python calls a program: one for each run of native steps without a
host step between.

    define void @entry0(ptr %buffers, ptr %sizes)

`buffers` holds one pointer a buffer of the program, `sizes` the values of its symbols. Kernels are
called, copies are `memcpy`, and branches and loops are those of LLVM, so that a loop with all its
steps is one native call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from irflow import dtypes
from irflow.dims import Size
from irflow.ir.types import TensorType
from irflow.lowering.program import Program
from irflow.lowering.row_blocks import SYMBOL
from irflow.lowering.steps import (
    CopyStep,
    ForkStep,
    HostStep,
    KernelStep,
    LoopStep,
    LoopView,
    RowsStep,
    Step,
    SwitchStep,
    UpdateStep,
    every_step,
    own_buffers,
    without_forks,
)
from irflow_llvm.code import Value
from irflow_llvm.expressions import ExpressionWriter
from irflow_llvm.module import Module
from irflow_llvm.parts import Part, Segment
from irflow_llvm.pool import PARALLEL

COPY = "llvm.memcpy.p0.p0.i64"


def segments(program: Program) -> list[Part]:
    """The steps of a program with neighbouring native ones joined."""
    parts: list[Part] = []
    for is_native, steps in groupby(program.steps, lambda step: not isinstance(step, HostStep)):
        if is_native:
            parts.append(Segment(f"entry{len(parts)}", tuple(steps)))
        else:
            parts += [step for step in steps if isinstance(step, HostStep)]
    return parts


def entry_text(parts: Iterable[Part], program: Program, cuts: bool = False) -> str:
    """LLVM IR of the entry functions.

    Args:
        parts: of the program.
        program: whose buffers the steps name.
        cuts: whether the worker pool runs blocks of rows.
    """
    module = Module()
    for part in parts:
        if isinstance(part, Segment):
            module.functions.append(_EntryWriter(module, part, program, cuts).run())
    return module.text()


class _EntryWriter(ExpressionWriter):
    """Prints one entry function."""

    def __init__(
        self, module: Module, segment: Segment, program: Program, cuts: bool = False
    ) -> None:
        super().__init__(module)
        self.segment, self.program, self.cuts = segment, program, cuts
        self.whole: dict[int, TensorType] = {}
        self.parts = 0

    def run(self) -> str:
        """The text of the function."""
        head = f"define void @{self.segment.name}(ptr noalias %buffers, ptr noalias %sizes) {{"
        self.load_all()
        self.steps(self.segment.steps)
        self.code.line("ret void")
        return "\n".join([head, "entry:", *self.code.entry, *self.code.lines, "}"])

    def load_all(self) -> None:
        """Pointers and sizes, at the start: what is loaded in a branch is not known after it."""
        steps = list(every_step(self.segment.steps))
        for number in outside(self.segment.steps):
            self.element(f"b{number}", "ptr", "%buffers", number)
        self.load_sizes(steps)

    def load_sizes(self, steps: Sequence[Step]) -> None:
        """Symbols, and what is computed from them; those of a block in its own function."""
        inside = {
            id(inner) for s in steps if isinstance(s, RowsStep) for inner in every_step(s.body)
        }
        for position, symbol in enumerate(self.program.symbols):
            self.element(f"size.{symbol}", "i64", "%sizes", position)
            self.values[symbol] = self.code.value(f"%size.{symbol}", dtypes.i64)
        for size in self.wanted_sizes([step for step in steps if id(step) not in inside]):
            self.size(size)

    def element(self, name: str, kind: str, array: str, position: int) -> None:
        self.code.line(f"%at.{name} = getelementptr {kind}, ptr {array}, i64 {position}")
        self.code.line(f"%{name} = load {kind}, ptr %at.{name}, align 8")

    def wanted_sizes(self, steps: Sequence[Step]) -> Iterator[Size]:
        for step in steps:
            if isinstance(step, CopyStep):
                yield self.bytes_of(step.target)
            if isinstance(step, UpdateStep):
                yield from _update_sizes(step)
            if isinstance(step, LoopStep):
                yield 0 if step.length is None else step.length
                for view in step.views:
                    yield self.stride(view.view, view.base)
            if isinstance(step, RowsStep):
                yield step.rows
                yield step.count
                for v in step.views:
                    yield v.row_bytes

    def bytes_of(self, number: int) -> Size:
        return self.program.buffers[number].type.nbytes

    def stride(self, view: int, base: int) -> Size:
        """The bytes from one element of a buffer's first axis to the next."""
        if base not in self.whole:
            return self.bytes_of(view)
        type = self.whole[base]
        return type.with_shape(type.shape[1:]).nbytes

    # --------------------------------------------------------------------------------------- steps

    def steps(self, steps: Sequence[Step]) -> None:
        """Print steps in order."""
        for step in steps:
            match step:
                case KernelStep():
                    self.code.line(_call(step))
                case CopyStep(source, target):
                    self.copy(source, target)
                case UpdateStep():
                    self.update(step)
                case SwitchStep(index, branches):
                    self.switch(index, branches)
                case LoopStep():
                    self.loop(step)
                case RowsStep():
                    self.rows(step)
                case ForkStep():
                    self.fork(step)

    def copy(self, source: int, target: int) -> None:
        self.move(f"ptr %b{target}, ptr %b{source}", self.size(self.bytes_of(target)))

    def move(self, places: str, count: Value) -> None:
        """Copy bytes to the first place from the second."""
        self.module.symbols[COPY] = f"declare void @{COPY}(ptr, ptr, i64, i1)"
        self.code.line(f"call void @{COPY}({places}, {count.typed}, i1 false)")

    def update(self, step: UpdateStep) -> None:
        """The first start is moved so that all rows lie inside."""
        code = self.code
        room, row, count = (self.size(size) for size in _update_sizes(step))
        first = code.put(f"load i64, ptr %b{step.starts}, align 8", dtypes.i64)
        low = code.intrinsic("smax", [first, code.literal(0, dtypes.i64)])
        offset = code.binary("mul", code.intrinsic("smin", [low, room]), row)
        place = code.raw(f"getelementptr i8, ptr %b{step.target}, {offset.typed}")
        self.move(f"ptr {place}, ptr %b{step.source}", count)

    def switch(self, index: int, branches: Sequence[Sequence[Step]]) -> None:
        """Indices outside go to the first or the last branch."""
        code = self.code
        number = code.put(f"load i64, ptr %b{index}, align 8", dtypes.i64)
        is_low = code.put(f"icmp slt i64 {number.text}, 0", dtypes.bool_)
        self.cases(code.select(is_low, code.literal(0, dtypes.i64), number), branches)

    def cases(self, number: Value, branches: Sequence[Sequence[Step]]) -> None:
        """Run the branch of a number, which is not negative; the last one for large numbers."""
        code = self.code
        labels, done = [code.fresh("branch") for _ in branches], code.fresh("done")
        cases = " ".join(f"i64 {i}, label %{label}" for i, label in enumerate(labels[:-1]))
        code.line(f"switch i64 {number.text}, label %{labels[-1]} [ {cases} ]")
        for label, steps in zip(labels, branches, strict=True):
            code.begin(label)
            self.steps(steps)
            code.jump(done)
        code.begin(done)

    def loop(self, step: LoopStep) -> None:
        self.steps(step.start)
        code = self.code
        head, body, done = code.fresh("head"), code.fresh("body"), code.fresh("done")
        before, counter = code.label, f"%{code.fresh('i')}"
        length = None if step.length is None else self.size(step.length)
        code.jump(head)
        code.begin(head)
        position = len(code.lines)
        if length is not None:
            inside = code.fresh("inside")
            is_more = code.put(f"icmp slt i64 {counter}, {length.text}", dtypes.bool_)
            code.branch(is_more, inside, done)
            code.begin(inside)
        self.steps(step.condition)
        if step.test is not None:
            byte = code.raw(f"load i8, ptr %b{step.test}, align 1")
            code.branch(code.put(f"icmp ne i8 {byte}, 0", dtypes.bool_), body, done)
        else:
            code.jump(body)
        code.begin(body)
        self.views(step, code.value(counter, dtypes.i64), length)
        self.steps(step.body)
        after = code.put(f"add nuw nsw i64 {counter}, 1", dtypes.i64)
        phi = f"  {counter} = phi i64 [ 0, %{before} ], [ {after.text}, %{code.label} ]"
        code.lines.insert(position, phi)
        code.jump(head)
        code.begin(done)

    def views(self, step: LoopStep, counter: Value, length: Value | None) -> None:
        """The buffers that lie elsewhere in each repetition."""
        for view in step.views:
            place = self.place(view, counter, length if step.reverse else None)
            offset = self.code.binary("mul", place, self.size(self.stride(view.view, view.base)))
            found = f"getelementptr i8, ptr %b{view.base}, {offset.typed}"
            if view.edge is not None and length is not None:
                first = self.code.literal(0, dtypes.i64)
                end = first if view.shift < 0 else self.code.binary("sub", length, self.one)
                is_edge = self.code.put(f"icmp eq i64 {counter.text}, {end.text}", dtypes.bool_)
                inside = self.code.raw(found)
                found = f"select i1 {is_edge.text}, ptr %b{view.edge}, ptr {inside}"
            self.code.line(f"%b{view.view} = {found}")

    @property
    def one(self) -> Value:
        return self.code.literal(1, dtypes.i64)

    def place(self, view: LoopView, counter: Value, length: Value | None) -> Value:
        """Which element a view is; of a loop that goes backwards, by its length."""
        shifted = counter
        if view.shift:
            shifted = self.code.binary("add", counter, self.code.literal(view.shift, dtypes.i64))
        if length is None:
            return shifted
        return self.code.binary("sub", self.code.binary("sub", length, self.one), shifted)

    # ------------------------------------------------------------------- what runs at the same time

    def rows(self, step: RowsStep) -> None:
        """Have a function run for each block, by the worker pool or one after the other."""
        part = _BlockWriter(self.module, self.inner("rows"), self.program)
        self.call_each(part.segment.name, part.text(step), outside([step]), self.size(step.count))

    def fork(self, step: ForkStep) -> None:
        """Have the worker pool run the branches, if there is one."""
        if not self.cuts:
            self.steps(without_forks([step]))
            return
        part = _BranchWriter(self.module, self.inner("fork"), self.program)
        count = self.code.literal(len(step.branches), dtypes.i64)
        self.call_each(part.segment.name, part.text(step), outside([step]), count)

    def inner(self, label: str) -> Segment:
        """A function for what runs inside of a step."""
        self.parts += 1
        return Segment(f"{self.segment.name}.{label}{self.parts}", ())

    def call_each(self, name: str, text: str, numbers: Sequence[int], count: Value) -> None:
        """Call a function of a frame, with the sizes and buffers, for each number below a count."""
        code = self.code
        self.module.functions.append(text)
        found = ["%sizes", *(f"%b{number}" for number in numbers)]
        frame = f"%{code.fresh('frame')}"
        code.entry.append(f"  {frame} = alloca [{len(found)} x ptr], align 64")
        for position, pointer in enumerate(found):
            place = code.raw(f"getelementptr ptr, ptr {frame}, i64 {position}")
            code.line(f"store ptr {pointer}, ptr {place}, align 8")
        if self.cuts:
            self.module.symbols[PARALLEL] = f"declare void @{PARALLEL}(ptr, ptr, i64)"
            code.line(f"call void @{PARALLEL}(ptr @{name}, ptr {frame}, {count.typed})")
        else:
            self.each(count, lambda i: code.line(f"call void @{name}(ptr {frame}, {i.typed})"))

    def each(self, count: Value, write: Callable[[Value], None]) -> None:
        """A loop over numbers below `count`."""
        code = self.code
        head, body, done = code.fresh("head"), code.fresh("body"), code.fresh("done")
        before, counter = code.label, f"%{code.fresh('i')}"
        code.jump(head)
        code.begin(head)
        position = len(code.lines)
        is_more = code.put(f"icmp slt i64 {counter}, {count.text}", dtypes.bool_)
        code.branch(is_more, body, done)
        code.begin(body)
        write(code.value(counter, dtypes.i64))
        after = code.put(f"add nuw nsw i64 {counter}, 1", dtypes.i64)
        phi = f"  {counter} = phi i64 [ 0, %{before} ], [ {after.text}, %{code.label} ]"
        code.lines.insert(position, phi)
        code.jump(head)
        code.begin(done)


class _PartWriter(_EntryWriter):
    """Prints a function of a frame, which holds the sizes and buffers, and of a number."""

    def load_frame(self, numbers: Sequence[int]) -> None:
        self.element("sizes", "ptr", "%frame", 0)
        for position, number in enumerate(numbers):
            self.element(f"b{number}", "ptr", "%frame", position + 1)

    def function(self) -> str:
        """The text of the function with the instructions so far."""
        code = self.code
        code.line("ret void")
        head = f"define internal void @{self.segment.name}(ptr %frame, i64 %number) nounwind {{"
        return "\n".join([head, "entry:", *code.entry, *code.lines, "}"])


class _BranchWriter(_PartWriter):
    """Prints the function that runs one branch of a fork."""

    def text(self, step: ForkStep) -> str:
        self.load_frame(outside([step]))
        self.load_sizes(list(every_step([step])))
        self.cases(self.code.value("%number", dtypes.i64), step.branches)
        return self.function()


class _BlockWriter(_PartWriter):
    """Prints the function that runs steps for one block of rows."""

    def text(self, step: RowsStep) -> str:
        code = self.code
        self.load_frame(outside([step]))
        self.whole = {v.view: v.type for v in step.views}
        self.load_sizes([replace(step, body=())])
        height = code.literal(step.height, dtypes.i64)
        start = code.binary("mul", code.value("%number", dtypes.i64), height)
        left = code.binary("sub", self.size(step.rows), start)
        size = code.intrinsic("smin", [height, left])
        code.line(f"%size.{SYMBOL} = add i64 {size.text}, 0")
        self.values[SYMBOL] = code.value(f"%size.{SYMBOL}", dtypes.i64)
        for wanted in self.wanted_sizes(list(every_step(step.body))):
            self.size(wanted)
        for v in step.views:
            offset = code.binary("mul", start, self.size(v.row_bytes))
            code.line(f"%b{v.view} = getelementptr i8, ptr %b{v.base}, {offset.typed}")
        self.steps(step.body)
        return self.function()


def outside(given: Sequence[Step]) -> list[int]:
    """The buffers that steps find, but for those that lie in others."""
    steps = list(every_step(given))
    views = {v.view for s in steps if isinstance(s, LoopStep | RowsStep) for v in s.views}
    return sorted({n for step in steps for n in own_buffers(step)} - views)


def _update_sizes(step: UpdateStep) -> tuple[Size, Size, Size]:
    """The last row to begin with, the bytes of a row, the bytes of all new rows."""
    rest = step.type.with_shape(step.type.shape[1:])
    return step.type.shape[0] - step.window.shape[0], rest.nbytes, step.window.nbytes


def _call(step: KernelStep) -> str:
    buffers = [f"ptr %b{number}" for number in (*step.inputs, *step.outputs)]
    sizes = [f"i64 %size.{var.name}" for var in step.kernel.sizes]
    return f"call void @{step.kernel.name}({', '.join(buffers + sizes)})"
