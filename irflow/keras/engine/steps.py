"""`Steps`: what a model is compiled with, and a step of training, evaluation and prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from irflow import tree
from irflow.errors import UsageError
from irflow.frontend.boundary import public
from irflow.frontend.tracing import suspended
from irflow.keras.engine.arrays import unpack_x_y_sample_weight
from irflow.keras.engine.gradients import value_and_grad
from irflow.keras.engine.outputs import size_of
from irflow.keras.engine.programs import Programs
from irflow.keras.engine.tracking import unique
from irflow.keras.layers.checks import check_begun
from irflow.keras.layers.layer import Layer
from irflow.keras.saving.registry import deserialize_keras_object, serialize_keras_object

if TYPE_CHECKING:
    from irflow.keras.engine.compiled import CompiledLoss, CompiledMetrics


# The arguments of `compile` that are saved with a model.
_SAVED = ("optimizer", "loss", "loss_weights", "metrics", "weighted_metrics")


class Steps(Layer):
    """The steps of a model; `train_step`, `test_step`, `predict_step`, `compute_loss` and
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

    @public
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
        # Losses, metrics and optimizers are a third of the modules: models that only predict, or
        # are only described, do without them.
        from irflow.keras import optimizers
        from irflow.keras.engine.compiled import CompiledLoss, CompiledMetrics, check_names
        from irflow.keras.metrics import Mean

        check_begun(self)
        check_names(loss, metrics, weighted_metrics)
        self.optimizer = optimizers.get(optimizer)
        if auto_scale_loss and self._dtype_policy.name == "mixed_float16":
            self.optimizer = optimizers.LossScaleOptimizer.around(self.optimizer)
        self.loss, self.run_eagerly = loss, run_eagerly
        self.steps_per_execution, self.jit_compile = steps_per_execution, jit_compile
        given = (optimizer, loss, loss_weights, metrics, weighted_metrics)
        self._compile_arguments = dict(zip(_SAVED, given, strict=True))
        names = self.output_names
        self._compile_loss = None if loss is None else CompiledLoss(loss, loss_weights, names)
        self._compile_metrics = None
        if metrics is not None or weighted_metrics is not None:
            self._compile_metrics = CompiledMetrics(metrics, weighted_metrics, names)
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
            data: `x`, `(x, y)` or `(x, y, sample_weight)`; `(x,)` where `x` is a tuple or list.

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


for _method in (
    *("train_step", "test_step", "compute_loss", "compute_metrics", "get_metrics_result"),
):
    # Programs ask for it: what the default steps show is known without running them.
    getattr(Steps, _method).is_default = True


def _size(x: Any) -> Any:
    leaves = tree.flatten(x)[0]
    return size_of(leaves[0])
