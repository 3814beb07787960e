"""Which backend is used: keyword, then `use_backend`, then `IRFLOW_BACKEND`, then priority."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from irflow import plugins
from irflow.backend import Backend

_chosen: ContextVar[str | None] = ContextVar("irflow_backend", default=None)


@contextmanager
def use_backend(name: str) -> Iterator[None]:
    """Compile with the named backend inside a `with` block.

    Raises:
        UnknownNameError, BackendUnavailableError: at once, not at the first call.
    """
    plugins.usable_backend(name)
    token = _chosen.set(name)
    try:
        yield
    finally:
        _chosen.reset(token)


def selected_name(name: str | None = None) -> str | None:
    """The name asked for by keyword, context manager or environment; None for the default."""
    return name or _chosen.get() or os.environ.get("IRFLOW_BACKEND") or None


def selected_backend(name: str | None = None) -> Backend:
    """The backend to use; one that is asked for by name and cannot run is an error."""
    wanted = selected_name(name)
    return plugins.usable_backend(wanted) if wanted else plugins.default_backend()
