"""`EarlyStopping`."""

from __future__ import annotations

from typing import Any

from irflow.keras.callbacks.callback import Callback
from irflow.keras.callbacks.monitor import Monitor


class EarlyStopping(Callback):
    """Stops training when a number no longer gets better.

    Args:
        monitor: its name in the logs.
        min_delta: a smaller change counts as none.
        patience: how many epochs without a better one are borne.
        verbose: whether to say so.
        mode: `"min"`, `"max"`, or `"auto"`: accuracies and the like should grow, others shrink.
        baseline: a number that counts as the best one until it is reached.
        restore_best_weights: whether the model ends with the weights of its best epoch.
        start_from_epoch: earlier epochs are not watched.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__()
        self.watch = Monitor("EarlyStopping", monitor, mode, min_delta)
        self.patience, self.verbose = patience, verbose
        self.baseline, self.start_from_epoch = baseline, start_from_epoch
        self.restore_best_weights = restore_best_weights
        self.on_train_begin()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best = self.watch.worst
        self.best_weights: Any = None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        value = self.watch.read(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self._remember(epoch)
        self.wait += 1
        if self.watch.is_better(value, self.best):
            self.best = value
            if self.restore_best_weights:
                self._remember(epoch)
            self.best_epoch = epoch
            # Where a baseline is set, waiting begins anew only above it.
            if self.baseline is None or self.watch.is_better(value, self.baseline):
                self.wait = 0
            return
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self.stopped_epoch > 0 and self.verbose:
            self.say(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose:
                self.say(f"Restoring the weights of the best epoch: {self.best_epoch + 1}")
            self.model.set_weights(self.best_weights)

    def _remember(self, epoch: int) -> None:
        self.best_weights, self.best_epoch = self.model.get_weights(), epoch
