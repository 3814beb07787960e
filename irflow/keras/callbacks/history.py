"""`History`: what happened in each epoch."""

from __future__ import annotations

from typing import Any

import numpy as np

from irflow.errors import UsageError
from irflow.keras.callbacks.callback import Callback, Logs
from irflow.keras.engine.optional import optional

_COLUMNS = 3


class History(Callback):
    """Losses and metrics of each epoch; `fit` returns one.

    Attributes:
        epoch: the numbers of the epochs.
        history: from each name to the values, one an epoch.
    """

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[str, list[Any]] = {}
        self.epoch: list[int] = []
        self._epochs: dict[str, list[int]] = {}

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
            self._epochs.setdefault(name, []).append(epoch + 1)
        self.model.history = self

    def plot(self, names: Any = None) -> Any:
        """Draw how losses and metrics went, those of validation beside those of training.

        Args:
            names: what to draw, such as `["loss", "accuracy"]`; all numbers by default, one axes
                each.

        Returns:
            The figure of matplotlib: `history.plot().savefig("training.png")`; `pyplot.show()`
            shows it in a window.

        Raises:
            MissingPackageError: matplotlib is not installed.
            UsageError: there is nothing to draw.
        """
        pyplot = optional("matplotlib.pyplot", "plots", extra="matplotlib")
        ticker = optional("matplotlib.ticker", "plots", extra="matplotlib")
        shown = self._drawn([names] if isinstance(names, str) else names)
        columns = min(len(shown), _COLUMNS)
        rows = -(-len(shown) // columns)
        figure, axes = pyplot.subplots(
            rows, columns, figsize=(4.5 * columns, 3.2 * rows), squeeze=False, layout="constrained"
        )
        for place, name in zip(axes.flat, shown, strict=False):
            for key, label in ((name, "training"), (f"val_{name}", "validation")):
                if key in self.history:
                    place.plot(self._epochs[key], self.history[key], marker=".", label=label)
            place.set(xlabel="epoch", title=name)
            place.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
            if f"val_{name}" in self.history:
                place.legend()
        for place in axes.flat[len(shown) :]:
            place.remove()
        return figure

    def _drawn(self, names: Any) -> list[str]:
        """The names that get axes of their own: the loss first."""
        known = [name for name, values in self.history.items() if np.ndim(values[0]) == 0]
        if names is None:
            trained = [name for name in known if not name.startswith("val_")]
            alone = [n.removeprefix("val_") for n in known if n.startswith("val_")]
            names = sorted(dict.fromkeys([*trained, *alone]), key=lambda name: name != "loss")
        unknown = [str(n) for n in names if n not in known and f"val_{n}" not in known]
        if unknown or not names:
            raise UsageError(
                f"there is nothing to draw{' of ' + ', '.join(unknown) if unknown else ''}",
                facts=[("known", ", ".join(known) or "nothing: no epoch has ended")],
            )
        return list(names)

    def __repr__(self) -> str:
        return f"<History of {len(self.epoch)} epochs: {', '.join(self.history)}>"
