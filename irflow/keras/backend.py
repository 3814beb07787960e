"""The settings of `keras.config` by the place where older scripts look for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from irflow import names
from irflow.keras import ops
from irflow.keras.config import (
    epsilon,
    floatx,
    image_data_format,
    set_epsilon,
    set_floatx,
    set_image_data_format,
)
from irflow.keras.engine.symbolic import KerasTensor
from irflow.keras.utils.session import clear_session

__all__ = [
    "backend",
    "clear_session",
    "epsilon",
    "floatx",
    "image_data_format",
    "is_keras_tensor",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
]


def backend() -> str:
    """What computes: `"irflow"`."""
    return "irflow"


def is_keras_tensor(x: object) -> bool:
    """Whether it is a place in a functional model."""
    return isinstance(x, KerasTensor)


if not TYPE_CHECKING:  # to a type checker an unknown name is an error as it is

    def __getattr__(name: str) -> object:
        """The error that says where a function of Keras 2's backend is now."""
        error = names.unknown(__name__, name)
        if hasattr(ops, name):
            error = AttributeError(f"{error}; there is irflow.keras.ops.{name}")
        raise error
