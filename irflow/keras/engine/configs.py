"""Functional models as configs: their layers and the calls of them, as JSON can hold it."""

from __future__ import annotations

from typing import Any

from irflow import tree
from irflow.errors import ArtifactError
from irflow.keras.engine.network import Network
from irflow.keras.engine.symbolic import KerasTensor, Node, Operation, Operator
from irflow.keras.ops import Function
from irflow.keras.saving import registry

_PLACE = "__keras_tensor__"
_OPERATIONS: dict[str, Any] = {"Operator": Operator, "Function": Function}


def network_config(network: Network) -> dict[str, Any]:
    """The layers, their calls, and which tensors are inputs and outputs."""
    makers = [t.node for t in network.inputs if t.node is not None]
    is_inner = [bool(node.inputs) for node in makers]
    nodes = [*(n for n, inner in zip(makers, is_inner, strict=True) if not inner), *network.nodes]
    places = {id(t): [n, t.index] for n, node in enumerate(nodes) for t in node.outputs}
    for tensor in network.inputs:
        if id(tensor) not in places:
            raise ArtifactError(
                "a model whose inputs lie inside of another model cannot be described",
                facts=[("input", tensor.name)],
            )
    names = {id(op): i for i, op in enumerate(network.operations)}
    return {
        "layers": [_operation_config(op) for op in network.operations],
        "calls": [_call_config(node, names, places) for node in nodes],
        "input_layers": _nested(network.input_structure, network.inputs, places),
        "output_layers": _nested(network.output_structure, network.outputs, places),
    }


def _operation_config(operation: Any) -> dict[str, Any]:
    if isinstance(operation, Operation):
        config = registry.serialize_keras_object(operation.get_config())
        return {"class_name": type(operation).__name__, "config": config, "name": operation.name}
    config = registry.serialize_keras_object(operation)
    return {**config, "name": operation.name}


def _call_config(node: Node, names: dict[int, int], places: dict[int, Any]) -> dict[str, Any]:
    if not node.inputs:
        return {"layer": names[id(node.operation)]}
    return {
        "layer": names[id(node.operation)],
        "args": _described(node.args, places),
        "kwargs": _described(node.kwargs, places),
    }


def _described(value: Any, places: dict[int, Any]) -> Any:
    if isinstance(value, KerasTensor):
        config = [*places[id(value)], list(value.shape), value.dtype]
        return {"class_name": _PLACE, "config": config}
    if isinstance(value, tuple):
        return {"class_name": "__tuple__", "items": [_described(v, places) for v in value]}
    if isinstance(value, list):
        return [_described(v, places) for v in value]
    if isinstance(value, dict):
        return {key: _described(v, places) for key, v in value.items()}
    return registry.serialize_keras_object(value)


def _nested(structure: tree.Structure, tensors: list[KerasTensor], places: dict[int, Any]) -> Any:
    return _described(structure.unflatten(tensors), places)


def rebuild(
    config: dict[str, Any], make: Any = None, custom_objects: Any = None
) -> tuple[Any, Any, dict[int, Any]]:
    """Inputs, outputs, and the operations by number, of the model that a config describes.

    Args:
        config: of `network_config`.
        make: the operation for the config of one; from the config by default.
        custom_objects: classes by name.
    """
    made: dict[int, Any] = {}
    for number, layer in enumerate(config["layers"]):
        made[number] = _made(layer, custom_objects) if make is None else make(number, layer)
    results: list[list[KerasTensor]] = []
    for call in config["calls"]:
        operation = made[call["layer"]]
        if "args" not in call:
            results.append([operation.output])
            continue
        args, kwargs = (_restored(call[part], results) for part in ("args", "kwargs"))
        results.append(tree.flatten(operation(*args, **kwargs))[0])
    inputs, outputs = (_restored(config[p], results) for p in ("input_layers", "output_layers"))
    return inputs, outputs, made


def _made(config: dict[str, Any], custom_objects: Any) -> Any:
    if config["class_name"] in _OPERATIONS:
        inner = {k: _restored(v, []) for k, v in config["config"].items()}
        return _OPERATIONS[config["class_name"]].from_config(inner)
    return registry.deserialize_keras_object(config, custom_objects)


def _restored(value: Any, results: list[list[KerasTensor]]) -> Any:
    if isinstance(value, list):
        return [_restored(v, results) for v in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("class_name")
    if kind == _PLACE:
        node, index, *_ = value["config"]
        return results[node][index]
    if kind == "__tuple__":
        return tuple(_restored(v, results) for v in value["items"])
    if kind is not None:
        return registry.deserialize_keras_object(value)
    return {key: _restored(v, results) for key, v in value.items()}
