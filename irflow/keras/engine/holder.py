"""`Holder`: what layers and models hold: weights, layers inside, metrics, seeds, added losses."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from irflow import tree
from irflow.errors import ShapeError, UsageError
from irflow.frontend import Variable, asarray
from irflow.frontend.tracing import suspended
from irflow.keras import constraints, initializers, regularizers
from irflow.keras.dtype_policies import DTypePolicy, standardize_dtype
from irflow.keras.engine.context import is_to_be_filled, note_change
from irflow.keras.engine.tracking import held, is_metric, is_seed, unique


class Holder:
    """The state of a layer.

    Attributes:
        name: of the layer.
        built: whether it has its weights.
    """

    _unseen: ClassVar[frozenset[str]] = frozenset(
        {"_inbound_nodes", "_losses", "_own", "_arguments", "optimizer"}
    )
    name: str
    built: bool
    _dtype_policy: DTypePolicy
    _own: list[Variable]
    _arguments: tuple[tuple[Any, ...], dict[str, Any]]

    def _hold(self, trainable: bool) -> None:
        """Begin with nothing."""
        self._losses: list[Any] = []
        self._penalties: dict[int, Callable[..., Any]] = {}
        self._constraints: dict[int, Callable[..., Any]] = {}
        self._fixed: set[int] = set()
        self._exact: set[int] = set()
        self._trainable = trainable

    def __setattr__(self, name: str, value: Any) -> None:
        if type(value) is Variable and not any(value is v for v in self._own):
            self._track(value, value.trainable)
        object.__setattr__(self, name, value)

    @property
    def dtype(self) -> str:
        """The element type of the weights."""
        return self._dtype_policy.variable_dtype

    @property
    def trainable(self) -> bool:
        """Whether training changes its weights; setting it sets that of all layers inside."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        note_change()
        for variable in self._own_variables():
            if id(variable) not in self._fixed:
                variable.trainable = self._trainable
        for layer in self._layers:
            layer.trainable = value

    @property
    def _layers(self) -> list[Any]:
        """The layers inside of it, not those inside of them."""
        return list(held(self, lambda value: isinstance(value, Holder), self._unseen))

    def _flatten_layers(self) -> Iterator[Holder]:
        """It and all layers inside, each once."""
        seen: dict[int, Holder] = {}
        self._collect(seen)
        return iter(seen.values())

    def _collect(self, seen: dict[int, Holder]) -> None:
        if id(self) not in seen:
            seen[id(self)] = self
            for layer in self._layers:
                layer._collect(seen)

    def _own_variables(self) -> list[Variable]:
        """The variables of this layer alone, those that can be trained first."""
        found = unique(
            [*self._own, *held(self, lambda value: isinstance(value, Variable), self._unseen)]
        )
        own = {id(v) for v in self._own}
        can = [v for v in found if id(v) not in self._fixed and (v.trainable or id(v) in own)]
        chosen = {id(v) for v in can}
        return [*can, *(v for v in found if id(v) not in chosen)]

    @property
    def weights(self) -> list[Variable]:
        """All weights: of the layer, then of the layers inside."""
        return unique(v for layer in self._flatten_layers() for v in layer._own_variables())

    @property
    def trainable_weights(self) -> list[Variable]:
        """Those that training changes."""
        return [] if not self._trainable else [v for v in self.weights if v.trainable]

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """Those that training does not change as weights."""
        chosen = {id(v) for v in self.trainable_weights}
        return [v for v in self.weights if id(v) not in chosen]

    @property
    def variables(self) -> list[Variable]:
        """The weights, and the state of seed generators and metrics."""
        layers = list(self._flatten_layers())
        seeds = [s.state for each in layers for s in held(each, is_seed, each._unseen)]
        return unique(
            [*self.weights, *seeds, *(v for m in self._held_metrics() for v in m.variables)]
        )

    trainable_variables = trainable_weights

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """The variables that are not trained as weights."""
        chosen = {id(v) for v in self.trainable_weights}
        return [v for v in self.variables if id(v) not in chosen]

    def _held_metrics(self) -> list[Any]:
        return unique(
            m for each in self._flatten_layers() for m in held(each, is_metric, each._unseen)
        )

    @property
    def metrics(self) -> list[Any]:
        """The metrics that were set as attributes, of it and of all layers inside."""
        return self._held_metrics()

    # ---------------------------------------------------------------------------------- weights

    def add_weight(
        self,
        shape: Any = None,
        initializer: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> Variable:
        """A new weight of this layer.

        Args:
            shape: its sizes, all known; `()` by default.
            initializer: `"glorot_uniform"` for floats and `"zeros"` for others by default.
            dtype: that of the layer by default.
            trainable: whether training changes it.
            autocast: whether `call` sees it in the type of computation.
            regularizer: a function of the weight whose value is added to the loss.
            constraint: a function that is applied to it after each step of training.
            name: for saving and messages.
            **kwargs: `aggregation` and `synchronization` are taken and mean nothing here.

        Raises:
            ShapeError: a size is not known.
        """
        if isinstance(shape, str):
            raise UsageError(
                f"add_weight: the shape is {shape!r}",
                hint=f"the name goes by keyword: add_weight(shape, …, name={shape!r})",
            )
        shape = () if shape is None else (shape,) if isinstance(shape, int) else tuple(shape)
        if any(not isinstance(size, (int, np.integer)) for size in shape):
            raise ShapeError(
                f'layer "{self.name}": a weight needs sizes that are known',
                facts=[("shape", shape)],
                hint="an axis of the input besides the batch has to be given",
            )
        kind = standardize_dtype(dtype or self.dtype)
        if initializer is None:
            initializer = "glorot_uniform" if "float" in kind else "zeros"
        rule = initializers.get("zeros" if is_to_be_filled() else initializer)
        with suspended():
            value = asarray(rule(shape, dtype=kind), kind)
            label = f"{self.name}/{name or 'variable'}"
            variable = Variable(value, name=label, trainable=trainable and self._trainable)
        self._track(variable, trainable)
        if not autocast:
            self._exact.add(id(variable))
        if regularizer is not None:
            self._penalties[id(variable)] = regularizers.get(regularizer)
        if constraint is not None:
            self._constraints[id(variable)] = constraints.get(constraint)
        return variable

    def _track(self, variable: Variable, trainable: bool) -> None:
        self._own.append(variable)
        if not trainable:
            self._fixed.add(id(variable))

    def count_params(self) -> int:
        """How many numbers the weights are.

        Raises:
            UsageError: it has no weights yet.
        """
        if not self.built:
            raise UsageError(
                f'layer "{self.name}" has no weights yet',
                hint="call it on data, or build it with an input shape",
            )
        return sum(math.prod(v.type.static_shape) for v in self.weights)

    def get_weights(self) -> list[np.ndarray]:
        """The values of all weights, as arrays."""
        return [v.numpy() for v in self.weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Give all weights new values, in the order of `get_weights`.

        Raises:
            ShapeError: another number of arrays, or a shape differs; nothing has changed then.
        """
        variables, arrays = self.weights, [np.asarray(weight) for weight in weights]
        if len(variables) != len(arrays):
            raise ShapeError(
                f'"{self.name}" has {len(variables)} weights, and {len(arrays)} arrays are given'
            )
        wrong = [
            (v.name, v.shape, array.shape)
            for v, array in zip(variables, arrays, strict=True)
            if v.shape != array.shape
        ]
        if wrong:
            facts = [("weight", "shape", "given"), *wrong]
            raise ShapeError(f'"{self.name}": weights of other shapes are given', facts=facts)
        for variable, array in zip(variables, arrays, strict=True):
            variable.assign(array)

    # ----------------------------------------------------------------------------------- losses

    def add_loss(self, loss: Any) -> None:
        """Add scalars to the loss of the model, for this call."""
        self._losses.extend(x for x in tree.flatten(loss)[0] if x is not None)

    @property
    def losses(self) -> list[Any]:
        """What was added in the last call, of it and of all layers inside, and penalties."""
        layers = list(self._flatten_layers())
        added = [loss for layer in layers for loss in layer._losses]
        return [*added, *(p for layer in layers for p in layer._weight_penalties())]

    def _weight_penalties(self) -> list[Any]:
        if not self._penalties:
            return []
        known = {id(v): v for v in self._own}
        pairs = [(known[key], function) for key, function in self._penalties.items()]
        return [function(v.value) for v, function in pairs if v.trainable]

    def _clear_losses(self) -> None:
        for layer in self._flatten_layers():
            layer._losses.clear()
