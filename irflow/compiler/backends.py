"""From a backend's name to the backend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from irflow import plugins
from irflow.backend import Backend
from irflow.compiler.config import chosen, selected_name


@contextmanager
def use_backend(name: str) -> Iterator[None]:
    """Compile with the named backend inside a `with` block.

    Raises:
        UnknownNameError, BackendUnavailableError: at once, not at the first call.
    """
    plugins.usable_backend(name)
    token = chosen.set(name)
    try:
        yield
    finally:
        chosen.reset(token)


def selected_backend(name: str | None = None) -> Backend:
    """The backend to use; one that is asked for by name and cannot run is an error.

    Args:
        name: instead of what `use_backend`, `IRFLOW_BACKEND` or the priorities say.
    """
    wanted = selected_name(name)
    return plugins.usable_backend(wanted) if wanted else plugins.default_backend()
