"""`Trainer`: the part of `Model` that trains, evaluates and predicts."""

from __future__ import annotations

from typing import Any

import numpy as np

from irflow import tree
from irflow.errors import UsageError
from irflow.frontend.boundary import public
from irflow.keras.engine import fitting
from irflow.keras.engine.arrays import as_batch
from irflow.keras.engine.preparation import prepare
from irflow.keras.engine.programs import Programs
from irflow.keras.engine.runs import plain
from irflow.keras.engine.steps import Steps


class Trainer(Steps):
    """Training, evaluation and prediction, for data in memory and in batches.

    >>> from irflow import keras
    >>> x = np.linspace(-1, 1, 64).reshape(64, 1)
    >>> model = keras.Sequential([keras.layers.Dense(1)])
    >>> model.compile(keras.optimizers.SGD(0.5), loss="mse", metrics=["mae"])
    >>> history = model.fit(x, 3 * x, epochs=20, validation_split=0.25, verbose=0)
    >>> list(history.history)
    ['loss', 'mae', 'val_loss', 'val_mae']
    >>> loss, mae = model.evaluate(x, 3 * x, verbose=0)
    >>> model.predict(x[-1:], verbose=0).round(2).item()
    3.0
    """

    @public
    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: Any = True,
        class_weight: dict[Any, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
    ) -> Any:
        """Train for a number of epochs.

        Data in memory is gone through by compiled loops of many steps; the last batch of an epoch
        may be smaller.

        Args:
            x: inputs: an array or table, or a list, tuple or dict of them; or a generator, an
                `irf.data.Dataset` or a `keras.utils.PyDataset`, which yield batches of
                `(inputs, targets)` or `(inputs, targets, sample_weights)`.
            y: targets, for inputs in memory.
            batch_size: 32 by default, for data in memory.
            epochs: the number of the epoch to end after.
            verbose: 0 for silence, 1 for a bar, 2 for a line an epoch; "auto" is 1 in a terminal or
                notebook, and 2 elsewhere.
            callbacks: a list of `keras.callbacks.Callback`.
            validation_split: the share of the data, from its end, to validate with.
            validation_data: `(x, y)`, `(x, y, sample_weight)`, or what `x` may be.
            shuffle: whether each epoch has a new order of data in memory; "batch": of batches.
            class_weight: from class numbers to weights.
            sample_weight: an array of weights; for several outputs a list or dict of them.
            initial_epoch: the number of the epoch to begin with.
            steps_per_epoch: how many batches are an epoch; all by default.
            validation_steps: how many batches to validate with.
            validation_batch_size: `batch_size` by default.
            validation_freq: validate after so many epochs, or after those in a list.

        Returns:
            The `History` of losses and metrics.

        Raises:
            UsageError: the model is not compiled, or arguments do not go together.
            ShapeError: arrays have different lengths, or do not fit the model.
            DataError: NaN, infinities, or labels that are no classes, before anything has changed.
            DTypeError: data is text.
        """
        given = fitting.FitArguments(
            batch_size=batch_size,
            epochs=epochs,
            verbose=verbose,
            callbacks=callbacks,
            shuffle=shuffle,
            class_weight=class_weight,
            initial_epoch=initial_epoch,
            steps_per_epoch=steps_per_epoch,
            validation_steps=validation_steps,
            validation_batch_size=validation_batch_size,
            validation_freq=validation_freq,
        )
        return fitting.fit(self, (x, y, sample_weight), validation_split, validation_data, given)

    @public
    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
        **kwargs: Any,
    ) -> Any:
        """The loss and the metrics on data.

        Args:
            x: as of `fit`.
            y: as of `fit`.
            batch_size: 32 by default.
            verbose: as of `fit`.
            sample_weight: as of `fit`.
            steps: how many batches; all by default.
            callbacks: as of `fit`.
            return_dict: whether to return the values by name.
            **kwargs: nothing else.

        Returns:
            The loss, a list of it and the metrics, or a dict.
        """
        _no_more("evaluate", kwargs)
        logs = fitting.evaluate(self, (x, y, sample_weight), batch_size, verbose, steps, callbacks)
        return logs if return_dict else self._in_order(logs)

    @public
    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """The outputs for data, as arrays.

        Args:
            x: as of `fit`.
            batch_size: 32 by default.
            verbose: as of `fit`.
            steps: how many batches; all by default.
            callbacks: as of `fit`.
        """
        is_plain = callbacks is None and steps is None and type(batch_size or 32) is int
        if is_plain and verbose == 0 and type(x) is np.ndarray:
            quick = self._programs_now().predict_array(x, batch_size or 32)
            if quick is not None:
                return quick
        return fitting.predict(self, x, batch_size, verbose, steps, callbacks)

    def _programs_now(self) -> Programs:
        if self._programs is None:
            self._programs = Programs(self, self._backend)
        return self._programs

    @public
    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: dict[Any, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """One step of training; the metrics go on from the last call.

        Args:
            x: inputs of a batch.
            y: targets.
            sample_weight: weights of the samples.
            class_weight: from class numbers to weights.
            return_dict: whether to return the values by name.
        """
        data = as_batch(x, y, sample_weight, class_weight)
        fitting.require_compiled(self, "train_on_batch")
        prepare(self, data)
        self._programs_now().follow()
        logs = plain(self._programs_now().batch("train", data))
        return logs if return_dict else self._in_order(logs)

    @public
    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """Evaluate one batch; as `train_on_batch`."""
        data = as_batch(x, y, sample_weight, None)
        fitting.require_compiled(self, "test_on_batch")
        prepare(self, data)
        logs = plain(self._programs_now().batch("test", data))
        return logs if return_dict else self._in_order(logs)

    @public
    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for one batch, as arrays."""
        data = as_batch(x, None, None, None)
        prepare(self, data, needs_targets=False)
        return tree.map_leaves(np.asarray, self._programs_now().batch("predict", data))

    def _in_order(self, logs: dict[str, Any]) -> Any:
        """The values in the order of the metrics; one alone as it is."""
        if len(logs) == 1:
            return next(iter(logs.values()))
        names = [metric.name for metric in self.metrics if metric.name in logs]
        rest = [name for name in logs if name not in names]
        return [logs[name] for name in dict.fromkeys([*names, *rest])]


def _no_more(name: str, kwargs: dict[str, Any]) -> None:
    if kwargs:
        raise UsageError(f"{name} takes no argument {', '.join(kwargs)}")
