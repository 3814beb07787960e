"""Models as graphs in `.irflow` files, for `irflow run` and for programs without Keras."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from irflow import artifact
from irflow.errors import UsageError
from irflow.frontend.apply import trace_function
from irflow.frontend.boundary import public
from irflow.frontend.tracing import Argument, suspended
from irflow.ir.graph import Graph, Node, Value
from irflow.keras.engine.inference import symbolic_type
from irflow.ops import Constant

ENDPOINT = "serve"


@public
def export_model(model: Any, filepath: str | os.PathLike[str]) -> None:
    """Write what a model computes outside of training, as a graph with its weights inside.

    `irflow run model.irflow --input x=rows.npy` runs it; `irflow draw`, `compile` and `diff` take
    it as well. It cannot be trained any more: `save_model` keeps what is needed for that.

    Args:
        model: one with symbolic inputs.
        filepath: the file, such as `"served.irflow"`.

    Raises:
        UsageError: the model has no symbolic inputs, or its state changes when it is called.
        ArtifactError: the file cannot be written.
    """
    content = artifact.Container(graphs={ENDPOINT: serving_graph(model)})
    artifact.save(filepath, content)


def serving_graph(model: Any) -> Graph:
    """The graph of a model outside of training, for any number of rows; weights are constants."""
    names = [place.name.replace("/", "_") for place in model.inputs]
    structure = model._network.input_structure
    kinds = [symbolic_type(place.shape, place.dtype) for place in model.inputs]
    arguments = [Argument(kind, name) for kind, name in zip(kinds, names, strict=True)]

    def serve(leaves: list[Any]) -> Any:
        return model(structure.unflatten(leaves), training=False)

    with suspended():
        traced = trace_function(serve, arguments, ENDPOINT, is_compiled=True)
    if traced.updates:
        raise UsageError(
            f'model "{model.name}" changes its state when it is called: no file can hold that',
            facts=[("changes", variable.name) for variable in traced.updates],
        )
    graph = traced.graph
    for value, held in zip(graph.inputs[len(arguments) :], traced.captures, strict=True):
        _fix(graph, value, np.asarray(held))
    return graph


def _fix(graph: Graph, value: Value, array: np.ndarray) -> None:
    """Let an input be a constant."""
    node = Node(Constant.of(array), (), (), None)
    graph.insert(node, graph.first)
    graph.replace_uses(value, node.output)
    graph.remove_input(value)
