"""Optimizers, under Keras's names: `optimizers.Adam(1e-3)`, `"adam"`."""

from __future__ import annotations

import inspect
from typing import Any

from irflow.errors import UsageError
from irflow.keras.lookup import Family
from irflow.keras.optimizers import schedules
from irflow.keras.optimizers.adadelta import Adadelta
from irflow.keras.optimizers.adafactor import Adafactor
from irflow.keras.optimizers.adagrad import Adagrad
from irflow.keras.optimizers.adam import Adam
from irflow.keras.optimizers.adamax import Adamax
from irflow.keras.optimizers.adamw import AdamW
from irflow.keras.optimizers.ftrl import Ftrl
from irflow.keras.optimizers.lamb import Lamb
from irflow.keras.optimizers.lion import Lion
from irflow.keras.optimizers.loss_scale_optimizer import LossScaleOptimizer
from irflow.keras.optimizers.muon import Muon
from irflow.keras.optimizers.nadam import Nadam
from irflow.keras.optimizers.optimizer import Optimizer
from irflow.keras.optimizers.rmsprop import RMSprop
from irflow.keras.optimizers.sgd import SGD
from irflow.keras.saving import registry

_CLASSES = (
    Adadelta, Adafactor, Adagrad, Adam, AdamW, Adamax, Ftrl, Lamb, Lion, LossScaleOptimizer, Muon,
    Nadam, RMSprop, SGD,
)  # fmt: skip
_FAMILY = Family("optimizer", {cls.__name__.lower(): cls for cls in _CLASSES})


def get(identifier: Any) -> Any:
    """The optimizer for a name in any letters, a config, a class, or the optimizer itself.

    Raises:
        UnknownNameError: no optimizer of that name; the nearest names are told.
        UsageError: the identifier is none of these.
    """
    if isinstance(identifier, (str, dict)):
        identifier = deserialize(identifier)
    if inspect.isclass(identifier):
        identifier = identifier()
    if identifier is not None and not isinstance(identifier, Optimizer):
        raise UsageError(
            f"no optimizer: {identifier!r}",
            hint="give a name such as 'adam', a config, or one of irflow.keras.optimizers",
        )
    return identifier


def serialize(optimizer: Any) -> Any:
    """The config of an optimizer."""
    return registry.serialize_keras_object(optimizer)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The optimizer that a name or a config describes."""
    if isinstance(config, str):
        config = {"class_name": config, "config": {}}
    name = str(config.get("class_name", ""))
    known = _FAMILY.members.get(name.lower())
    found: Any = known if known is not None else _FAMILY.named(name, custom_objects)
    return found.from_config(config.get("config", {})) if hasattr(found, "from_config") else found


__all__ = [
    "SGD", "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "Ftrl", "Lamb", "Lion",
    "LossScaleOptimizer", "Muon", "Nadam", "Optimizer", "RMSprop", "deserialize", "get",
    "schedules", "serialize",
]  # fmt: skip
