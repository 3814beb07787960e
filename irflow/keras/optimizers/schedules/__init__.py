"""Learning rates that depend on the step, for the `learning_rate` of optimizers."""

from __future__ import annotations

from typing import Any

from irflow.keras.lookup import Family
from irflow.keras.optimizers.schedules.learning_rate_schedule import (
    CosineDecay,
    CosineDecayRestarts,
    ExponentialDecay,
    InverseTimeDecay,
    LearningRateSchedule,
    PiecewiseConstantDecay,
    PolynomialDecay,
)
from irflow.keras.saving import registry

_CLASSES = (
    CosineDecay, CosineDecayRestarts, ExponentialDecay, InverseTimeDecay, PiecewiseConstantDecay,
    PolynomialDecay,
)  # fmt: skip
_FAMILY = Family("schedule", {cls.__name__: cls for cls in _CLASSES})


def serialize(learning_rate_schedule: Any) -> Any:
    """The config of a schedule."""
    return registry.serialize_keras_object(learning_rate_schedule)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The schedule, or the registered function, that a config describes."""
    return _FAMILY.deserialize(config, custom_objects)


__all__ = [
    "CosineDecay", "CosineDecayRestarts", "ExponentialDecay", "InverseTimeDecay",
    "LearningRateSchedule", "PiecewiseConstantDecay", "PolynomialDecay", "deserialize", "serialize",
]  # fmt: skip
