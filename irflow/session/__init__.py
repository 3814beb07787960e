"""The explicit graph of the classic dataflow systems: build a graph once, run parts of it.

    x = irf.placeholder("f32", (None, 784), name="x")
    loss = ...                                   # any functions of irflow, on symbolic tensors
    step = irf.optim.Adam().minimize(loss)
    with irf.Session() as session:
        session.run([step, loss], {x: images})

A `Graph` is a trace that stays open: a thin layer over what `irf.jit` is made of.
"""

from irflow.session.derivatives import gradients
from irflow.session.graph import (
    Graph,
    get_default_graph,
    global_variables_initializer,
    group,
    placeholder,
    reset_default_graph,
)
from irflow.session.operation import Operation
from irflow.session.runs import Session
from irflow.session.training import minimize

__all__ = [
    "Graph",
    "Operation",
    "Session",
    "get_default_graph",
    "global_variables_initializer",
    "gradients",
    "group",
    "minimize",
    "placeholder",
    "reset_default_graph",
]
