"""The compiled steps of a model: many batches at once, one batch, predictions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from irflow import control, dtypes, log, tree
from irflow.compiler import selected_backend
from irflow.frontend import asarray, jit
from irflow.keras.engine.arrays import Batch, as_leaf, pack_x_y_sample_weight
from irflow.keras.engine.context import changes

Kind = tuple[str, tuple[int, ...]]

_BOUNDS = "1 <= samples, 1 <= steps, 1 <= batch"


def _kind(array: np.ndarray) -> Kind:
    """What a program is made for: the element type, and the sizes after the first."""
    return dtypes.from_numpy(array.dtype).name, array.shape[1:]


def _spec(kind: Kind, first: str) -> str:
    name, sizes = kind
    return f"{name}[{', '.join([first, *map(str, sizes)])}]"


def _settings(optimizer: Any) -> Any:
    """What of an optimizer becomes a constant of a compiled step."""
    if optimizer is None:
        return None
    numbers = tuple(
        (name, value)
        for name, value in vars(optimizer).items()
        if name != "built" and isinstance(value, (bool, int, float, str))
    )
    inner = getattr(optimizer, "inner_optimizer", None)
    return id(optimizer), id(getattr(optimizer, "_learning_rate", None)), numbers, _settings(inner)


class Programs:
    """The functions of a model, compiled when they are needed.

    All are symbolic in the sizes of batches and data, so that smaller ones are no other programs.
    Where a model cannot be traced with unknown sizes, each batch is a call of its own, compiled for
    its sizes; the `recompiles` log says so.

    Args:
        model: whose steps they are.
        backend: what compiles; the selected one by default.

    Attributes:
        seconds: how long a step took, by what is called.
        checked: the kinds of data that losses and metrics are known to take.
    """

    def __init__(self, model: Any, backend: str | None) -> None:
        self._model, self._backend = model, backend
        self._functions: dict[Any, Any] = {}
        self._concrete: set[Any] = set()
        self._quick: dict[Any, Callable[[Any], Any]] = {}
        self._state: Any = None
        self._settings: Any = None
        self._kept: Any = None
        self._seen = -1
        self.seconds: dict[Any, float] = {}
        self.checked: set[Any] = set()

    def refresh(self) -> None:
        """Compile anew where the model is another one than the last time.

        Layers may have been frozen, weights added, the optimizer replaced, or given other numbers
        or a schedule.
        """
        layers = tuple(layer.trainable for layer in self._model._flatten_layers())
        weights = tuple((id(v), v.trainable) for v in self._model.weights)
        optimizer = self._model.optimizer
        self._seen = changes()
        self._kept = optimizer, getattr(optimizer, "_learning_rate", None)
        self._settings = _settings(optimizer)
        state = layers, weights, self._model.run_eagerly, self._settings
        if state != self._state:
            self.clear()
            self._state = state

    def follow(self) -> None:
        """`refresh`, if the optimizer is another one, or any layer was frozen, since then."""
        if self._seen != changes() or self._settings != _settings(self._model.optimizer):
            self.refresh()

    def clear(self) -> None:
        """Forget all functions."""
        self._functions.clear()
        self._concrete.clear()
        self.checked.clear()
        self._quick.clear()
        self.seconds.clear()

    @property
    def threads(self) -> int:
        """How many threads compiled steps run on."""
        return selected_backend(self._backend).target().threads

    # ------------------------------------------------------------------------------------ steps

    def step(self, kind: str) -> Callable[[Batch], Any]:
        """The step of "train", "test" or "predict", as a Python function of a batch."""
        model = self._model
        take = getattr(model, f"{kind}_step")

        def step(batch: Batch) -> Any:
            result = take(pack_x_y_sample_weight(*batch))
            if kind == "train":
                model._clear_losses()
                model._apply_constraints()
            return result

        return step

    def _has_own_logs(self, kind: str) -> bool:
        """Whether the step of the model returns something of its own to show."""
        names = (f"{kind}_step", "compute_metrics", "get_metrics_result")
        return any(not hasattr(getattr(type(self._model), n), "is_default") for n in names)

    def chunk(self, kind: str, data: Batch, order: np.ndarray) -> Any:
        """Take the steps of "train" or "test" for the batches that `order` names.

        Args:
            kind: of the steps.
            data: all samples.
            order: `i64[steps, batch]`, numbers of samples.

        Returns:
            What to show after the last step.
        """
        key = ("chunk", kind, _structure_key(data))
        if self._model.run_eagerly or key in self._concrete:
            return self._one_by_one(kind, data, order)
        function = self._functions.get(key)
        if function is not None:
            return function(data, order)
        function = jit(
            self._chunk_function(kind),
            spec=(_specs(data, "samples"), "i64[steps, batch]"),
            constraints=_BOUNDS,
            backend=self._backend,
        )
        return self._first(
            key, function, (data, order), lambda: self._one_by_one(kind, data, order)
        )

    def _chunk_function(self, kind: str) -> Callable[..., Any]:
        step, is_own = self.step(kind), self._has_own_logs(kind)
        model = self._model

        def chunk(data: Batch, order: Any) -> Any:
            def body(carry: Any, chosen: Any) -> Any:
                logs = step(tree.map_leaves(lambda array: array[chosen], data))
                return carry, (logs if is_own else ())

            logs = control.scan(body, (), order)[1]
            if is_own:
                return tree.map_leaves(lambda values: values[-1], logs)
            return model.get_metrics_result()

        chunk.__name__ = f"{kind}_chunk"
        return chunk

    def _one_by_one(self, kind: str, data: Batch, order: np.ndarray) -> Any:
        logs: Any = {}
        for chosen in order:
            logs = self.batch(kind, tree.map_leaves(lambda a, c=chosen: a[c], data))
        return logs

    def batch(self, kind: str, data: Batch) -> Any:
        """One step of "train" or "test", or the outputs for "predict"."""
        if self._model.run_eagerly:
            return self.step(kind)(tree.map_leaves(asarray, data))
        key = ("batch", kind, _structure_key(data))
        if key in self._concrete:
            return self._functions[key](data)
        function = self._functions.get(key)
        if function is not None:
            return function(data)

        def plain() -> Any:
            self._functions[key] = jit(self._batch_function(kind), backend=self._backend)
            return self._functions[key](data)

        leaves = tree.flatten(data)[0]
        if len({leaf.shape[:1] for leaf in leaves}) > 1 or not leaves[0].ndim:
            self._concrete.add(key)
            return plain()
        spec = (_specs(data, "batch"),)
        function = jit(
            self._batch_function(kind), spec=spec, constraints=_BOUNDS, backend=self._backend
        )
        return self._first(key, function, (data,), plain)

    def _batch_function(self, kind: str) -> Callable[..., Any]:
        step, is_own = self.step(kind), kind == "predict" or self._has_own_logs(kind)
        model = self._model

        def batch(data: Batch) -> Any:
            logs = step(data)
            return logs if is_own else model.get_metrics_result()

        batch.__name__ = f"{kind}_batch"
        return batch

    def _first(
        self, key: Any, function: Any, args: tuple[Any, ...], plain: Callable[[], Any]
    ) -> Any:
        """The first call; where symbolic sizes fail, the plain way is taken from now on."""
        try:
            result = function(*args)
        except (MemoryError, OSError):
            raise
        except Exception as error:
            reason = str(error).partition("\n")[0]
        else:
            self._functions[key] = function
            return result
        # An error that has nothing to do with sizes comes again, and names those of the data.
        self._concrete.add(key)
        result = plain()
        log.write(
            "recompiles",
            f"{self._model.name}: {key[1]} is compiled for each size of the batch, "
            f"as it needs to know the sizes: {reason}",
        )
        return result

    # ---------------------------------------------------------------------------------- predict

    def predict_array(self, x: np.ndarray, batch_size: int) -> Any:
        """The outputs for an array of at most one batch, if it is known how; else None."""
        if len(x) > batch_size or self._model.run_eagerly:
            return None
        function = self._quick.get((x.dtype, x.shape[1:], self._model._network))
        if function is None:
            return None
        if x.dtype == np.float64:
            x = as_leaf(x)
        return function(x)

    def remember_prediction(self, x: np.ndarray) -> None:
        """Let the next `predict_array` of such an array know how."""
        leaf = as_leaf(x)
        key = ("batch", "predict", _structure_key((leaf, None, None)))
        function = self._functions.get(key)
        if function is None:
            return

        def predict(array: np.ndarray) -> Any:
            result = function((array, None, None))
            is_one = hasattr(result, "demand")
            return result.numpy() if is_one else tree.map_leaves(lambda t: t.numpy(), result)

        self._quick[x.dtype, x.shape[1:], self._model._network] = predict


def _structure_key(data: Batch) -> Any:
    leaves, structure = tree.flatten(data)
    return structure, tuple(map(_kind, leaves))


def _specs(data: Batch, first: str) -> Any:
    return tree.map_leaves(lambda leaf: _spec(_kind(leaf), first), data)
