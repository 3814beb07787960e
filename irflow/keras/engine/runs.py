"""Steps over data: an epoch of training or evaluation."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from irflow.errors import UsageError
from irflow.keras.callbacks.callback import CallbackList
from irflow.keras.engine.arrays import Arrays, orders
from irflow.keras.engine.screen import Screen
from irflow.keras.engine.streams import Stream
from irflow.records import dataclass

_CHUNK_SECONDS = 0.07
"""How long a compiled loop runs before callbacks and the screen are looked after."""

Source = Arrays | Stream


@dataclass
class Run:
    """One kind of steps over data.

    Attributes:
        model: whose steps they are.
        kind: "train" or "test".
        source: the data.
        batch_size: for data in memory.
        shuffle: as of `fit`.
        limit: how many batches; all by default.
    """

    model: Any
    kind: str
    source: Source
    batch_size: int
    shuffle: Any = False
    limit: int | None = None

    def __post_init__(self) -> None:
        self._waiting: list[np.ndarray] = []

    @property
    def steps(self) -> int | None:
        """How many there are in an epoch, if that is known."""
        if self.limit is not None:
            return self.limit
        if isinstance(self.source, Stream):
            return self.source.length
        return -(-self.source.size // self.batch_size)

    def epoch(self, callbacks: CallbackList, screen: Screen | None) -> tuple[int, dict[str, Any]]:
        """Go through the data once; the number of steps, and what to show."""
        if isinstance(self.source, Stream):
            return self._stream_epoch(self.source, callbacks, screen)
        return self._array_epoch(self.source, callbacks, screen)

    def _array_epoch(
        self, source: Arrays, callbacks: CallbackList, screen: Screen | None
    ) -> tuple[int, dict[str, Any]]:
        programs = self.model._programs_now()
        begin = getattr(callbacks, f"on_{self.kind}_batch_begin")
        end = getattr(callbacks, f"on_{self.kind}_batch_end")
        wants_each = callbacks.wants_batches(self.kind)
        step, logs = 0, {}
        for rows in self._chunks(source, wants_each):
            begin(step)
            start = time.perf_counter()
            logs = plain(programs.chunk(self.kind, source.parts, rows))
            self._note(len(rows), time.perf_counter() - start)
            step += len(rows)
            end(step - 1, logs)
            if screen is not None:
                screen.update(step, logs)
            if self.kind == "train" and self.model.stop_training:
                break
        return step, logs

    def _chunks(self, source: Arrays, wants_each: bool) -> Iterator[np.ndarray]:
        """The orders of batches, `i64[steps, batch]`, of a compiled loop each."""
        left = self.steps or 0
        while left:
            if not self._waiting:
                self._waiting = orders(source.size, self.batch_size, self.shuffle)
            rows = self._waiting[0]
            count = min(left, len(rows), 1 if wants_each else self._size())
            yield rows[:count]
            left -= count
            self._waiting[0] = rows[count:]
            if not len(self._waiting[0]):
                self._waiting.pop(0)

    def _size(self) -> int:
        """How many steps a compiled loop takes: a power of two, for memory is kept for each."""
        seconds = self.model._programs_now().seconds.get((self.kind, self.batch_size))
        steps = 1 if seconds is None else int(_CHUNK_SECONDS / max(seconds, 1e-7))
        return 1 << max(0, steps.bit_length() - 1)

    def _note(self, steps: int, seconds: float) -> None:
        """Remember how long a step takes; the first call compiles, so it tells little."""
        known = self.model._programs_now().seconds
        key = self.kind, self.batch_size
        each = seconds / steps
        known[key] = min(each, _CHUNK_SECONDS / 4) if key not in known else each

    def _stream_epoch(
        self, source: Stream, callbacks: CallbackList, screen: Screen | None
    ) -> tuple[int, dict[str, Any]]:
        programs = self.model._programs_now()
        begin = getattr(callbacks, f"on_{self.kind}_batch_begin")
        end = getattr(callbacks, f"on_{self.kind}_batch_end")
        step, logs = 0, {}
        source.epoch_begins()
        for batch in source.batches(self.limit):
            begin(step)
            logs = plain(programs.batch(self.kind, batch))
            step += 1
            end(step - 1, logs)
            if screen is not None:
                screen.update(step, logs)
            if self.kind == "train" and self.model.stop_training:
                break
        source.epoch_ended()
        if not step:
            raise UsageError(
                "the data yields no batch",
                hint="a generator is gone through once; give steps_per_epoch, or a Dataset",
            )
        if self.limit is None:
            source.length = step
        return step, logs


def plain(logs: Any) -> dict[str, Any]:
    """Values to show as floats, in the order of their names.

    Raises:
        UsageError: a step returned no dict.
    """
    if not isinstance(logs, dict):
        raise UsageError(
            "a train_step or test_step returns a dict of values to show",
            facts=[("returned", type(logs).__name__)],
        )
    found: dict[str, Any] = {}
    for name in sorted(logs):
        value = logs[name]
        if isinstance(value, dict):
            found.update(plain(value))
            continue
        array = np.asarray(value)
        found[name] = float(array) if array.ndim == 0 else array
    return found
