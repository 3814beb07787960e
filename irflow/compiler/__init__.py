"""From a traced graph to an executable: choose a backend, run the passes, lower, compile."""

from irflow.compiler.config import selected_backend, use_backend
from irflow.compiler.pipeline import Lowered, compile_graph, lower, pipeline_for

__all__ = ["Lowered", "compile_graph", "lower", "pipeline_for", "selected_backend", "use_backend"]
