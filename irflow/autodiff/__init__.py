"""Derivatives of graphs: in reverse (`vjp_graph`, `gradient_graph`) and forward (`jvp_graph`)."""

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
    "Context",
    "Tape",
    "differentiable_outputs",
    "gradient_graph",
    "jvp_graph",
    "split_joint",
    "vjp_graph",
]
