"""Graphs made from graphs: derivatives in reverse and forward, and the graph on a batch.

`vjp_graph`, `gradient_graph`; `jvp_graph`; `batch_graph`.
"""

from irflow.autodiff.batching import BatchContext, batch_graph
from irflow.autodiff.forward import jvp_graph
from irflow.autodiff.tape import (
    Context,
    Tape,
    differentiable_outputs,
    gradient_graph,
    split_joint,
    vjp_graph,
)

__all__ = [
    "BatchContext",
    "Context",
    "Tape",
    "batch_graph",
    "differentiable_outputs",
    "gradient_graph",
    "jvp_graph",
    "split_joint",
    "vjp_graph",
]
