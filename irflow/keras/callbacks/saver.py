"""`Saver`: what callbacks share that save now and then."""

from __future__ import annotations

from typing import Any

from irflow.errors import UsageError
from irflow.keras.callbacks.callback import Callback


class Saver(Callback):
    """The base of callbacks that save after each epoch, or after some batches.

    Args:
        save_freq: `"epoch"`, or after how many batches.

    Raises:
        UsageError: `save_freq` is neither.
    """

    def __init__(self, save_freq: str | int) -> None:
        super().__init__()
        is_count = isinstance(save_freq, int) and save_freq > 0
        if save_freq != "epoch" and not is_count:
            name = type(self).__name__
            raise UsageError(f"{name}: save_freq is {save_freq!r}, not 'epoch' or a count")
        self.save_freq = save_freq
        self.needs_every_batch = save_freq != "epoch"
        self._batches = self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._batches += 1
        if self.save_freq != "epoch" and self._batches % int(self.save_freq) == 0:
            self._save(self._epoch, self._epoch, logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch = epoch + 1
        if self.save_freq == "epoch":
            self._save(epoch, epoch + 1, logs)

    def _save(self, epoch: int, following: int, logs: dict[str, Any] | None) -> None:
        """Save in `epoch`, counted from 0; a training would go on with the epoch `following`."""
        raise NotImplementedError
