"""What runs between the epochs and steps of a training, each loaded when it is first used."""

from __future__ import annotations

from typing import Any

from irflow.keras.engine.lazy import lazy

_load, _names, __all__ = lazy(
    __name__,
    {
        "backup_and_restore": ("BackupAndRestore",),
        "callback": ("Callback", "CallbackList"),
        "early_stopping": ("EarlyStopping",),
        "history": ("History",),
        "learning_rate": ("LearningRateScheduler", "ReduceLROnPlateau"),
        "model_checkpoint": ("ModelCheckpoint",),
        "simple": ("CSVLogger", "LambdaCallback", "TerminateOnNaN"),
        "tensorboard": ("TensorBoard",),
    },
)


def __getattr__(name: str) -> Any:
    """Load a name when it is first used."""
    return _load(name)


def __dir__() -> list[str]:
    return _names()
