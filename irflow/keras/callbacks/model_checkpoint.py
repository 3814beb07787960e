"""`ModelCheckpoint`."""

from __future__ import annotations

import os
from typing import Any

from irflow.errors import UsageError
from irflow.keras.callbacks.monitor import Monitor
from irflow.keras.callbacks.saver import Saver
from irflow.keras.engine.optional import optional


class ModelCheckpoint(Saver):
    """Saves the model, or its weights, while it is trained.

    Args:
        filepath: the file, as that of `Model.save`; `{epoch}` and the names of logs in braces are
            filled in, as in `"m.{epoch:02d}-{val_loss:.2f}.irflow"`.
        monitor: which number tells the best model.
        verbose: whether to say so.
        save_best_only: whether a model is saved only if it is better than those before.
        save_weights_only: whether only the weights are saved (as safetensors).
        mode: as that of `EarlyStopping`.
        save_freq: `"epoch"`, or after how many batches.
        initial_value_threshold: a number that counts as the best one at first.

    Raises:
        MissingPackageError: the file needs h5py, which is not installed.
        UsageError: `save_freq` is neither, or while training: `filepath` names a log that is not
            there.
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(save_freq)
        self.filepath, self.verbose = os.fspath(filepath), verbose
        if self.filepath.endswith((".keras", ".weights.h5")):
            # Said before the training rather than at the end of its first epoch.
            optional("h5py", f"files such as {self.filepath}", "h5py")
        self.watch = Monitor("ModelCheckpoint", monitor, mode)
        self.save_best_only, self.save_weights_only = save_best_only, save_weights_only
        start = initial_value_threshold
        self.best = self.watch.worst if start is None else start

    def _save(self, epoch: int, following: int, logs: dict[str, Any] | None) -> None:
        path = self._path(epoch, logs or {})
        if self.save_best_only:
            value = self.watch.read(logs)
            if value is None:
                return
            if not self.watch.is_better(value, self.best):
                if self.verbose:
                    self.say(f"Epoch {epoch + 1}: {self.watch.name} is no better: {self.best:.5f}")
                return
            self.best = value
        if self.verbose:
            self.say(f"Epoch {epoch + 1}: saving to {path}")
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(path)
        else:
            self.model.save(path)

    def _path(self, epoch: int, logs: dict[str, Any]) -> str:
        try:
            return self.filepath.format(epoch=epoch + 1, batch=self._batches, **logs)
        except KeyError as error:
            names = ", ".join(["epoch", *logs])
            raise UsageError(
                f"ModelCheckpoint: nothing is named {error} in {self.filepath!r}",
                facts=[("there are", names)],
            ) from None
