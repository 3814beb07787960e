"""Constraints on weights, under Keras's names: `constraints.MaxNorm(2)`, `"non_neg"`."""

from __future__ import annotations

from typing import Any

from irflow.keras.constraints.constraint import Constraint, MaxNorm, MinMaxNorm, NonNeg, UnitNorm
from irflow.keras.lookup import Family, both_spellings
from irflow.keras.saving import registry

_FAMILY = Family("constraint", both_spellings([MaxNorm, MinMaxNorm, NonNeg, UnitNorm]))

max_norm, min_max_norm, non_neg, unit_norm = MaxNorm, MinMaxNorm, NonNeg, UnitNorm


def get(identifier: Any) -> Any:
    """The constraint for a name, a config, a class, or the constraint itself; None for None.

    Raises:
        UnknownNameError: no constraint of that name; the nearest names are told.
        UsageError: the identifier is none of these.
    """
    return _FAMILY.get(identifier)


def serialize(constraint: Any) -> Any:
    """The config of a constraint."""
    return registry.serialize_keras_object(constraint)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The constraint that a config describes."""
    return _FAMILY.deserialize(config, custom_objects)


__all__ = [
    "Constraint", "MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm", "deserialize", "get", "max_norm",
    "min_max_norm", "non_neg", "serialize", "unit_norm",
]  # fmt: skip
