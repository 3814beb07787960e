"""Known image classifiers with Keras's names, loaded when they are first used."""

from __future__ import annotations

import importlib
from typing import Any

from irflow.keras.engine.lazy import lazy

_load, _names, __all__ = lazy(
    __name__,
    {"mobilenet_v2": ("MobileNetV2",), "resnet": ("ResNet50",), "vgg16": ("VGG16",)},
)
_MODULES = ("imagenet_utils", "mobilenet_v2", "resnet", "resnet50", "vgg16")


def __getattr__(name: str) -> Any:
    """Load a name when it is first used."""
    return importlib.import_module(f"{__name__}.{name}") if name in _MODULES else _load(name)


def __dir__() -> list[str]:
    return sorted({*_names(), *_MODULES})
