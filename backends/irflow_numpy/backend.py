"""The backend that runs graphs with NumPy."""

from __future__ import annotations

from typing import ClassVar

from irflow.backend import Backend, CompileOptions, Executable
from irflow.errors import UnsupportedError
from irflow.ir.graph import Graph
from irflow.lowering.program import Program
from irflow_numpy.walk import NumpyExecutable


class NumpyBackend(Backend):
    """Every op by its NumPy meaning, with memory reused between elementwise functions."""

    name: ClassVar[str] = "numpy"
    level: ClassVar[str] = "graph"
    priority: ClassVar[int] = 0

    def compile(self, work: Graph | Program, options: CompileOptions) -> Executable:
        if not isinstance(work, Graph):
            raise UnsupportedError("the numpy backend compiles graphs, not programs")
        return NumpyExecutable(work)
