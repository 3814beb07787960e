"""What callbacks that watch a number have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from irflow.errors import UsageError
from irflow.location import warn

GROWING = ("acc", "auc", "f1", "fbeta", "iou", "precision", "recall", "r2")
"""Parts of the names of metrics that are better when they are larger."""


class Monitor:
    """A number among the logs, and whether it got better.

    Attributes:
        name: in the logs.
        mode: `"min"`, `"max"`, or `"auto"`: by the name.
        min_delta: the least change that counts.
    """

    def __init__(self, owner: str, name: str, mode: str = "auto", min_delta: float = 0.0) -> None:
        if mode not in ("auto", "min", "max"):
            raise UsageError(f"{owner}: mode is {mode!r}, not 'auto', 'min' or 'max'")
        self.owner, self.name = owner, name
        self.min_delta = abs(min_delta)
        lowered = name.lower()
        grows = any(part in lowered for part in GROWING) and not lowered.endswith("loss")
        self.is_growing = mode == "max" or (mode == "auto" and grows)

    @property
    def worst(self) -> float:
        """What every number is better than."""
        return -np.inf if self.is_growing else np.inf

    def read(self, logs: Mapping[str, Any] | None) -> float | None:
        """The number, or None with a warning that tells which ones there are."""
        found = (logs or {}).get(self.name)
        if found is None:
            names = ", ".join(logs or {}) or "nothing"
            warn(f"{self.owner}: there is no {self.name!r} among what was measured: {names}")
            return None
        return float(found)

    def is_better(self, value: float, best: float) -> bool:
        """Whether `value` is better than `best` by more than the least change."""
        if self.is_growing:
            return value - self.min_delta > best
        return value + self.min_delta < best
