"""From a traced graph to an executable: choose a backend, run the passes, lower, compile.

The stages are loaded when something is first compiled, so that `import irflow` stays light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from irflow.compiler.config import selected_backend, use_backend

if TYPE_CHECKING:
    from irflow.compiler.pipeline import Lowered, compile_graph, lower, pipeline_for

__all__ = ["Lowered", "compile_graph", "lower", "pipeline_for", "selected_backend", "use_backend"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module("irflow.compiler.pipeline"), name)
    raise AttributeError(f"module 'irflow.compiler' has no attribute {name!r}")
