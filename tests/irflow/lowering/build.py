"""Graphs from functions of handles, and kernels from graphs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from irflow import dtypes, ops
from irflow.dims import Size
from irflow.ir.builder import Builder
from irflow.ir.graph import Graph
from irflow.ir.types import TensorType
from irflow.loops import For, Kernel
from irflow.loops.check import check
from irflow.loops.interpret import UNORDERED
from irflow.loops.walk import statements
from irflow.lowering import GENERIC, Target
from irflow.lowering.interpret import run_program
from irflow.lowering.lower import lower_graph
from irflow.lowering.program import Program
from irflow.ops import Handle
from irflow.ops.regions import Fusion

WIDE = Target("wide", vector_bytes=64, vector_registers=32)
NARROW = Target("narrow", vector_bytes=16, vector_registers=8)


def f32(*shape: Size) -> TensorType:
    return TensorType(dtypes.f32, shape)


def build(function: Callable[..., Any], *types: TensorType) -> Graph:
    """The graph of a function of handles, which returns one or several."""
    graph = Graph("test")
    builder = Builder(graph)
    inputs = [graph.add_input(type, f"in{i}") for i, type in enumerate(types)]
    results = function(*(Handle(builder, value) for value in inputs))
    handles = results if isinstance(results, (list, tuple)) else [results]
    graph.set_outputs([handle.value for handle in handles])
    return graph


def fused(function: Callable[..., Any], *types: TensorType) -> Graph:
    """A graph with one fused region that computes the function."""
    region = build(function, *types)
    graph = Graph("test")
    inputs = [graph.add_input(value.type, value.hint) for value in region.inputs]
    graph.set_outputs(Builder(graph).emit(Fusion("loop"), inputs, [region]))
    return graph


def lowered(graph: Graph, target: Target = GENERIC) -> Program:
    """The program, every kernel checked."""
    program = lower_graph(graph, "test", target)
    for kernel in program.kernels():
        check(kernel, may_read_outputs=True)
    return program


def the_kernel(graph: Graph, target: Target = GENERIC) -> Kernel:
    (kernel,) = lowered(graph, target).kernels()
    return kernel


def run(graph: Graph, inputs: Sequence[np.ndarray], target: Target = GENERIC) -> list[np.ndarray]:
    """What the interpreter makes of the program; parallel loops may run in any order."""
    return interpreted(lowered(graph, target), inputs)


def interpreted(program: Program, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """What the interpreter makes of a program, backwards too where that is another order."""
    results = run_program(program, inputs)
    if any(map(is_unordered, program.kernels())):
        pairs = zip(results, run_program(program, inputs, backwards=True), strict=True)
        for forwards, backwards in pairs:
            np.testing.assert_array_equal(forwards, backwards)
    return results


def is_unordered(kernel: Kernel) -> bool:
    """Whether a kernel has loops that may run in any order."""
    loops = (part for part in statements(kernel.body) if isinstance(part, For))
    return any(loop.kind in UNORDERED for loop in loops)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def dense(x: Handle, w: Handle, b: Handle) -> Handle:
    """A layer: `x @ w + b`."""
    result: Handle = ops.matmul(x, w) + ops.broadcast_to(b, (x.shape[0], w.shape[1]))
    return result
