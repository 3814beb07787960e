"""Regularizers of weights, under Keras's names: `regularizers.L2(1e-4)`, `"l2"`."""

from __future__ import annotations

from typing import Any

from irflow.keras.lookup import Family, both_spellings
from irflow.keras.regularizers.regularizer import (
    L1,
    L1L2,
    L2,
    OrthogonalRegularizer,
    Regularizer,
)
from irflow.keras.saving import registry

_FAMILY = Family("regularizer", both_spellings([L1, L1L2, L2, OrthogonalRegularizer]))

l1, l2, l1_l2, orthogonal_regularizer = L1, L2, L1L2, OrthogonalRegularizer


def get(identifier: Any) -> Any:
    """The regularizer for a name, a config, a class, or the regularizer itself; None for None.

    Raises:
        UnknownNameError: no regularizer of that name; the nearest names are told.
        UsageError: the identifier is none of these.
    """
    return _FAMILY.get(identifier)


def serialize(regularizer: Any) -> Any:
    """The config of a regularizer."""
    return registry.serialize_keras_object(regularizer)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The regularizer that a config describes."""
    return _FAMILY.deserialize(config, custom_objects)


__all__ = [
    "L1", "L1L2", "L2", "OrthogonalRegularizer", "Regularizer", "deserialize", "get", "l1", "l1_l2",
    "l2", "orthogonal_regularizer", "serialize",
]  # fmt: skip
