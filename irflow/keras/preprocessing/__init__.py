"""Names of `irflow.keras.utils` in their older places."""

from __future__ import annotations

from typing import Any

from irflow.keras.engine.lazy import lazy

_load, _names, __all__ = lazy(
    __name__,
    {
        "image": (),
        "sequence": (),
        "irflow.keras.utils.images": ("image_dataset_from_directory",),
        "irflow.keras.utils.sequences": ("timeseries_dataset_from_array",),
        "irflow.keras.utils.texts": ("text_dataset_from_directory",),
    },
)


def __getattr__(name: str) -> Any:
    """Load a name when it is first used."""
    return _load(name)


def __dir__() -> list[str]:
    return _names()
