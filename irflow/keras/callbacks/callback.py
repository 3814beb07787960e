"""`Callback`: what is called while a model is trained, evaluated or predicts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from irflow.errors import UsageError

Logs = dict[str, Any]


class Callback:
    """The base of callbacks; override what is needed.

    Methods for batches run between compiled steps: with them, each step is a call of its own.

    Attributes:
        needs_every_batch: whether the methods for batches, if there are some, must run after each
            step. False where it is enough that they run now and then: many steps are one call then.
        model: the model that it is called for.
        params: `epochs`, `steps` and `verbose` of the call.
        validation_data: None.
    """

    needs_every_batch = True

    def __init__(self) -> None:
        self.params: dict[str, Any] = {}
        self._model: Any = None
        self.validation_data: Any = None

    @property
    def model(self) -> Any:
        """The model that it is called for."""
        return self.__dict__.get("_model")

    def set_params(self, params: dict[str, Any]) -> None:
        """Take the parameters of the call."""
        self.params = params

    def set_model(self, model: Any) -> None:
        """Take the model."""
        self._model = model

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """As `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """As `on_train_batch_end`."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """An epoch begins."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """An epoch has ended; `logs` are its losses and metrics, those of validation `val_…`."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """A step of training begins."""
        self.on_batch_begin(batch, logs=logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """A step of training has ended; `logs` are the metrics since the epoch began."""
        self.on_batch_end(batch, logs=logs)

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """A step of evaluation begins."""

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """A step of evaluation has ended."""

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """A step of prediction begins."""

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """A step of prediction has ended; `logs["outputs"]` are its outputs."""

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Training begins."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Training has ended; `logs` are those of the last epoch."""

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Evaluation begins, also for validation."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """Evaluation has ended."""

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Prediction begins."""

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """Prediction has ended."""

    def say(self, text: str) -> None:
        """Print a line, as `verbose` callbacks do."""
        from rich.console import Console

        Console(highlight=False, soft_wrap=True).print(text, markup=False)


_BATCH_METHODS = {
    "train": (
        "on_train_batch_begin",
        "on_train_batch_end",
        "on_batch_begin",
        "on_batch_end",
    ),
    "test": ("on_test_batch_begin", "on_test_batch_end"),
    "predict": ("on_predict_batch_begin", "on_predict_batch_end"),
}


def is_overridden(callback: Any, method: str) -> bool:
    """Whether a callback does something of its own in a method."""
    found = getattr(callback, method, None)
    return getattr(found, "__func__", found) is not getattr(Callback, method)


class CallbackList:
    """Callbacks that are called one after another.

    Args:
        callbacks: one, or a list of them.
        model: that they are called for.
        params: of the call.

    Raises:
        UsageError: something has none of the methods of a callback.
    """

    def __init__(
        self,
        callbacks: Any = None,
        model: Any = None,
        params: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self.callbacks = list(_flat(callbacks))
        self.params = {**(params or {}), **kwargs}
        if model is not None:
            self.set_model(model)
        self.set_params(self.params)

    def append(self, callback: Any) -> None:
        """Add one at the end."""
        self.callbacks.append(callback)

    def set_params(self, params: dict[str, Any]) -> None:
        """Give the parameters to all."""
        self.params = params
        for callback in self.callbacks:
            callback.set_params(params)

    def set_model(self, model: Any) -> None:
        """Give the model to all."""
        for callback in self.callbacks:
            callback.set_model(model)

    def wants_batches(self, kind: str) -> bool:
        """Whether one has methods for batches of "train", "test" or "predict" that need each."""
        return any(
            getattr(callback, "needs_every_batch", True) and is_overridden(callback, method)
            for callback in self.callbacks
            for method in _BATCH_METHODS[kind]
        )

    def _each(self, method: str, *args: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, method)(*args)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """As of `Callback`; so are those below."""
        self._each("on_epoch_begin", epoch, logs or {})

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Call it of all."""
        self._each("on_epoch_end", epoch, logs or {})

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Call it of all."""
        self._each("on_batch_begin", batch, logs or {})

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Call it of all."""
        self._each("on_batch_end", batch, logs or {})

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Call it of all."""
        self._each("on_train_batch_begin", batch, logs or {})

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Call it of all."""
        self._each("on_train_batch_end", batch, logs or {})

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Call it of all."""
        self._each("on_test_batch_begin", batch, logs or {})

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Call it of all."""
        self._each("on_test_batch_end", batch, logs or {})

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Call it of all."""
        self._each("on_predict_batch_begin", batch, logs or {})

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Call it of all."""
        self._each("on_predict_batch_end", batch, logs or {})

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Call it of all."""
        self._each("on_train_begin", logs or {})

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Call it of all."""
        self._each("on_train_end", logs or {})

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Call it of all."""
        self._each("on_test_begin", logs or {})

    def on_test_end(self, logs: Logs | None = None) -> None:
        """Call it of all."""
        self._each("on_test_end", logs or {})

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Call it of all."""
        self._each("on_predict_begin", logs or {})

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """Call it of all."""
        self._each("on_predict_end", logs or {})


def _flat(callbacks: Any) -> Iterable[Any]:
    if callbacks is None:
        return
    if isinstance(callbacks, (list, tuple)):
        for callback in callbacks:
            yield from _flat(callback)
        return
    if isinstance(callbacks, type) or not hasattr(callbacks, "on_epoch_end"):
        is_class = isinstance(callbacks, type)
        name = callbacks.__name__ if is_class else repr(callbacks)
        kind = "a class, not a callback made of it" if is_class else "no callback"
        raise UsageError(
            f"callbacks: {name} is {kind}",
            hint=f"make one: {name}(…)"
            if is_class
            else "callbacks are objects of subclasses of keras.callbacks.Callback",
        )
    yield callbacks
