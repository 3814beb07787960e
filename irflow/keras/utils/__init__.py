"""What models need besides layers, each loaded when it is first used."""

from __future__ import annotations

from typing import Any

from irflow.keras.engine.lazy import lazy

_load, _names, __all__ = lazy(
    __name__,
    {
        "arrays": (
            "normalize",
            "pack_x_y_sample_weight",
            "split_dataset",
            "to_categorical",
            "unpack_x_y_sample_weight",
        ),
        "directories": ("FileDataset",),
        "files": ("get_file",),
        "images": (
            "array_to_img",
            "image_dataset_from_directory",
            "img_to_array",
            "load_img",
            "save_img",
        ),
        "py_dataset": ("PyDataset", "Sequence"),
        "seeds": ("set_random_seed",),
        "sequences": ("pad_sequences", "timeseries_dataset_from_array"),
        "session": ("clear_session",),
        "texts": ("text_dataset_from_directory",),
        "irflow.keras.saving.registry": (
            "CustomObjectScope",
            "custom_object_scope",
            "deserialize_keras_object",
            "get_custom_objects",
            "get_registered_name",
            "get_registered_object",
            "register_keras_serializable",
            "serialize_keras_object",
        ),
    },
)


def __getattr__(name: str) -> Any:
    """Load a name when it is first used."""
    return _load(name)


def __dir__() -> list[str]:
    return _names()
