"""`LambdaCallback`, `TerminateOnNaN` and `CSVLogger`."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

import numpy as np

from irflow.errors import ArtifactError
from irflow.keras.callbacks.callback import Callback

Hook = Callable[..., Any]


class LambdaCallback(Callback):
    """Calls functions.

    Args:
        on_epoch_begin: a function of the epoch's number and the logs; and so on.
        on_epoch_end: likewise.
        on_train_begin: a function of the logs.
        on_train_end: likewise.
        on_train_batch_begin: a function of the batch's number and the logs.
        on_train_batch_end: likewise.
        **hooks: other hooks of `Callback` by name.
    """

    def __init__(
        self,
        on_epoch_begin: Hook | None = None,
        on_epoch_end: Hook | None = None,
        on_train_begin: Hook | None = None,
        on_train_end: Hook | None = None,
        on_train_batch_begin: Hook | None = None,
        on_train_batch_end: Hook | None = None,
        **hooks: Hook,
    ) -> None:
        super().__init__()
        given = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
            **hooks,
        }
        # As attributes of the object they hide the methods; a hook that is not given stays one.
        vars(self).update({name: hook for name, hook in given.items() if hook is not None})


class TerminateOnNaN(Callback):
    """Stops training when the loss is no number or infinite.

    It looks at the loss so far, which stays so, whenever a compiled loop of steps has ended.
    """

    needs_every_batch = False

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        loss = (logs or {}).get("loss")
        if loss is not None and not np.isfinite(loss):
            self.say(f"Batch {batch}: the loss is {float(loss)}, training stops")
            self.model.stop_training = True


class CSVLogger(Callback):
    """Writes the numbers of each epoch to a CSV file.

    Args:
        filename: the file.
        separator: between columns.
        append: whether lines are added to a file that is there already.
    """

    def __init__(
        self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False
    ) -> None:
        super().__init__()
        self.filename, self.separator, self.append = os.fspath(filename), separator, append
        self._file: IO[str] | None = None
        self._writer: Any = None
        self._keys: list[str] = []

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._keys = []
        has_header = False
        if self.append and os.path.exists(self.filename):
            with open(self.filename, newline="", encoding="utf-8") as stream:
                has_header = bool(stream.readline())
        mode = "a" if self.append else "w"
        with self._explained():
            self._file = open(self.filename, mode, newline="", encoding="utf-8")  # noqa: SIM115
        self._has_header = has_header
        self._writer = None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self._file is None:
            return
        numbers = dict(logs or {})
        if self._writer is None:
            self._keys = sorted(numbers)
            columns = ["epoch", *self._keys]
            self._writer = csv.DictWriter(self._file, columns, delimiter=self.separator)
            if not self._has_header:
                self._writer.writeheader()
        row = {key: _written(numbers.get(key, "NA")) for key in self._keys}
        self._writer.writerow({"epoch": epoch, **row})
        with self._explained():
            self._file.flush()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if self._file is not None:
                with suppress(OSError):  # what is left in memory cannot be written either
                    self._file.close()
            raise ArtifactError(
                f"{self.filename}: cannot be written: {error.strerror or error}"
            ) from error

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _written(value: Any) -> Any:
    """A number, or a list of numbers in quotes, as the file has it."""
    if isinstance(value, str) or np.ndim(value) == 0:
        return value
    return f'"[{", ".join(map(str, np.asarray(value).tolist()))}]"'
