"""Models made anew from other models or from their descriptions."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from irflow.errors import UsageError
from irflow.keras.engine.configs import network_config, rebuild
from irflow.keras.engine.symbolic import KerasTensor, Operation
from irflow.keras.layers.input import InputLayer
from irflow.keras.models.model import Model
from irflow.keras.models.sequential import Sequential
from irflow.keras.saving import registry


def model_from_config(config: dict[str, Any], custom_objects: Any = None) -> Model:
    """The model that a config of `serialize_keras_object` describes, with new weights."""
    made = registry.deserialize_keras_object(config, custom_objects)
    if not isinstance(made, Model):
        raise UsageError(f"this is the config of a {type(made).__name__}, not of a model")
    return made


def model_from_json(json_string: str, custom_objects: Any = None) -> Model:
    """The model that `Model.to_json` described, with new weights.

    Raises:
        UsageError: the text is no JSON, or describes no model.
    """
    try:
        config = json.loads(json_string)
    except ValueError as error:
        raise UsageError(f"this is no JSON: {error}") from None
    return model_from_config(config, custom_objects)


def clone_model(
    model: Model,
    input_tensors: Any = None,
    clone_function: Callable[[Any], Any] | None = None,
    call_function: Any = None,
    recursive: bool = False,
    **kwargs: Any,
) -> Model:
    """A model of the same layers, with new weights.

    Args:
        model: Sequential, functional, or of a class with a config.
        input_tensors: KerasTensors to begin with, instead of new ones, for a Sequential model.
        clone_function: makes a layer of a layer; by its config by default.
        call_function: not supported.
        recursive: whether `clone_function` is used for the layers of models inside too.
        **kwargs: nothing else.
    """
    if call_function is not None or kwargs:
        raise UsageError("clone_model takes no call_function here")

    def clone(layer: Any) -> Any:
        if recursive and isinstance(layer, Model) and clone_function is not None:
            return clone_model(layer, clone_function=clone_function, recursive=True)
        if clone_function is not None and not isinstance(layer, (InputLayer, Operation)):
            return clone_function(layer)
        return type(layer).from_config(layer.get_config())

    if isinstance(model, Sequential):
        return _clone_sequential(model, input_tensors, clone)
    if model._network is None:
        return type(model).from_config(model.get_config())  # type: ignore[no-any-return]
    operations = model._network.operations
    inputs, outputs, _ = rebuild(
        network_config(model._network), lambda number, _: clone(operations[number])
    )
    return Model(inputs, outputs, name=model.name)


def _clone_sequential(
    model: Sequential, input_tensors: Any, clone: Callable[[Any], Any]
) -> Sequential:
    first = model._input_layer
    begin: list[Any] = [] if first is None else [InputLayer.from_config(first.get_config())]
    if input_tensors is not None:
        given = input_tensors[0] if isinstance(input_tensors, (list, tuple)) else input_tensors
        if not isinstance(given, KerasTensor):
            raise UsageError("input_tensors of clone_model are KerasTensors")
        begin = [given]
    return Sequential([*begin, *map(clone, model.layers)], name=model.name)
