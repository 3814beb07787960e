"""Eager calls through the compiler, so that tests of arrays exercise it: `IRFLOW_EAGER=jit`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from irflow import compiler
from irflow.backend import Executable
from irflow.compiler.config import selected_name
from irflow.ir import Op, TensorType
from irflow.ir.builder import Builder
from irflow.ir.evaluate import evaluate
from irflow.ir.graph import Graph
from irflow.ir.op import infer_types
from irflow.ir.op import run_op as run_meaning
from irflow.ir.types import type_of

if TYPE_CHECKING:
    from irflow.frontend.tensor import Tensor


def is_compiled() -> bool:
    """Whether eager calls are compiled instead of run by NumPy."""
    return os.environ.get("IRFLOW_EAGER") == "jit"


def apply(
    op: Op, operands: Sequence[Tensor], regions: Sequence[Graph] = ()
) -> list[tuple[np.ndarray, TensorType | None]]:
    """The results of an op on concrete tensors, with their types where these are known."""
    arrays = [operand.data for operand in operands]
    if regions:
        return [(array, None) for array in run_op(op, arrays, regions)]
    types = infer_types(op, [operand.type for operand in operands])
    if is_compiled():
        return [(array, None) for array in run_op(op, arrays, regions)]
    return list(zip(run_meaning(op, arrays), types, strict=True))


def run_op(op: Op, arrays: Sequence[np.ndarray], regions: Sequence[Graph]) -> list[np.ndarray]:
    """Run one op on arrays, as a graph of its own; without regions it is compiled once."""
    types = tuple(type_of(array) for array in arrays)
    if regions:
        return run_graph(_graph(op, types, regions), arrays)
    return _compiled(op, types, selected_name())(arrays)


def run_graph(graph: Graph, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Run a graph that is used once."""
    if is_compiled():
        return compiler.compile_graph(graph, selected_name())(arrays)
    return evaluate(graph, arrays)


@lru_cache(maxsize=4096)
def _compiled(op: Op, types: tuple[TensorType, ...], backend: str | None) -> Executable:
    return compiler.compile_graph(_graph(op, types, ()), backend)


def _graph(op: Op, types: Sequence[TensorType], regions: Sequence[Graph]) -> Graph:
    graph = Graph(op.name)
    inputs = [graph.add_input(type, f"x{i}") for i, type in enumerate(types)]
    graph.set_outputs(Builder(graph).emit(op, inputs, regions))
    return graph
