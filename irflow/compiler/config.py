"""The name of the backend to use: keyword, then `use_backend`, then `IRFLOW_BACKEND`; None means
the default.
"""

from __future__ import annotations

import os
from contextvars import ContextVar

chosen: ContextVar[str | None] = ContextVar("irflow_backend", default=None)
"""What the innermost `use_backend` asks for."""


def selected_name(name: str | None = None) -> str | None:
    """The name asked for by keyword, context manager or environment; None for the default."""
    asked = name or chosen.get()
    if asked:
        return asked
    # This is asked at every call of a compiled function, and `os.environ.get` takes 600 ns to say
    # that a variable is not set. The dict behind it, where there is one, takes 40.
    if os.environ is _environment and _variables is not None and _KEY not in _variables:
        return None
    return os.environ.get(_NAME) or None


_NAME = "IRFLOW_BACKEND"
_environment = os.environ
_KEY = getattr(_environment, "encodekey", str)(_NAME)
_variables: dict[str | bytes, object] | None = getattr(_environment, "_data", None)
