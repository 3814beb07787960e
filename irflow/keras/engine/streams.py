"""Data that comes in batches: generators, datasets, `PyDataset`s, loaders."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from irflow import tree
from irflow.errors import UsageError
from irflow.keras.engine.arrays import (
    Batch,
    as_leaf,
    class_weights,
    unpack_x_y_sample_weight,
)
from irflow.keras.utils.py_dataset import PyDataset


class Stream:
    """Batches from something that yields them.

    Args:
        source: what yields them.
        class_weight: from class numbers to weights.
        shuffle: whether a `PyDataset` is gone through in a new order.

    Attributes:
        length: the number of batches of an epoch, None if it is not known.

    Raises:
        UsageError: nothing can be got from the source.
    """

    def __init__(self, source: Any, class_weight: Any = None, shuffle: Any = False) -> None:
        self._source, self._class_weight, self._shuffle = source, class_weight, shuffle
        self._is_indexed = isinstance(source, PyDataset) or (
            hasattr(source, "__getitem__")
            and hasattr(source, "__len__")
            and hasattr(source, "on_epoch_end")
        )
        self._is_once = hasattr(source, "__next__")
        if not (self._is_indexed or self._is_once or hasattr(source, "__iter__")):
            raise UsageError(
                f"{type(source).__name__} is no data",
                hint="give arrays, a generator, an irf.data.Dataset or a keras.utils.PyDataset",
            )
        self.length = _length(source) if self._is_indexed or not self._is_once else None
        self._running: Iterator[Any] | None = None

    def batches(self, limit: int | None) -> Iterator[Batch]:
        """The batches of an epoch.

        Args:
            limit: how many; the next epoch goes on where this one ends. All by default.
        """
        if limit is None:
            self._running = None
            yield from map(self._batch, self._all())
            return
        taken = 0
        while taken < limit:
            if self._running is None:
                self._running = self._all()
                was_empty = True
            batch = next(self._running, None)
            if batch is None:
                self._running = None
                if self._is_once or was_empty:
                    return
                continue
            was_empty = False
            taken += 1
            yield self._batch(batch)

    def _all(self) -> Iterator[Any]:
        if self._is_indexed:
            return self._indexed()
        return iter(self._source)

    def _indexed(self) -> Iterator[Any]:
        order = list(range(self.length or 0))
        if self._shuffle:
            order = np.random.permutation(len(order)).tolist()
        for number in order:
            yield self._source[number]

    def _batch(self, batch: Any) -> Batch:
        x, y, weight = (
            None if part is None else tree.map_leaves(as_leaf, part)
            for part in unpack_x_y_sample_weight(batch)
        )
        if self._class_weight is not None and y is not None:
            by_class = class_weights(tree.flatten(y)[0][0], self._class_weight)
            weight = by_class if weight is None else by_class * weight
        return x, y, weight

    def epoch_ended(self) -> None:
        """Tell a `PyDataset`."""
        if hasattr(self._source, "on_epoch_end"):
            self._source.on_epoch_end()

    def epoch_begins(self) -> None:
        """Tell a `PyDataset`."""
        if hasattr(self._source, "on_epoch_begin"):
            self._source.on_epoch_begin()

    def first(self) -> Batch:
        """The first batch, which is yielded again."""
        iterator = self._all()
        found = next(iterator, None)
        if found is None:
            raise UsageError("the data yields no batch")
        if self._is_once:
            self._source = _chained(found, iterator)
        return self._batch(found)


def _chained(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest


def _length(source: Any) -> int | None:
    """How many batches there are, if that is known."""
    for name in ("num_batches", "__len__"):
        found = getattr(source, name, None)
        if found is None:
            continue
        try:
            number = found() if callable(found) else found
        except TypeError:
            continue
        return None if number is None else int(number)
    return None
