"""What `compile` was given as losses and metrics, for the outputs of a model."""

from __future__ import annotations

import reprlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from irflow import tree
from irflow.errors import TreeError, UsageError
from irflow.frontend import Tensor
from irflow.frontend.tracing import suspended
from irflow.keras import losses as known_losses
from irflow.keras import metrics as known_metrics
from irflow.keras.engine.naming import snake_case
from irflow.keras.engine.outputs import by_output, output_names, size_of
from irflow.keras.losses import Loss
from irflow.keras.metrics import Mean, Metric


def is_binary_or_sparse(y_true: Any, y_pred: Any) -> tuple[bool, bool]:
    """Whether predictions are of one number, and whether labels are class numbers."""
    is_binary = y_pred.shape[-1:] == (1,)
    has_column = y_true.shape[-1:] == (1,)
    return is_binary, len(y_true.shape) < len(y_pred.shape) or (has_column and not is_binary)


def _name_of(given: Any) -> str:
    name = getattr(given, "name", None) or getattr(given, "__name__", None)
    return str(name) if name else snake_case(type(given).__name__)


_BY_SHAPES = ("accuracy", "acc", "crossentropy", "ce")


def check_names(loss: Any, *metrics: Any) -> None:
    """Whether all names are those of losses and metrics.

    Raises:
        UnknownNameError: one is not; the nearest ones are listed.
    """
    for find, given in [(known_losses.get, loss), *((known_metrics.get, m) for m in metrics)]:
        for name in tree.flatten(given)[0]:
            if isinstance(name, str) and name.lower() not in _BY_SHAPES:
                find(name)


def loss_for(given: Any, y_true: Any, y_pred: Any) -> Any:
    """A loss as an object; "crossentropy" is chosen by the shapes."""
    found = given
    if isinstance(given, str) and given.lower() in ("crossentropy", "ce"):
        is_binary, is_sparse = is_binary_or_sparse(y_true, y_pred)
        kind = "binary" if is_binary else "sparse_categorical" if is_sparse else "categorical"
        found = f"{kind}_crossentropy"
    found = known_losses.get(found)
    if isinstance(found, type):
        found = found()
    if isinstance(found, Loss):
        return found
    name = given if isinstance(given, str) else _name_of(found)
    return known_losses.LossFunctionWrapper(found, name=name)


def metric_for(given: Any, y_true: Any, y_pred: Any) -> Metric:
    """A metric as an object; "accuracy" is chosen by the shapes."""
    found = given
    if isinstance(given, str) and given.lower() in ("accuracy", "acc"):
        is_binary, is_sparse = is_binary_or_sparse(y_true, y_pred)
        kind = "Binary" if is_binary else "SparseCategorical" if is_sparse else "Categorical"
        found = getattr(known_metrics, f"{kind}Accuracy")(name=given)
    elif isinstance(given, str) and given.lower() in ("crossentropy", "ce"):
        is_binary, is_sparse = is_binary_or_sparse(y_true, y_pred)
        kind = "Binary" if is_binary else "SparseCategorical" if is_sparse else "Categorical"
        found = getattr(known_metrics, f"{kind}Crossentropy")(name=given)
    else:
        found = known_metrics.get(given)
    if isinstance(found, type):
        found = found()
    if not isinstance(found, Metric):
        name = given if isinstance(given, str) else _name_of(found)
        found = known_metrics.MeanMetricWrapper(found, name=name)
    elif isinstance(given, str):
        found.name = given
    assert isinstance(found, Metric)
    return found


class CompiledLoss:
    """The losses of all outputs, with their weights.

    Args:
        loss: one for all outputs, or a list or dict of them.
        loss_weights: numbers in the same form.
        names: of the outputs.

    Attributes:
        metrics: the mean of each loss, where there are several.
    """

    def __init__(self, loss: Any, loss_weights: Any, names: Sequence[str] | None) -> None:
        self._given, self._weights, self._names = loss, loss_weights, names
        self._losses: list[tuple[int, Any, Any]] = []
        self.metrics: list[Metric] = []
        self.built = False

    def build(self, y_true: Any, y_pred: Any) -> None:
        """Make the objects for targets and predictions of known shapes."""
        predictions = tree.flatten(y_pred)[0]
        given = self._given
        if len(predictions) > 1 and not isinstance(given, (list, tuple, dict)):
            given = [given] * len(predictions)
        per_output = by_output(given, y_pred, self._names, "loss")
        weights = self._weights_for(y_pred)
        targets = self.targets(y_true, y_pred)
        with suspended():
            self._losses = [
                (i, loss_for(each, targets[i], predictions[i]), weights[i])
                for i, loss in enumerate(per_output)
                for each in (loss if isinstance(loss, (list, tuple)) else [loss])
                if each is not None
            ]
            if len(self._losses) > 1:
                keys = output_names(y_pred, self._names)
                self.metrics = [Mean(name=f"{keys[i]}_loss") for i, _, _ in self._losses]
        self.built = True

    def _weights_for(self, y_pred: Any) -> list[Any]:
        count = len(tree.flatten(y_pred)[0])
        if self._weights is None:
            return [None] * count
        weights = by_output(self._weights, y_pred, self._names, "loss_weights")
        for weight in weights:
            if weight is not None and not isinstance(weight, (int, float, np.number, Tensor)):
                raise UsageError(
                    f"a loss weight is a number, not {reprlib.repr(weight)}",
                    hint="metrics are given by name: compile(optimizer, loss, metrics=[...])",
                )
        return weights

    def targets(self, y_true: Any, y_pred: Any) -> list[Any]:
        """One target an output; None for outputs without a loss."""
        count = len(tree.flatten(y_pred)[0])
        given = tree.flatten(y_true)[0] if isinstance(y_true, (list, tuple)) else None
        used = [i for i, _, _ in self._losses]
        if given is not None and self.built and len(given) == len(used) < count:
            by_place = dict(zip(used, given, strict=True))
            return [by_place.get(i) for i in range(count)]
        found = by_output(y_true, y_pred, self._names, "targets y")
        if count == 1 and isinstance(found[0], (list, tuple, dict)):
            keys = f" ({', '.join(map(str, y_true))})" if isinstance(y_true, dict) else ""
            raise TreeError(
                f"targets y: {len(y_true)}{keys} given for one output",
                facts=[("output", *output_names(y_pred, self._names))],
            )
        return found

    @property
    def objects(self) -> list[tuple[int, Any]]:
        """The number of an output and its loss."""
        return [(i, loss) for i, loss, _ in self._losses]

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        if not self.built:
            self.build(y_true, y_pred)
        predictions, targets = tree.flatten(y_pred)[0], self.targets(y_true, y_pred)
        weights = weights_by_output(sample_weight, y_pred, self._names)
        total = None
        for place, (i, loss, factor) in enumerate(self._losses):
            value = loss(targets[i], predictions[i], weights[i])
            if self.metrics:
                self.metrics[place].update_state(value, sample_weight=size_of(predictions[i]))
            value = value if factor is None else value * factor
            total = value if total is None else total + value
        return total


def weights_by_output(sample_weight: Any, y_pred: Any, names: Sequence[str] | None) -> list[Any]:
    """The sample weights of each output; one array is for all of them."""
    count = len(tree.flatten(y_pred)[0])
    if sample_weight is None or not isinstance(sample_weight, (list, tuple, dict)):
        return [sample_weight] * count
    return by_output(sample_weight, y_pred, names, "sample_weight")


class CompiledMetrics:
    """The metrics of all outputs.

    Args:
        metrics: a list for the only output, or a list of lists or a dict of them.
        weighted_metrics: those that take sample weights, in the same form.
        names: of the outputs.
    """

    def __init__(self, metrics: Any, weighted_metrics: Any, names: Sequence[str] | None) -> None:
        for label, given in (("metrics", metrics), ("weighted_metrics", weighted_metrics)):
            if given is not None and not isinstance(given, (list, tuple, dict)):
                raise UsageError(
                    f"{label} is a list, a tuple or a dict",
                    facts=[("given", repr(given))],
                    hint=f"{label}=[{given!r}]",
                )
        self._given = metrics, weighted_metrics
        self._names = names
        self._rows: list[tuple[int, str, Metric, bool]] = []
        self.built = False

    @property
    def metrics(self) -> list[Metric]:
        """All of them."""
        return [metric for _, _, metric, _ in self._rows]

    def build(self, y_true: Any, y_pred: Any) -> None:
        """Make the objects for targets and predictions of known shapes."""
        predictions = tree.flatten(y_pred)[0]
        targets = by_output(y_true, y_pred, self._names, "targets y")
        keys = output_names(y_pred, self._names)
        counts: Counter[str] = Counter()
        with suspended():
            for given, is_weighted in zip(self._given, (False, True), strict=True):
                for i, wanted in enumerate(_per_output(given, y_pred, self._names)):
                    for each in wanted:
                        metric = metric_for(each, targets[i], predictions[i])
                        prefix = f"{keys[i]}_" if len(keys) > 1 else ""
                        name = prefix + metric.name
                        if is_weighted and name in counts:
                            name = f"{prefix}weighted_{metric.name}"
                        number = counts[name]
                        counts[name] += 1
                        label = f"{name}_{number}" if number else name
                        self._rows.append((i, label, metric, is_weighted))
        self.built = True

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take a batch into account."""
        if not self.built:
            self.build(y_true, y_pred)
        predictions = tree.flatten(y_pred)[0]
        targets = by_output(y_true, y_pred, self._names, "targets y")
        weights = weights_by_output(sample_weight, y_pred, self._names)
        for i, _, metric, is_weighted in self._rows:
            if is_weighted:
                metric.update_state(targets[i], predictions[i], weights[i])
            else:
                metric.update_state(targets[i], predictions[i])

    def result(self) -> dict[str, Any]:
        """The values by name."""
        found: dict[str, Any] = {}
        for _, label, metric, _ in self._rows:
            value = metric.result()
            found.update(value if isinstance(value, dict) else {label: value})
        return found


def _per_output(given: Any, y_pred: Any, names: Sequence[str] | None) -> list[list[Any]]:
    count = len(tree.flatten(y_pred)[0])
    if not given:
        return [[] for _ in range(count)]
    if count == 1:
        return [tree.flatten(given)[0]]
    rows = by_output(given, y_pred, names, "metrics")
    return [
        list(row) if isinstance(row, (list, tuple)) else [] if row is None else [row]
        for row in rows
    ]
