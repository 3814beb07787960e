"""`Trainer`: the part of `Model` that compiles, trains, evaluates and predicts."""

from __future__ import annotations

from typing import Any

import numpy as np

from irflow import tree
from irflow.errors import UsageError
from irflow.frontend.tracing import suspended
from irflow.keras import optimizers
from irflow.keras.engine import fitting
from irflow.keras.engine.arrays import as_batch, unpack_x_y_sample_weight
from irflow.keras.engine.compiled import CompiledLoss, CompiledMetrics, check_names, size_of
from irflow.keras.engine.gradients import value_and_grad
from irflow.keras.engine.preparation import prepare
from irflow.keras.engine.programs import Programs
from irflow.keras.engine.tracking import unique
from irflow.keras.layers.layer import Layer
from irflow.keras.metrics import Mean
from irflow.keras.saving.registry import deserialize_keras_object, serialize_keras_object


class Trainer(Layer):
    """Training of a model; `train_step`, `test_step`, `predict_step`, `compute_loss` and
    `compute_metrics` may be overridden.

    Attributes:
        optimizer: as compiled.
        stop_training: set it to True, in a callback, to end `fit` after the epoch.
        compiled: whether `compile` was called.
        run_eagerly: whether steps run as Python, for debugging.
    """

    optimizer: Any = None
    loss: Any = None
    stop_training = False
    compiled = False
    run_eagerly = False
    jit_compile = True
    steps_per_execution = 1
    history: Any = None
    output_names: Any = None
    _compile_loss: CompiledLoss | None = None
    _compile_metrics: CompiledMetrics | None = None
    _loss_tracker: Any = None
    _programs: Programs | None = None
    _backend: str | None = None
    _resumed_epoch: int | None = None

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: Any = "auto",
        auto_scale_loss: bool = True,
        backend: str | None = None,
    ) -> None:
        """Say how the model is trained.

        Args:
            optimizer: a name or an object.
            loss: a name, an object or a function of `(y_true, y_pred)`; for several outputs also a
                list or a dict of them.
            loss_weights: numbers in the same form.
            metrics: a list of names, objects or functions; for several outputs a list of lists or
                a dict of them. "accuracy" is chosen by the shapes of the targets.
            weighted_metrics: those that take sample weights into account.
            run_eagerly: run each step as Python, for debugging.
            steps_per_execution: taken and not needed: `fit` runs many steps at once anyway.
            jit_compile: taken and not needed.
            auto_scale_loss: taken for float16, where it scales the loss.
            backend: what compiles the steps; the selected one by default.

        Raises:
            UnknownNameError: no optimizer, loss or metric has a name; it lists the nearest ones.
        """
        self.optimizer = optimizers.get(optimizer)
        if auto_scale_loss and self._dtype_policy.name == "mixed_float16":
            wrapper = getattr(optimizers, "LossScaleOptimizer", None)
            if wrapper is not None and not isinstance(self.optimizer, wrapper):
                self.optimizer = wrapper(self.optimizer, name="loss_scale_optimizer")
        self.loss, self.run_eagerly = loss, run_eagerly
        self.steps_per_execution, self.jit_compile = steps_per_execution, jit_compile
        self._compile_arguments = {
            "optimizer": optimizer,
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
        }
        names = self.output_names
        self._compile_loss = None if loss is None else CompiledLoss(loss, loss_weights, names)
        self._compile_metrics = None
        if metrics is not None or weighted_metrics is not None:
            self._compile_metrics = CompiledMetrics(metrics, weighted_metrics, names)
        check_names(loss, metrics, weighted_metrics)
        with suspended():
            self._loss_tracker = Mean(name="loss")
        self._backend = backend
        self._programs = Programs(self, backend)
        self.compiled, self.stop_training = True, False

    def get_compile_config(self) -> dict[str, Any] | None:
        """The arguments of `compile` that make an equal training; None where it was not called.

        Raises:
            UsageError: a loss or metric is a function that has no name.
        """
        if not self.compiled:
            return None
        arguments = {**self._compile_arguments, "optimizer": self.optimizer}
        return {
            name: serialize_keras_object(value)
            for name, value in arguments.items()
            if value is not None
        }

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile as `get_compile_config` describes, and make the optimizer's state."""
        self.compile(**deserialize_keras_object(config))
        if self.optimizer is not None and self.built:
            self.optimizer.build(self.trainable_variables)

    # ---------------------------------------------------------------------------------- metrics

    @property
    def metrics(self) -> list[Any]:
        """The loss, the losses of several outputs, compiled metrics, and those in attributes."""
        found: list[Any] = []
        if self._loss_tracker is not None:
            found.append(self._loss_tracker)
        if self._compile_metrics is not None:
            found.extend(self._compile_metrics.metrics)
        if self._compile_loss is not None:
            found.extend(self._compile_loss.metrics)
        return unique([*found, *self._held_metrics()])

    @property
    def metrics_names(self) -> list[str]:
        """The names of the metrics."""
        return [metric.name for metric in self.metrics]

    def reset_metrics(self) -> None:
        """Let all metrics begin anew."""
        for metric in self.metrics:
            metric.reset_state()

    def get_metrics_result(self) -> dict[str, Any]:
        """The current values by name."""
        found: dict[str, Any] = {}
        compiled = self._compile_metrics
        if self._loss_tracker is not None:
            found["loss"] = self._loss_tracker.result()
        if compiled is not None and compiled.built:
            found.update(compiled.result())
        inner = set() if compiled is None else {id(metric) for metric in compiled.metrics}
        for metric in self.metrics:
            if metric is not self._loss_tracker and id(metric) not in inner:
                value = metric.result()
                found.update(value if isinstance(value, dict) else {metric.name: value})
        return found

    # ------------------------------------------------------------------------------------ steps

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """The loss of a batch: that which was compiled, and what layers added.

        Raises:
            UsageError: there is none.
        """
        total = None
        if self._compile_loss is not None and y is not None:
            total = self._compile_loss(y, y_pred, sample_weight)
        for loss in self.losses:
            added = loss.sum() if getattr(loss, "ndim", 0) else loss
            total = added if total is None else total + added
        if total is None:
            if self._compile_loss is not None and y is None:
                raise UsageError("there is a loss, but no targets y")
            raise UsageError(
                "there is no loss to train with",
                hint='compile(loss="…"), or add_loss in a layer, or override compute_loss',
            )
        return total

    def compute_metrics(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> dict[str, Any]:
        """Take a batch into the compiled metrics; the values of all of them."""
        if self._compile_metrics is not None and y is not None:
            self._compile_metrics.update_state(y, y_pred, sample_weight)
        return self.get_metrics_result()

    def train_step(self, data: Any) -> dict[str, Any]:
        """Train on one batch: gradients, weights, metrics.

        Args:
            data: `(x,)`, `(x, y)` or `(x, y, sample_weight)`.

        Returns:
            What to show, by name.
        """
        x, y, sample_weight = unpack_x_y_sample_weight(data)

        def loss_of() -> Any:
            y_pred = self(x, training=True)
            loss = self.compute_loss(x, y, y_pred, sample_weight, training=True)
            scale = getattr(self.optimizer, "scale_loss", None)
            return (loss if scale is None else scale(loss)), (loss, y_pred)

        variables = self.trainable_variables
        (_, (loss, y_pred)), gradients = value_and_grad(loss_of, variables, has_aux=True)
        self._clear_losses()
        self._loss_tracker.update_state(loss, sample_weight=_size(x))
        self.optimizer.apply(gradients, variables)
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def test_step(self, data: Any) -> dict[str, Any]:
        """Evaluate one batch; as `train_step`."""
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        y_pred = self(x, training=False)
        loss = self.compute_loss(x, y, y_pred, sample_weight, training=False)
        self._clear_losses()
        self._loss_tracker.update_state(loss, sample_weight=_size(x))
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def predict_step(self, data: Any) -> Any:
        """The outputs for one batch."""
        x, _, _ = unpack_x_y_sample_weight(data)
        y_pred = self(x, training=False)
        self._clear_losses()
        return y_pred

    def _apply_constraints(self) -> None:
        for layer in self._flatten_layers():
            for variable in layer._own if layer._constraints else ():
                constraint = layer._constraints.get(id(variable))
                if constraint is not None and variable.trainable:
                    variable.assign(constraint(variable.value))

    # ------------------------------------------------------------------------------------ loops

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
            shuffle: whether each epoch takes data in memory in a new order; "batch" for an order
                of batches.
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
        """
        arguments = fitting.FitArguments(
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
        return fitting.fit(
            self, (x, y, sample_weight), validation_split, validation_data, arguments
        )

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
        if verbose == 0 and type(x) is np.ndarray and callbacks is None and steps is None:
            quick = self._programs_now().predict_array(x, batch_size or 32)
            if quick is not None:
                return quick
        return fitting.predict(self, x, batch_size, verbose, steps, callbacks)

    def _programs_now(self) -> Programs:
        if self._programs is None:
            self._programs = Programs(self, self._backend)
        return self._programs

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
        logs = fitting.plain(self._programs_now().batch("train", data))
        return logs if return_dict else self._in_order(logs)

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """Evaluate one batch; as `train_on_batch`."""
        data = as_batch(x, y, sample_weight, None)
        fitting.require_compiled(self, "test_on_batch")
        prepare(self, data)
        logs = fitting.plain(self._programs_now().batch("test", data))
        return logs if return_dict else self._in_order(logs)

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for one batch, as arrays."""
        data = as_batch(x, None, None, None)
        prepare(self, data, needs_targets=False)
        return tree.map_leaves(np.asarray, self._programs_now().batch("predict", data))

    def _in_order(self, logs: dict[str, Any]) -> Any:
        """The values in the order of the metrics; one alone as it is."""
        names = [name for metric in self.metrics for name in _names(metric, logs)]
        rest = [name for name in logs if name not in names]
        values = [logs[name] for name in dict.fromkeys([*names, *rest]) if name in logs]
        return values[0] if len(values) == 1 else values


for _method in ("train_step", "test_step", "compute_metrics", "get_metrics_result"):
    # Programs ask for it: what the default steps show is known without running them.
    getattr(Trainer, _method).is_default = True


def _names(metric: Any, logs: dict[str, Any]) -> list[str]:
    return [metric.name] if metric.name in logs else []


def _size(x: Any) -> Any:
    leaves = tree.flatten(x)[0]
    return size_of(leaves[0])


def _no_more(name: str, kwargs: dict[str, Any]) -> None:
    if kwargs:
        raise UsageError(f"{name} takes no argument {', '.join(kwargs)}")
