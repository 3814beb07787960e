"""Compiling what may have been compiled before: passes and lowering run when they are needed."""

from __future__ import annotations

from irflow import log
from irflow.backend import Backend, CompileOptions, Executable
from irflow.backend.cache import keep, lookup
from irflow.compiler.backends import selected_backend
from irflow.compiler.compilations import is_recording
from irflow.compiler.kept import is_unchanged, name_for
from irflow.compiler.pipeline import Lowered, passed, pipeline_for
from irflow.errors import IrflowError
from irflow.ir.graph import Graph


def prepare(graph: Graph, backend: str | Backend | None = None, *, level: int = 2) -> Lowered:
    """`lower` for whoever wants nothing but the executable.

    An executable that is on disk is taken from there; the passes run when the graph after them, the
    report or a listing is asked for. Programs with steps on the host are not kept on disk.

    Args:
        graph: a traced graph; it stays as it is.
        backend: its name, itself, or None for the selected one.
        level: the optimisation level, 0 to 3.
    """
    chosen = backend if isinstance(backend, Backend) else selected_backend(backend)
    return _Prepared(graph, chosen, pipeline_for(chosen, level), CompileOptions(graph.name, level))


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
        content = None if name is None else self.backend.save(made)
        if name is not None and content is not None and is_unchanged(self.backend, self._pipeline):
            keep(name, content)
        return made

    def _restored(self, name: str) -> Executable | None:
        content = lookup(name)
        if content is None:
            return None
        try:
            return self.backend.restore(content, self._traced, self.work, self.options)
        except (IrflowError, ValueError) as error:
            log.write("kernels", f"cache: {name} is made anew: {error}")
            return None
