"""`LearningRateScheduler` and `ReduceLROnPlateau`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from irflow.errors import UsageError
from irflow.keras.callbacks.callback import Callback
from irflow.keras.callbacks.monitor import Monitor


class LearningRateScheduler(Callback):
    """Sets the learning rate at the beginning of each epoch.

    Args:
        schedule: a function of the epoch's number, from 0, and of the rate so far, or of the
            number alone, that returns the new rate.
        verbose: whether to say so.

    Raises:
        UsageError: while training: the schedule returns no number.
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        super().__init__()
        self.schedule, self.verbose = schedule, verbose

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        rate = float(self.model.optimizer.learning_rate)
        takes = len(inspect.signature(self.schedule).parameters)
        found = self.schedule(epoch, rate) if takes > 1 else self.schedule(epoch)
        try:
            new = float(found)
        except (TypeError, ValueError):
            raise UsageError(
                f"LearningRateScheduler: the schedule returned {found!r}, not a number"
            ) from None
        self.model.optimizer.learning_rate = new
        if self.verbose:
            self.say(f"Epoch {epoch + 1}: the learning rate is {new:g}")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is not None:
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)


class ReduceLROnPlateau(Callback):
    """Reduces the learning rate when a number no longer gets better.

    Args:
        monitor: its name in the logs.
        factor: what the rate is multiplied with, below 1.
        patience: how many epochs without a better one are borne.
        verbose: whether to say so.
        mode: as that of `EarlyStopping`.
        min_delta: a smaller change counts as none.
        cooldown: epochs after a reduction in which nothing is counted.
        min_lr: the rate does not go below.

    Raises:
        UsageError: `factor` is 1 or more.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__()
        if not 0 <= factor < 1:
            raise UsageError(f"ReduceLROnPlateau: factor is {factor}, not below 1")
        self.watch = Monitor("ReduceLROnPlateau", monitor, mode, min_delta)
        self.factor, self.patience, self.verbose = factor, patience, verbose
        self.cooldown, self.min_lr = cooldown, min_lr
        self.on_train_begin()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.wait = self.cooldown_counter = 0
        self.best = self.watch.worst

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        rate = float(np.float32(self.model.optimizer.learning_rate))
        if logs is not None:
            logs["learning_rate"] = rate
        value = self.watch.read(logs)
        if value is None:
            return
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.wait = 0
        if self.watch.is_better(value, self.best):
            self.best, self.wait = value, 0
        elif self.cooldown_counter <= 0:
            self.wait += 1
            if self.wait >= self.patience and rate > np.float32(self.min_lr):
                self._reduce(epoch, rate)

    def _reduce(self, epoch: int, rate: float) -> None:
        new = max(rate * self.factor, self.min_lr)
        self.model.optimizer.learning_rate = new
        self.cooldown_counter, self.wait = self.cooldown, 0
        if self.verbose:
            self.say(f"Epoch {epoch + 1}: the learning rate is reduced to {new:g}")
