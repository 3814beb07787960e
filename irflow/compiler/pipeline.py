"""The stages between a traced graph and an executable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from irflow import log, plugins
from irflow.backend import Backend, CompileOptions, Executable, require_supported
from irflow.compiler.backends import selected_backend
from irflow.ir.graph import Graph, Node

if TYPE_CHECKING:
    from irflow.loops import Kernel
    from irflow.lowering.program import Program
    from irflow.transform.manager import Report

# What passes and loop nests need is imported when something is compiled: a program that only
# defines functions, or runs what was compiled before, starts sooner without it.


class Lowered:
    """A graph after the passes, ready for its backend.

    Attributes:
        backend: who compiles it.
        options: how to compile.

    Args:
        run: runs the passes, when it is first asked for their results.
    """

    def __init__(
        self, run: Callable[[], tuple[Graph, Report]], backend: Backend, options: CompileOptions
    ) -> None:
        self.backend = backend
        self.options = options
        self._run = run

    @cached_property
    def _results(self) -> tuple[Graph, Report]:
        return self._run()

    @property
    def graph(self) -> Graph:
        """The graph that the backend gets, or that its program is made from."""
        return self._results[0]

    @property
    def report(self) -> Report:
        """What each pass did."""
        return self._results[1]

    def __str__(self) -> str:
        return str(self.graph)

    def program(self, watch: Callable[[Kernel], None] | None = None) -> Program:
        """The loop nests, for backends that take programs; `watch` gets each as it is written."""
        from irflow.lowering.lower import lower_graph

        name, target, lent = self.options.name, self.backend.target(), self.options.lent
        return lower_graph(self.graph, name, target, watch, lent=lent)

    def compile(self) -> Executable:
        """Let the backend make an executable.

        Raises:
            UnsupportedError: the graph holds what the backend cannot run.
        """
        return self.backend.build(self.work, self.options)

    def work(self, watch: Callable[[Kernel], None] | None = None) -> Graph | Program:
        """What the backend compiles, by its level; `watch` gets each kernel as it is written.

        Raises:
            UnsupportedError: the graph holds what the backend cannot run.
        """
        require_supported(self.backend, self.graph)
        if self.backend.level == "graph":
            return self.graph
        program = self.program(watch)
        log.write("kernels", lambda: str(program))
        return program


def pipeline_for(backend: Backend, level: int = 2, slots: Mapping[str, str] | None = None) -> str:
    """The pipeline text of a level for a backend."""
    from irflow.transform.pipeline import level_pipeline

    return level_pipeline(level, slots, backend.pipeline(level))


def lower(
    graph: Graph,
    backend: str | Backend | None = None,
    *,
    level: int = 2,
    pipeline: str | None = None,
    check: int | None = None,
    dump: Path | None = None,
    stop_after: str | None = None,
    start_from: str | None = None,
    print_after_all: bool = False,
    time: bool = False,
) -> Lowered:
    """Run the passes on a copy of `graph`.

    Args:
        graph: a traced graph; it stays as it is.
        backend: its name, itself, or None for the selected one.
        level: the optimisation level, 0 to 3.
        pipeline: passes to run instead of those of the level.
        check: how much to verify, 0 to 3; `IRFLOW_CHECK` when None.
        dump: a folder for the graph after every pass; `IRFLOW_DUMP` when None.
        stop_after: the last pass to run.
        start_from: the first pass to run.
        print_after_all: write the graph to stderr after every pass.
        time: write the table of passes and times to stderr.

    Raises:
        UnknownNameError: no backend, pass or option of a name.
        PassError: a pass failed or changed what the graph computes.
    """
    chosen = backend if isinstance(backend, Backend) else selected_backend(backend)
    text = pipeline_for(chosen, level) if pipeline is None else pipeline
    results = passed(
        graph, chosen, text, level=level, check=check, dump=dump, stop_after=stop_after,
        start_from=start_from, print_after_all=print_after_all, time=time,
    )  # fmt: skip
    return Lowered(lambda: results, chosen, CompileOptions(graph.name, level))


def passed(
    graph: Graph,
    backend: Backend,
    pipeline: str,
    *,
    level: int = 2,
    check: int | None = None,
    dump: Path | None = None,
    stop_after: str | None = None,
    start_from: str | None = None,
    print_after_all: bool = False,
    time: bool = False,
) -> tuple[Graph, Report]:
    """A copy of `graph` after the passes of a pipeline, and what these did; see `lower`."""
    from irflow.transform.manager import PassManager

    manager = PassManager(
        pipeline, plugins.find_pass, level=level, claims=backend.claims, lacks=_lacks(backend)
    )
    work = graph.copy()
    log.write("graph", lambda: f"as traced:\n{graph}")
    report = manager.run(
        work, check=check, dump=dump, stop_after=stop_after, start_from=start_from,
        print_after_all=print_after_all, time=time,
    )  # fmt: skip
    log.write("graph", lambda: f"after the passes:\n{work}")
    return work, report


def _lacks(backend: Backend) -> Callable[[Node], bool]:
    """Whether a backend cannot run a node: an op or row outside its list that it does not claim."""
    abilities = backend.capabilities()

    def lacks(node: Node) -> bool:
        return not abilities.has(node) and not backend.claims(node)

    return lacks


def compile_graph(
    graph: Graph,
    backend: str | Backend | None = None,
    *,
    level: int = 2,
    pipeline: str | None = None,
) -> Executable:
    """`lower`, then compile."""
    return lower(graph, backend, level=level, pipeline=pipeline).compile()
