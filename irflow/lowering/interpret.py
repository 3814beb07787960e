"""Running a program with the interpreter of the loop IR: slow, checked, and without hardware."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from irflow import dims
from irflow.ir.evaluate import bind_sizes, run_node
from irflow.loops.interpret import interpret_into
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
)
from irflow.records import dataclass


def run_program(
    program: Program, inputs: Sequence[np.ndarray], backwards: bool = False
) -> list[np.ndarray]:
    """Run `program` on arrays; new arrays, one an output.

    Args:
        program: lowered code.
        inputs: one array an input of the graph.
        backwards: run parallel loops in reverse.

    Raises:
        ShapeError: an array does not fit the type of its input.
        CheckError: a kernel accesses something outside of its buffers.
    """
    sizes = bind_sizes(program.graph, inputs)
    memory = [_memory(program, number, inputs, sizes) for number in range(len(program.buffers))]
    _Run(program, memory, sizes, backwards).steps(program.steps)
    return [memory[number] for number in program.output_numbers()]


@dataclass(slots=True)
class _Run:
    """One run of a program.

    Attributes:
        program: what is run.
        memory: by buffer number; views change.
        sizes: values of symbols.
        backwards: whether parallel loops run in reverse.
    """

    program: Program
    memory: list[np.ndarray]
    sizes: Mapping[str, int]
    backwards: bool

    def steps(self, steps: Sequence[Step]) -> None:
        for step in steps:
            self.step(step)

    def step(self, step: Step) -> None:
        memory = self.memory
        match step:
            case KernelStep():
                _run_kernel(step, memory, self.sizes, self.backwards)
            case HostStep(node, read, written):
                operands = [
                    memory[number].reshape(_shape(value.type.shape, self.sizes))
                    for number, value in zip(read, node.inputs, strict=True)
                ]
                results = run_node(node, operands, self.sizes)
                for number, result in zip(written, results, strict=True):
                    memory[number][...] = result.reshape(memory[number].shape)
            case CopyStep(source, target):
                memory[target][...] = memory[source].reshape(memory[target].shape)
            case UpdateStep():
                self.update(step)
            case SwitchStep(index, branches):
                chosen = min(max(memory[index].item(), 0), len(branches) - 1)
                self.steps(branches[chosen])
            case LoopStep():
                self.loop(step)
            case RowsStep():
                self.rows(step)
            case ForkStep(branches):
                for branch in reversed(branches) if self.backwards else branches:
                    self.steps(branch)

    def update(self, step: UpdateStep) -> None:
        shape, rows = (_shape(t.shape, self.sizes) for t in (step.type, step.window))
        first = min(max(int(self.memory[step.starts].reshape(-1)[0]), 0), shape[0] - rows[0])
        target = self.memory[step.target].reshape(shape)
        target[first : first + rows[0]] = self.memory[step.source].reshape(rows)

    def loop(self, step: LoopStep) -> None:
        length = -1 if step.length is None else dims.evaluate(step.length, self.sizes)
        self.steps(step.start)
        count = 0
        while count != length:
            self.steps(step.condition)
            if step.test is not None and not self.memory[step.test].item():
                return
            for view in step.views:
                self.memory[view.view] = self.seen(view, count, length, step.reverse)
            self.steps(step.body)
            count += 1

    def seen(self, view: LoopView, count: int, length: int, is_reversed: bool) -> np.ndarray:
        """Where a view lies in a repetition."""
        shape = _shape(self.program.buffers[view.view].type.shape, self.sizes)
        count += view.shift
        if view.edge is not None and not 0 <= count < length:
            return self.memory[view.edge].reshape(shape)
        place = length - 1 - count if is_reversed else count
        base = self.memory[view.base]
        # Some loops see less than all of it, under its own shape.
        elements = base if base.shape[1:] == shape else base.reshape((length, *shape))
        found: np.ndarray = elements[place, ...]
        return found

    def rows(self, step: RowsStep) -> None:
        rows, whole = dims.evaluate(step.rows, self.sizes), dict(self.sizes)
        starts = range(0, rows, step.height)
        for start in reversed(starts) if self.backwards else starts:
            end = min(start + step.height, rows)
            self.sizes = {**whole, SYMBOL: end - start}
            for v in step.views:
                base = self.memory[v.base].reshape(_shape(v.type.shape, self.sizes))
                self.memory[v.view] = base[(slice(None),) * v.axis + (slice(start, end),)]
            self.steps(step.body)
        self.sizes = whole


def _memory(
    program: Program, number: int, inputs: Sequence[np.ndarray], sizes: Mapping[str, int]
) -> np.ndarray:
    storage = program.buffers[number]
    if storage.kind == "input":
        return np.ascontiguousarray(inputs[storage.position])
    if storage.content is not None:
        return storage.content.array
    if storage.start is not None:
        return np.array(inputs[storage.start])
    if storage.kind == "view":
        return np.empty(0)  # until a loop, or a block of rows, determines it
    return np.zeros(_shape(storage.type.shape, sizes), storage.type.dtype.numpy)


def _run_kernel(
    step: KernelStep, memory: Sequence[np.ndarray], sizes: Mapping[str, int], backwards: bool
) -> None:
    kernel = step.kernel
    buffers = (*kernel.inputs, *kernel.outputs)
    arrays = {
        buffer.name: memory[number].reshape(_shape(buffer.shape, sizes))
        for buffer, number in zip(buffers, (*step.inputs, *step.outputs), strict=True)
    }
    interpret_into(kernel, arrays, sizes, backwards)


def _shape(shape: Sequence[dims.Size], sizes: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(dims.evaluate(size, sizes) for size in shape)
