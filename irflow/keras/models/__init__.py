"""`Model`, `Sequential`, and what makes models anew."""

from __future__ import annotations

from typing import Any

from irflow.keras.engine.lazy import lazy

_load, _names, __all__ = lazy(
    __name__,
    {
        "cloning": ("clone_model", "model_from_config", "model_from_json"),
        "model": ("Functional", "Model"),
        "sequential": ("Sequential",),
        "storage": ("load_model", "save_model"),
    },
)


def __getattr__(name: str) -> Any:
    """Load a name when it is first used."""
    return _load(name)


def __dir__() -> list[str]:
    return _names()
