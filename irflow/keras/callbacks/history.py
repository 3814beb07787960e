"""`History`: what happened in each epoch."""

from __future__ import annotations

from typing import Any

from irflow.keras.callbacks.callback import Callback, Logs


class History(Callback):
    """Losses and metrics of each epoch; `fit` returns one.

    Attributes:
        epoch: the numbers of the epochs.
        history: from each name to the values, one an epoch.
    """

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[str, list[Any]] = {}
        self.epoch: list[int] = []

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
        self.model.history = self

    def __repr__(self) -> str:
        return f"<History of {len(self.epoch)} epochs: {', '.join(self.history)}>"
