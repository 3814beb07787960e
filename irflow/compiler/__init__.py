"""From a traced graph to an executable: choose a backend, run the passes, lower, compile.

The stages are loaded when something is first compiled, so that `import irflow` stays light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from irflow.compiler.backends import selected_backend, use_backend
    from irflow.compiler.pipeline import Lowered, compile_graph, lower, pipeline_for
    from irflow.compiler.prepared import prepare

__all__ = [
    "Lowered",
    "compile_graph",
    "lower",
    "pipeline_for",
    "prepare",
    "selected_backend",
    "use_backend",
]

_HOMES = {"prepare": "prepared", "selected_backend": "backends", "use_backend": "backends"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'irflow.compiler' has no attribute {name!r}")
    home = importlib.import_module(f"irflow.compiler.{_HOMES.get(name, 'pipeline')}")
    return getattr(home, name)
