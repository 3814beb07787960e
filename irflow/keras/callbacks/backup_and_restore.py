"""`BackupAndRestore`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from irflow import artifact
from irflow.errors import ArtifactError, UsageError
from irflow.keras.callbacks.saver import Saver
from irflow.keras.saving import arrays

FILE = "backup.irflow"
KIND = "keras-backup"


class BackupAndRestore(Saver):
    """Keeps what is needed to go on with a training that was interrupted.

    The next `fit` with this callback begins at the epoch that was interrupted, with the weights,
    the optimizer's state and the random state of that time; a training that comes to its end
    removes the backup. With `save_freq="epoch"` the result is bit for bit that of a training
    without interruption.

    Args:
        backup_dir: the folder of the backup, used by one training only.
        save_freq: `"epoch"`, or after how many batches.
        delete_checkpoint: whether the backup is removed at the end.
        double_checkpoint: whether the one before is kept as well, in case this one is damaged.

    Raises:
        UsageError: `save_freq` is neither.
        ArtifactError: while training: the backup is damaged, or of another model.
    """

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: str | int = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        super().__init__(save_freq)
        if not os.fspath(backup_dir):
            raise UsageError("BackupAndRestore: backup_dir is empty")
        self.path = Path(backup_dir) / FILE
        self.double_checkpoint, self.delete_checkpoint = double_checkpoint, delete_checkpoint

    @property
    def previous(self) -> Path:
        """The backup before."""
        return self.path.with_suffix(".previous")

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        error: ArtifactError | None = None
        for path in (self.path, self.previous):
            if not path.is_file():
                continue
            try:
                epoch = self._restore(path)
            except ArtifactError as found:
                error = error or found
                continue
            self.model._resumed_epoch = epoch
            return
        if error is not None:
            raise error

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self.delete_checkpoint:
            self.path.unlink(missing_ok=True)
            self.previous.unlink(missing_ok=True)

    def _save(self, epoch: int, following: int, logs: dict[str, Any] | None) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        content = arrays.weight_arrays(self.model) | arrays.optimizer_arrays(self.model)
        content |= arrays.random_arrays()
        if self.double_checkpoint and self.path.is_file():
            os.replace(self.path, self.previous)
        backup = artifact.Container(arrays=content, metadata={"epoch": following}, kind=KIND)
        artifact.save(self.path, backup)

    def _restore(self, path: Path) -> int:
        """Give the model the state of a backup; the epoch to go on with."""
        found = artifact.load(path)
        epoch = found.metadata.get("epoch")
        if found.kind != KIND or type(epoch) is not int or epoch < 0:
            raise ArtifactError(f"{path} is no backup", facts=[("kind", found.kind)])
        if self.model.optimizer is not None:
            self.model.optimizer.build(self.model.trainable_variables)
        state = {n: a for n, a in found.arrays.items() if n.startswith("random/")}
        variables = arrays.variables_by_path(self.model) | arrays.optimizer_variables(self.model)
        held = {name: array for name, array in found.arrays.items() if name not in state}
        arrays.assign(variables, held, path)
        arrays.restore_random(state)
        return epoch
