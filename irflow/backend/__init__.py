"""What a backend is: `Backend`, its `Capabilities`, and the `Executable` that it makes."""

from irflow.backend.base import (
    Backend,
    Capabilities,
    CompileOptions,
    Executable,
    Reason,
    require_supported,
)

__all__ = ["Backend", "Capabilities", "CompileOptions", "Executable", "Reason", "require_supported"]
