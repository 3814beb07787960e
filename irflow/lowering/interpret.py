"""Running a program with the interpreter of the loop IR: slow, checked, and without hardware."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from irflow import dims
from irflow.ir.evaluate import bind_sizes, run_node
from irflow.loops.interpret import interpret_into
from irflow.lowering.program import CopyStep, HostStep, KernelStep, Program


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
    for step in program.steps:
        match step:
            case KernelStep():
                _run_kernel(step, memory, sizes, backwards)
            case HostStep(node, read, written):
                operands = [
                    memory[number].reshape(_shape(value.type.shape, sizes))
                    for number, value in zip(read, node.inputs, strict=True)
                ]
                for number, result in zip(written, run_node(node, operands, sizes), strict=True):
                    memory[number][...] = result.reshape(memory[number].shape)
            case CopyStep(source, target):
                memory[target][...] = memory[source].reshape(memory[target].shape)
    return [memory[number] for number in program.output_numbers()]


def _memory(
    program: Program, number: int, inputs: Sequence[np.ndarray], sizes: Mapping[str, int]
) -> np.ndarray:
    storage = program.buffers[number]
    if storage.kind == "input":
        return np.ascontiguousarray(inputs[storage.position])
    if storage.content is not None:
        return storage.content.array
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
