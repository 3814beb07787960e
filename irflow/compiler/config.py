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
    return name or chosen.get() or os.environ.get("IRFLOW_BACKEND") or None
