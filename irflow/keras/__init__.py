"""`irflow.keras`: models with Keras's names, trained by whole compiled steps.

    from irflow import keras
    from irflow.keras.models import Sequential
    from irflow.keras.layers import Dense

Everything is loaded when it is first used.
"""

from __future__ import annotations

from typing import Any

from irflow.keras.engine.lazy import lazy

_load, _names, __all__ = lazy(
    __name__,
    {
        "activations": (),
        "applications": (),
        "backend": (),
        "callbacks": (),
        "config": (),
        "constraints": (),
        "datasets": (),
        "dtype_policies": (),
        "initializers": (),
        "layers": (),
        "losses": (),
        "metrics": (),
        "mixed_precision": (),
        "models": (),
        "ops": (),
        "optimizers": (),
        "preprocessing": (),
        "random": (),
        "regularizers": (),
        "saving": (),
        "utils": (),
        "irflow": ("__version__", "Variable"),
        "irflow.keras.dtype_policies": ("DTypePolicy",),
        "engine.gradients": ("value_and_grad",),
        "engine.input_spec": ("InputSpec",),
        "engine.symbolic": ("KerasTensor",),
        "engine.tape": ("GradientTape",),
        "initializers.initializer": ("Initializer",),
        "layers.input": ("Input",),
        "layers.layer": ("Layer",),
        "losses.loss": ("Loss",),
        "metrics.metric": ("Metric",),
        "models.model": ("Model",),
        "models.sequential": ("Sequential",),
        "optimizers.optimizer": ("Optimizer",),
    },
)


def __getattr__(name: str) -> Any:
    """Load a name when it is first used."""
    return _load(name)


def __dir__() -> list[str]:
    return _names()
