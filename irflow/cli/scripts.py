"""Python files as programs: run one from its beginning, and see what it compiles."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

from irflow.cli.console import note
from irflow.cli.functions import running
from irflow.compiler import use_backend
from irflow.compiler.compilations import Compilation, recorded


def is_script(reference: str) -> bool:
    """Whether MODEL is a whole Python file, without the name of a function."""
    return reference.endswith(".py")


def compilations_of(path: str, arguments: Sequence[str], backend: str | None) -> list[Compilation]:
    """Run the file at `path` as `python file.py arguments` would; what was compiled meanwhile.

    Args:
        path: a Python file.
        arguments: what it finds in `sys.argv` behind its name.
        backend: for what the file does not name a backend; None for the selected one.

    Raises:
        ModelError: the file raised an error, or ended with another exit code than 0.
    """
    note(f"executing {path}")
    choice = nullcontext() if backend is None else use_backend(backend)
    with recorded() as found, choice, running(path), _argv([path, *arguments]):
        try:
            runpy.run_path(path, run_name="__main__")
        except SystemExit as end:
            if end.code not in (None, 0):
                raise
    return found


@contextmanager
def _argv(arguments: list[str]) -> Iterator[None]:
    before, sys.argv = sys.argv, arguments
    try:
        yield
    finally:
        sys.argv = before
