"""`layers.serialize` and `layers.deserialize`."""

from __future__ import annotations

from typing import Any

from irflow.errors import UsageError
from irflow.keras.layers.layer import Layer
from irflow.keras.saving import registry


def serialize(layer: Layer) -> Any:
    """The config of a layer, `{"class_name": …, "config": …}`."""
    return registry.serialize_keras_object(layer)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The layer that `serialize` described.

    Raises:
        UnknownNameError: its class is neither irflow's, nor registered, nor passed.
        UsageError: the config is that of something else.
    """
    made = registry.deserialize_keras_object(config, custom_objects=custom_objects)
    if not isinstance(made, Layer):
        raise UsageError("layers.deserialize: the config is not that of a layer")
    return made
