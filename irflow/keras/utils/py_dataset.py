"""`PyDataset`: batches by number."""

from __future__ import annotations

from typing import Any

from irflow.errors import UsageError


class PyDataset:
    """Batches that a class of one's own makes: define `__len__` and `__getitem__`.

    Args:
        workers: taken; batches are made one after another.
        use_multiprocessing: taken.
        max_queue_size: taken.
    """

    def __init__(
        self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10
    ) -> None:
        self.workers, self.use_multiprocessing = workers, use_multiprocessing
        self.max_queue_size = max_queue_size

    def __getitem__(self, index: int) -> Any:
        """Batch number `index`: `x`, `(x, y)` or `(x, y, sample_weight)`."""
        raise UsageError(f"{type(self).__name__} does not define __getitem__")

    @property
    def num_batches(self) -> int | None:
        """How many batches there are; None if they never end."""
        return len(self) if hasattr(self, "__len__") else None

    def on_epoch_begin(self) -> None:
        """An epoch begins."""

    def on_epoch_end(self) -> None:
        """An epoch has ended."""


Sequence = PyDataset
