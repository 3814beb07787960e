"""`Sequential`: layers one after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from irflow.errors import IrflowError, UsageError
from irflow.frontend.boundary import public
from irflow.keras.engine.symbolic import KerasTensor
from irflow.keras.engine.tracking import unique
from irflow.keras.layers.input import InputLayer
from irflow.keras.layers.layer import Layer
from irflow.keras.models.model import Model
from irflow.keras.saving import registry


class Sequential(Model):
    """A stack of layers, each with one input and one output.

    Without an `Input`, or a first layer with an input shape, the weights are made when data is
    seen.

    Args:
        layers: the layers.
        trainable: whether training changes the weights.
        name: unique by default.

    >>> from irflow import keras
    >>> model = Sequential([keras.Input((4,)), keras.layers.Dense(8, activation="relu")])
    >>> model.add(keras.layers.Dense(1))
    >>> model.output_shape, model.count_params()
    ((None, 1), 49)
    >>> model.compile(optimizer="adam", loss="mse")
    """

    @public
    def __init__(
        self,
        layers: Sequence[Any] | None = None,
        trainable: bool = True,
        name: str | None = None,
    ) -> None:
        super().__init__(trainable=trainable, name=name)
        self._stack: list[Layer] = []
        self._input_layer: InputLayer | None = None
        if isinstance(layers, (Layer, KerasTensor)):
            raise UsageError("Sequential takes a list of layers", hint="Sequential([layer])")
        for layer in layers or ():
            self._push(layer)
        self._rebuild()
        if not trainable:
            self.trainable = False

    @public
    def add(self, layer: Any, rebuild: bool = True) -> None:
        """Put a layer on top.

        Raises:
            UsageError: it is no layer, its name is taken, or it is a second input.
        """
        self._push(layer)
        if rebuild:
            self._rebuild()

    def _push(self, layer: Any) -> None:
        if isinstance(layer, KerasTensor):
            layer = layer.history[0]
        if not isinstance(layer, Layer):
            is_class = isinstance(layer, type) and issubclass(layer, Layer)
            raise UsageError(
                f"{self.name}: only layers can be added, not {layer!r}",
                hint=f"make one: {layer.__name__}(…)" if is_class else None,
            )
        if any(layer.name == other.name for other in self._stack):
            raise UsageError(
                f'{self.name}: there is a layer with the name "{layer.name}" already',
                hint="give the layer another name=",
            )
        if isinstance(layer, InputLayer):
            if self._stack or self._input_layer is not None:
                raise UsageError(f"{self.name}: an Input can only be the first layer")
            self._input_layer = layer
            return
        shape = getattr(layer, "_input_shape_arg", None)
        if not self._stack and self._input_layer is None and shape is not None:
            self._input_layer = InputLayer(batch_shape=shape, dtype=layer.compute_dtype)
        self._stack.append(layer)

    @public
    def pop(self, rebuild: bool = True) -> Layer:
        """Take the layer on top away.

        Raises:
            UsageError: there is none.
        """
        if not self._stack:
            raise UsageError(f"{self.name}: there is no layer to take away")
        layer = self._stack.pop()
        if rebuild:
            self._rebuild()
        return layer

    def _rebuild(self) -> None:
        self._network, self.built = None, False
        if self._input_layer is None and self._stack:
            inner = self._stack[0]
            network = getattr(inner, "_network", None)
            if network is not None and len(network.inputs) == 1:
                place = network.inputs[0]
                self._input_layer = InputLayer(batch_shape=place.shape, dtype=place.dtype)
        if self._input_layer is not None and self._stack:
            self._connect(self._input_layer)

    def _connect(self, input_layer: InputLayer) -> None:
        """Call the layers on the symbolic input."""
        x: Any = input_layer.output
        for layer in self._stack:
            x = layer(x)
        self._set_network(input_layer.output, x)

    @property
    def layers(self) -> list[Layer]:
        return unique(self._stack)

    @property
    def _layers(self) -> list[Layer]:
        return unique(self._stack)

    def build(self, input_shape: Any = None) -> None:
        if not self._stack:
            raise UsageError(f"{self.name} has no layers", hint="add some")
        if isinstance(input_shape, list) and not any(
            isinstance(s, (list, tuple)) for s in input_shape
        ):
            input_shape = tuple(input_shape)
        if self._network is not None or not isinstance(input_shape, tuple):
            self.built = True
            return
        if any(isinstance(size, (list, tuple)) for size in input_shape):
            self.built = True
            return
        first = self._stack[0]
        dtype = first.compute_dtype
        self._input_layer = InputLayer(batch_shape=(None, *input_shape[1:]), dtype=dtype)
        try:
            self._connect(self._input_layer)
        except IrflowError:
            self._input_layer = None
            raise

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if self._network is not None:
            return super().call(inputs, training=training, mask=mask)
        for layer in self._stack:
            inputs = layer(inputs)
        return inputs

    def get_config(self) -> dict[str, Any]:
        layers = [*([self._input_layer] if self._input_layer is not None else []), *self._stack]
        return {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": self._dtype_policy.name,
            "layers": [registry.serialize_keras_object(layer) for layer in layers],
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        layers = [
            registry.deserialize_keras_object(layer, custom_objects) for layer in config["layers"]
        ]
        return cls(layers, name=config.get("name"), trainable=config.get("trainable", True))
