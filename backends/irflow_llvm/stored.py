"""Executables on disk: a program without its steps, and the name of the entry with its code."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from irflow.backend import CompileOptions, Executable
from irflow.backend.cache import keep, lookup
from irflow.ir.graph import Graph
from irflow.lowering.program import Program
from irflow.lowering.stored import StoredProgram, read_program, write_program
from irflow_llvm import workers
from irflow_llvm.engine import Code, Engine
from irflow_llvm.parts import Segment
from irflow_llvm.pool import PARALLEL
from irflow_llvm.runtime import LlvmExecutable


def save(executable: Executable) -> list[bytes | memoryview] | None:
    """An executable as pieces of bytes; None if a part of it runs on the host."""
    if not isinstance(executable, LlvmExecutable) or not executable.is_native:
        return None
    for name, code in executable.codes:
        if lookup(name) is None:  # The code comes from this process's memory.
            keep(name, [code])
    names = " ".join(name for name, _ in executable.codes)
    facts: dict[str, str | bool] = {"code": names, "long": executable.is_long}
    return write_program(executable.program, facts)


def restore(
    content: bytes | memoryview, graph: Graph, work: Callable[[], Program], options: CompileOptions
) -> Executable:
    """The executable that `save` was given.

    Raises:
        ValueError: the bytes are damaged, or there is no such code.
        LoweringError: the code is that of something else.
    """
    program, facts = read_program(content, graph, work)
    names, is_long = facts.get("code"), facts.get("long")
    if not isinstance(names, str) or not isinstance(is_long, bool):
        raise ValueError("not an executable")
    codes = []
    for name in names.split():
        code = lookup(name)
        if code is None:
            raise ValueError("its code is gone")
        codes.append((name, bytes(code)))
    try:
        return StoredExecutable(program, options, codes, is_long)
    except RuntimeError as error:
        raise ValueError(f"LLVM does not take its code: {error}") from error


class StoredExecutable(LlvmExecutable):
    """A program whose machine code is there already.

    Args:
        program: what is known of it.
        options: how hard LLVM tried.
        codes: object files and their names.
        is_long: whether calls may take long.
    """

    def __init__(
        self,
        program: StoredProgram,
        options: CompileOptions,
        codes: Sequence[Code],
        is_long: bool,
    ) -> None:
        Executable.__init__(self, lambda: program.whole.graph)
        self._is_long = is_long
        self.level = self.level_of(options)
        self.memory_limit = options.memory_limit
        self.codes = tuple(codes)
        if any(PARALLEL.encode() in code for _, code in codes):
            workers.pool()  # The engine finds its function by name.
        engine = Engine.of_objects(code for _, code in codes)
        self.open(program, [Segment("entry0", ())], engine)

    @property
    def is_long(self) -> bool:
        return self._is_long
