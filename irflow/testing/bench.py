"""What the conformance kit does with one backend: compile, run, compare, skip what it lacks."""

from __future__ import annotations

from collections.abc import Sequence
from unittest import SkipTest

import numpy as np

from irflow import plugins
from irflow.backend import Backend, Executable
from irflow.compiler import compile_graph
from irflow.errors import UnsupportedError
from irflow.ir.graph import Graph
from irflow.records import dataclass
from irflow.testing.reference import Reference, values_of
from irflow.transform.pass_ import describe


@dataclass(frozen=True)
class Bench:
    """One backend under test.

    Attributes:
        name: what users call it.
    """

    name: str

    @property
    def backend(self) -> Backend:
        """The backend; the test is skipped where it cannot run at all."""
        backend = plugins.find_backend(self.name)
        reason = backend.available()
        if reason is not None:
            raise SkipTest(f"backend {self.name} is not available: {reason}")
        return backend

    def compile(self, graph: Graph, level: int = 2) -> Executable:
        """The executable of a graph.

        Raises:
            SkipTest: the graph needs what the backend does not claim, and it says so.
            AssertionError: it refuses what it claims, or compiles what it does not claim.
        """
        backend = self.backend
        gap = lacking(backend, graph)
        try:
            executable = compile_graph(graph, backend, level=level)
        except UnsupportedError as error:
            if gap is None:
                claim = f"{self.name} claims all that this graph needs, but refuses it"
                raise AssertionError(f"{claim}: {error}\n{graph}") from error
            raise SkipTest(f"{self.name} lacks {gap}: {error.summary}") from None
        left = lacking(backend, executable.graph)
        assert left is None, f"{self.name} lacks {left}, but compiled a graph that holds it"
        return executable

    def check(self, graph: Graph, inputs: Sequence[np.ndarray], what: str, level: int = 2) -> None:
        """Compile and run a graph and compare the results with the f64 reference."""
        executable = self.compile(graph, level)
        reference = Reference(graph, inputs)
        reference.check(executable(list(inputs)), f"{self.name}: {what}")


def lacking(backend: Backend, graph: Graph) -> str | None:
    """What a backend's capabilities lack of what a graph holds, in a few words, or None."""
    abilities = backend.capabilities()
    if not abilities.dynamic_sizes and graph.symbols:
        return "dynamic sizes (capabilities().dynamic_sizes)"
    for value in values_of(graph):
        if value.type.dtype not in abilities.dtypes:
            return f"the element type {value.type.dtype} (capabilities().dtypes)"
    return _lacking_op(backend, graph)


def _lacking_op(backend: Backend, graph: Graph) -> str | None:
    for node in graph:
        if backend.claims(node):
            continue
        if not backend.capabilities().has(node):
            return f"{describe(node)} (capabilities().ops and .rows)"
        for region in node.regions:
            found = _lacking_op(backend, region)
            if found is not None:
                return found
    return None
