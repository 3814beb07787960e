"""Compiling what may have been compiled before: passes and lowering run when they are needed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from irflow import log
from irflow.backend import Backend, CompileOptions, Executable
from irflow.backend.cache import LARGE, keep, lookup
from irflow.compiler.backends import selected_backend
from irflow.compiler.collector import give_back_memory
from irflow.compiler.compilations import is_recording
from irflow.compiler.kept import is_unchanged, name_for
from irflow.compiler.pipeline import Lowered, passed, pipeline_for
from irflow.errors import ArenaError, IrflowError, UnsupportedError
from irflow.ir.graph import Graph

if TYPE_CHECKING:
    from irflow.loops import Kernel
    from irflow.lowering.program import Program
    from irflow.transform.manager import Report

AGAIN = (
    "",
    "rematerialize{{limit={0}}}",
    "rematerialize{{recompute=all,limit={0}}}",
    "rematerialize{{recompute=all}}",
)
"""Passes that are tried in turn where memory is limited to the given bytes. The pass counts values,
of which some need no memory and others, in kernels of several results, need it for longer.
"""


def prepare(
    graph: Graph,
    backend: str | Backend | None = None,
    *,
    level: int = 2,
    memory_limit: int | None = None,
    lent: tuple[int, ...] = (),
) -> Lowered:
    """`lower` for whoever wants nothing but the executable.

    An executable that is on disk is taken from there; the passes run when the graph after them, the
    report or a listing is asked for. Programs with steps on the host are not kept on disk.

    Args:
        graph: a traced graph; it stays as it is.
        backend: its name, itself, or None for the selected one.
        level: the optimisation level, 0 to 3.
        memory_limit: the most bytes that intermediate values may take; values are computed again
            as far as it asks for that.
        lent: inputs in whose memory results may be written, where nobody else has it.

    Raises:
        UnsupportedError: there is a limit, and the backend plans no memory.
    """
    chosen = backend if isinstance(backend, Backend) else selected_backend(backend)
    lent = lent if chosen.capabilities().lending else ()
    options = CompileOptions(graph.name, level, memory_limit=memory_limit, lent=lent)
    if memory_limit is None:
        return _Prepared(graph, chosen, pipeline_for(chosen, level), options)
    if chosen.level == "graph":
        raise UnsupportedError(f"the {chosen.name} backend plans no memory that could be limited")
    return _Limited(graph, chosen, pipeline_for(chosen, level), options)


class _Prepared(Lowered):
    """A graph that has been through the passes as soon as one looks at it."""

    def __init__(
        self, traced: Graph, backend: Backend, pipeline: str, options: CompileOptions
    ) -> None:
        super().__init__(
            lambda: passed(traced, backend, pipeline, level=options.level), backend, options
        )
        self._traced = traced
        self._pipeline = pipeline

    def compile(self) -> Executable:
        name = None
        if not is_recording():
            name = name_for(self._traced, self.backend, self._pipeline, self.options)
        found = None if name is None else self._restored(name)
        if found is not None:
            return found
        made = super().compile()
        pieces = None if name is None else self.backend.save(made)
        if name is not None and pieces is not None and is_unchanged(self.backend, self._pipeline):
            keep(name, pieces)
        return made

    def _restored(self, name: str) -> Executable | None:
        content = lookup(name)
        if content is None:
            return None
        try:
            found = self.backend.restore(content, self._traced, self.work, self.options)
        except (IrflowError, ValueError) as error:
            log.write("kernels", f"cache: {name} is made anew: {error}")
            return None
        if len(content) >= LARGE:
            give_back_memory()
        return found


class _Limited(_Prepared):
    """The first of several pipelines with which intermediate values fit in the given memory."""

    @cached_property
    def _results(self) -> tuple[Graph, Report]:
        return self._fitting[:2]

    def program(self, watch: Callable[[Kernel], None] | None = None) -> Program:
        return self._fitting[2]

    @cached_property
    def _fitting(self) -> tuple[Graph, Report, Program]:
        from irflow.lowering.limit import nominal_sizes, require_within
        from irflow.lowering.lower import lower_graph

        backend, options, limit = self.backend, self.options, self.options.memory_limit
        assert limit is not None
        errors = []
        for passes in AGAIN:
            pipeline = pipeline_for(backend, options.level, {"late": passes.format(limit)})
            graph, report = passed(self._traced, backend, pipeline, level=options.level)
            program = lower_graph(
                graph, options.name, backend.target(), has_forks=False, lent=options.lent
            )
            try:
                require_within(program, nominal_sizes(graph), limit)
            except ArenaError as error:
                log.write("memory", f"with {passes or 'all values kept'}: {error}")
                errors.append(error)
                continue
            return graph, report, program
        raise errors[-1]
