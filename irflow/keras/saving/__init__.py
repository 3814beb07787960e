"""Saving and loading: which classes may be made from a file, models and weights in files."""

from __future__ import annotations

from typing import Any

from irflow.keras.engine.lazy import lazy

_load, _names, __all__ = lazy(
    __name__,
    {
        "registry": (
            "CustomObjectScope",
            "custom_object_scope",
            "deserialize_keras_object",
            "get_custom_objects",
            "get_registered_name",
            "get_registered_object",
            "register_keras_serializable",
            "serialize_keras_object",
        ),
        "saving": ("load_model", "save_model"),
        "weights": ("load_weights", "save_weights"),
    },
)


def __getattr__(name: str) -> Any:
    """Load a name when it is first used."""
    return _load(name)


def __dir__() -> list[str]:
    return _names()
