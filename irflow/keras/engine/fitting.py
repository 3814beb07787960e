"""The loops of `fit`, `evaluate` and `predict`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from irflow import tree
from irflow.errors import IrflowError, UsageError
from irflow.keras.callbacks.callback import CallbackList
from irflow.keras.callbacks.history import History
from irflow.keras.engine.arrays import Arrays, Batch, is_in_memory
from irflow.keras.engine.checks import (
    check_no_text,
    check_share,
    check_verbose,
    check_whole,
)
from irflow.keras.engine.preparation import check_labels, check_rows, prepare
from irflow.keras.engine.runs import Run, Source
from irflow.keras.engine.screen import Screen
from irflow.keras.engine.streams import Stream
from irflow.records import dataclass

_BATCH_SIZE = 32


@dataclass(frozen=True)
class FitArguments:
    """The arguments of `fit` besides the data."""

    batch_size: int | None
    epochs: int
    verbose: Any
    callbacks: Any
    shuffle: Any
    class_weight: Any
    initial_epoch: int
    steps_per_epoch: int | None
    validation_steps: int | None
    validation_batch_size: int | None
    validation_freq: Any

    def __post_init__(self) -> None:
        check_whole("epochs", self.epochs, 0)
        check_whole("initial_epoch", self.initial_epoch, 0)
        for name in ("batch_size", "steps_per_epoch", "validation_steps", "validation_batch_size"):
            check_whole(name, getattr(self, name), 1, is_optional=True)
        freq = self.validation_freq
        for each in freq if isinstance(freq, (list, tuple, set)) else (freq,):
            check_whole("validation_freq", each, 1)
        check_verbose(self.verbose)

    def validates(self, epoch: int) -> bool:
        """Whether there is a validation after this epoch, counted from 0."""
        if isinstance(self.validation_freq, (list, tuple, set)):
            return epoch + 1 in self.validation_freq
        return bool((epoch + 1) % self.validation_freq == 0)


def require_compiled(model: Any, method: str) -> None:
    """UsageError unless `compile` was called."""
    if not model.compiled:
        raise UsageError(
            f"{method}: the model is not compiled",
            hint='model.compile(optimizer="adam", loss="…", metrics=["accuracy"])',
        )


def source_of(data: Sequence[Any], class_weight: Any, shuffle: Any, what: str = "x") -> Source:
    """Data as users give it, as arrays or batches.

    Raises:
        UsageError: targets or weights beside something that yields batches with them.
    """
    x, y, sample_weight = data
    if x is None:
        raise UsageError(f"there is no data {what}")
    check_no_text(what, x)
    if is_in_memory(x):
        if sample_weight is not None and class_weight is not None:
            raise UsageError("give sample_weight or class_weight, not both")
        return Arrays.of(x, y, sample_weight, class_weight)
    for name, part in (("y", y), ("sample_weight", sample_weight)):
        if part is not None:
            raise UsageError(
                f"{name} is given, but {what} is a {type(x).__name__}, which yields batches",
                hint=f"let {what} yield (inputs, targets) or (inputs, targets, sample_weights)",
            )
    return Stream(x, class_weight, shuffle)


def _checked_source(model: Any, source: Source, batch_size: int) -> None:
    """Prepare the model for the data, and check the data, before anything is changed."""
    if isinstance(source, Stream):
        prepare(model, source.first())
        return
    source.check_finite(model._programs_now().threads)
    prepare(model, source[slice(0, batch_size)].parts)
    check_rows(model, source.x)
    check_labels(model, source)


def _check_validation(model: Any, source: Arrays, batch_size: int) -> None:
    try:
        _checked_source(model, source, batch_size)
    except IrflowError as error:
        error.summary = f"validation data: {error.summary}"
        raise


def fit(
    model: Any,
    data: Sequence[Any],
    validation_split: float,
    validation_data: Any,
    arguments: FitArguments,
) -> History:
    """Train; see `Trainer.fit`."""
    require_compiled(model, "fit")
    check_share("validation_split", validation_split)
    batch_size = arguments.batch_size or _BATCH_SIZE
    source = source_of(data, arguments.class_weight, arguments.shuffle)
    validation: Source | None = None
    if validation_split and validation_data is None:
        if isinstance(source, Stream):
            raise UsageError("validation_split needs data in memory", hint="give validation_data=")
        source, validation = source.split(validation_split)
    elif validation_data is not None:
        validation = source_of(_parts(validation_data), None, False, "validation_data")
    _checked_source(model, source, batch_size)
    if isinstance(validation, Arrays):
        _check_validation(model, validation, arguments.validation_batch_size or batch_size)
    run = Run(model, "train", source, batch_size, arguments.shuffle, arguments.steps_per_epoch)
    testing = None
    if validation is not None:
        size = arguments.validation_batch_size or batch_size
        testing = Run(model, "test", validation, size, False, arguments.validation_steps)
    return _fit_loop(model, run, testing, arguments)


def _fit_loop(model: Any, run: Run, testing: Run | None, arguments: FitArguments) -> History:
    model._programs_now().refresh()
    screen = Screen(arguments.verbose)
    callbacks = _callback_list(model, arguments, run, screen)
    history = next(c for c in callbacks.callbacks if isinstance(c, History))
    model.stop_training = False
    logs: dict[str, Any] = {}
    model._resumed_epoch = None
    callbacks.on_train_begin()
    first = arguments.initial_epoch if model._resumed_epoch is None else model._resumed_epoch
    try:
        for epoch in range(first, arguments.epochs):
            model.reset_metrics()
            callbacks.on_epoch_begin(epoch)
            screen.epoch(f"Epoch {epoch + 1}/{arguments.epochs}", run.steps)
            steps, logs = run.epoch(callbacks, screen)
            if testing is not None and arguments.validates(epoch):
                found = _test(model, testing, callbacks, None)
                logs = {**logs, **{f"val_{name}": value for name, value in found.items()}}
            screen.finish(steps, logs)
            callbacks.on_epoch_end(epoch, logs)
            if model.stop_training:
                break
    finally:
        screen.close()
    finalize = getattr(model.optimizer, "finalize_variable_values", None)
    if finalize is not None and arguments.epochs > 0:
        finalize(model.trainable_variables)
    callbacks.on_train_end(logs)
    model.history = history
    return history


def _callback_list(model: Any, arguments: FitArguments, run: Run, screen: Screen) -> CallbackList:
    params = {"epochs": arguments.epochs, "steps": run.steps, "verbose": screen.verbose}
    if isinstance(arguments.callbacks, CallbackList):
        callbacks = arguments.callbacks
        callbacks.set_model(model)
        callbacks.set_params(params)
    else:
        callbacks = CallbackList(arguments.callbacks, model, params)
    if not any(isinstance(callback, History) for callback in callbacks.callbacks):
        history = History()
        history.set_model(model)
        history.set_params(params)
        callbacks.append(history)
    return callbacks


def _test(model: Any, run: Run, callbacks: CallbackList, screen: Screen | None) -> dict[str, Any]:
    model.reset_metrics()
    callbacks.on_test_begin()
    if screen is not None:
        screen.epoch(None, run.steps)
    steps, logs = run.epoch(callbacks, screen)
    if screen is not None:
        screen.finish(steps, logs)
    callbacks.on_test_end(logs)
    return logs


def evaluate(
    model: Any,
    data: Sequence[Any],
    batch_size: int | None,
    verbose: Any,
    steps: int | None,
    callbacks: Any,
) -> dict[str, Any]:
    """The loss and metrics on data; see `Trainer.evaluate`."""
    require_compiled(model, "evaluate")
    size = _checked_numbers(batch_size, verbose, steps)
    source = source_of(data, None, False)
    _checked_source(model, source, size)
    model._programs_now().refresh()
    run = Run(model, "test", source, size, False, steps)
    screen = Screen(verbose)
    found = _listed(callbacks, model, {"steps": run.steps, "verbose": screen.verbose})
    try:
        return _test(model, run, found, screen)
    finally:
        screen.close()


def predict(
    model: Any, x: Any, batch_size: int | None, verbose: Any, steps: int | None, callbacks: Any
) -> Any:
    """The outputs for data; see `Trainer.predict`."""
    size = _checked_numbers(batch_size, verbose, steps)
    source = source_of((x, None, None), None, False)
    model._programs_now().refresh()
    if isinstance(source, Stream):
        batches, count = source.batches(steps), source.length
        prepare(model, source.first(), needs_targets=False)
    else:
        prepare(model, source[slice(0, size)].parts, needs_targets=False)
        check_rows(model, source.x)
        count = -(-source.size // size)
        batches = (source[slice(i * size, (i + 1) * size)].parts for i in range(count))
    if steps is not None:
        count = min(steps, count) if count is not None else steps
    screen = Screen(verbose)
    found = _listed(callbacks, model, {"steps": count, "verbose": screen.verbose})
    try:
        outputs = _predict_loop(model, batches, count, found, screen)
    finally:
        screen.close()
    if isinstance(source, Arrays) and type(x) is np.ndarray:
        model._programs_now().remember_prediction(x)
    return outputs


def _predict_loop(
    model: Any, batches: Iterator[Batch], count: int | None, callbacks: CallbackList, screen: Screen
) -> Any:
    programs = model._programs_now()
    rows: list[list[np.ndarray]] = []
    structure = tree.LEAF
    callbacks.on_predict_begin()
    screen.epoch(None, count)
    for step, batch in enumerate(batches):
        if count is not None and step >= count:
            break
        callbacks.on_predict_batch_begin(step)
        outputs = programs.batch("predict", (batch[0], None, None))
        leaves, structure = tree.flatten(outputs)
        rows.append([leaf.data for leaf in leaves])
        callbacks.on_predict_batch_end(step, {"outputs": outputs})
        screen.update(step + 1, {})
    if not rows:
        raise UsageError("the data yields no batch")
    screen.finish(len(rows), {})
    callbacks.on_predict_end()
    return structure.unflatten([np.concatenate(column) for column in zip(*rows, strict=True)])


def _listed(callbacks: Any, model: Any, params: dict[str, Any]) -> CallbackList:
    if isinstance(callbacks, CallbackList):
        return callbacks
    return CallbackList(callbacks, model, params)


def _checked_numbers(batch_size: int | None, verbose: Any, steps: int | None) -> int:
    check_whole("batch_size", batch_size, 1, is_optional=True)
    check_whole("steps", steps, 1, is_optional=True)
    check_verbose(verbose)
    return batch_size or _BATCH_SIZE


def _parts(data: Any) -> tuple[Any, Any, Any]:
    """`validation_data` as inputs, targets and weights."""
    if isinstance(data, (tuple, list)) and 1 <= len(data) <= 3:
        x, y, weight = (*data, None, None)[:3]
        return x, y, weight
    return data, None, None
