"""Eager calls through the compiler: one small graph an op and operand types, compiled once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from irflow import compiler
from irflow.backend import Executable
from irflow.compiler.config import selected_name
from irflow.ir import Op, TensorType
from irflow.ir.builder import Builder
from irflow.ir.graph import Graph
from irflow.ir.types import type_of


def run_compiled(
    op: Op, arrays: Sequence[np.ndarray], regions: Sequence[Graph]
) -> list[np.ndarray]:
    """Trace, compile and run one op on arrays."""
    types = tuple(type_of(array) for array in arrays)
    if regions:
        return compiler.compile_graph(_graph(op, types, regions), selected_name())(arrays)
    return _compiled(op, types, selected_name())(arrays)


@lru_cache(maxsize=4096)
def _compiled(op: Op, types: tuple[TensorType, ...], backend: str | None) -> Executable:
    return compiler.compile_graph(_graph(op, types, ()), backend)


def _graph(op: Op, types: Sequence[TensorType], regions: Sequence[Graph]) -> Graph:
    graph = Graph(op.name)
    inputs = [graph.add_input(type, f"x{i}") for i, type in enumerate(types)]
    graph.set_outputs(Builder(graph).emit(op, inputs, regions))
    return graph
