"""`Model`: layers with inputs and outputs, which can be trained."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

from irflow import errors
from irflow.errors import UsageError
from irflow.frontend.boundary import public
from irflow.keras import saving
from irflow.keras.engine.configs import network_config, rebuild
from irflow.keras.engine.network import Network
from irflow.keras.engine.symbolic import KerasTensor, is_symbolic, record
from irflow.keras.engine.tracking import unique
from irflow.keras.engine.trainer import Trainer
from irflow.keras.layers.input import Input
from irflow.keras.layers.layer import Layer
from irflow.keras.saving.registry import serialize_keras_object


class Model(Trainer):
    """A layer that can be trained: of inputs and outputs, or with a `call` of its own.

    Args:
        *args: `inputs` and `outputs`, KerasTensors in any nesting, for a functional model; nothing
            for a subclass with a `call`.
        **kwargs: as of `Layer`; `inputs` and `outputs`.

    >>> from irflow.keras import Input
    >>> x = Input((3,))
    >>> Model(x, x * 2).output_shape
    (None, 3)
    """

    _takes_raw_config = True
    _unseen = Layer._unseen | {
        "_network",
        "_compile_arguments",
        "_compile_loss",
        "_compile_metrics",
        "_loss_tracker",
        "_programs",
    }

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        if cls is Model and is_functional(args, kwargs):
            return Layer.__new__(Functional, *args, **kwargs)
        return Layer.__new__(cls, *args, **kwargs)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._network: Network | None = None
        if not is_functional(args, kwargs):
            super().__init__(*args, **kwargs)
            return
        inputs, outputs, kwargs = functional_arguments(args, kwargs)
        super().__init__(**kwargs)
        self._set_network(inputs, outputs)
        if "trainable" in kwargs:
            self.trainable = kwargs["trainable"]

    def _set_network(self, inputs: Any, outputs: Any) -> None:
        self._network = Network(inputs, outputs, self.name)
        if self._programs is not None:
            self._programs.clear()
        self._network_layers = [op for op in self._network.operations if isinstance(op, Layer)]
        self.built, self.supports_masking = True, True
        self.autocast = False

    # ------------------------------------------------------------------------------- properties

    @property
    def layers(self) -> list[Layer]:
        """The layers inside of it, in order."""
        if self._network is not None:
            return unique([*self._network_layers, *self._layers])
        return self._layers

    @property
    def inputs(self) -> list[KerasTensor]:
        """The symbolic inputs, flat."""
        return self._functional("inputs").inputs

    @property
    def outputs(self) -> list[KerasTensor]:
        """The symbolic outputs, flat."""
        return self._functional("outputs").outputs

    @property
    def input(self) -> Any:
        network = self._functional("input")
        return network.input_structure.unflatten(network.inputs)

    @property
    def output(self) -> Any:
        network = self._functional("output")
        return network.output_structure.unflatten(network.outputs)

    @property
    def input_shape(self) -> Any:
        """The shape of the input, or a list of those of several."""
        shapes = [tensor.shape for tensor in self.inputs]
        return shapes[0] if len(shapes) == 1 else shapes

    @property
    def output_shape(self) -> Any:
        """The shape of the output, or a list of those of several."""
        shapes = [tensor.shape for tensor in self.outputs]
        return shapes[0] if len(shapes) == 1 else shapes

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs."""
        return [tensor.name for tensor in self.inputs]

    @property
    def output_names(self) -> list[str] | None:
        """The names of the layers that make the outputs; None where there is no graph of them."""
        if self._network is None:
            return None
        nodes = [tensor.node for tensor in self._network.outputs]
        return [node.operation.name for node in nodes if node is not None]

    def _functional(self, what: str) -> Network:
        if self._network is None:
            raise UsageError(
                f'model "{self.name}" has no {what}: it is not made of symbolic tensors',
                hint="begin it with keras.Input, or give its first layer an input shape",
            )
        return self._network

    @public
    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer of a name, or at a place.

        Raises:
            UnknownNameError: there is no such layer.
            UsageError: neither or both are given.
        """
        if (name is None) == (index is None):
            raise UsageError("get_layer takes either a name or an index")
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise UsageError(f"there is no layer {index}: the model has {len(self.layers)}")
            return self.layers[index]
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise errors.nearest(str(name), [layer.name for layer in self.layers], "layer")

    # -------------------------------------------------------------------------------- the layer

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if self._network is None:
            raise UsageError(
                f"{type(self).__name__} has no call method, and no inputs and outputs either"
            )
        return self._network.run(inputs, self._call_operation)

    @staticmethod
    def _call_operation(operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return operation(*args, **kwargs)

    def _record(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self._network is not None and args and is_symbolic(args[0]):
            args = (self._network.input_structure.unflatten(self._network.flat(args[0])), *args[1:])
        outputs = record(self, self._run, args, kwargs)
        self._clear_losses()
        return outputs

    def build(self, input_shape: Any = None) -> None:
        """Make the weights for an input shape with the batch, by a call on symbolic inputs."""
        if self.built or input_shape is None:
            self.built = True
            return
        is_one = isinstance(input_shape, tuple) and all(
            size is None or isinstance(size, int) for size in input_shape
        )
        if not is_one and isinstance(input_shape, list) and not isinstance(input_shape[0], tuple):
            input_shape, is_one = tuple(input_shape), True
        self.built = True
        if type(self).call is Model.call:
            return
        inputs = Input(batch_shape=input_shape) if is_one else _inputs_for(input_shape)
        self(inputs)
        self._inbound_nodes.clear()

    def build_from_config(self, config: dict[str, Any]) -> None:
        self.built = False
        self.build(config["input_shape"])

    @public
    def summary(
        self,
        line_length: int | None = None,
        positions: Any = None,
        print_fn: Callable[..., Any] | None = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Any = None,
    ) -> None:
        """Print a table of the layers with their output shapes and numbers of weights.

        Args:
            line_length: of the table; the width of the terminal by default.
            positions: relative places of the ends of the columns.
            print_fn: takes the text; printed by default.
            expand_nested: whether the layers of models inside are shown.
            show_trainable: whether a column tells which layers are trained.
            layer_range: a pair of names (or patterns) of the first and the last layer to show.

        Raises:
            UsageError: the model has no weights yet.
        """
        # Tables need rich, which training in silence does not.
        from irflow.keras.engine import summary

        summary.show(
            self, line_length, positions, print_fn, expand_nested, show_trainable, layer_range
        )

    # ------------------------------------------------------------------------------------ files

    @public
    def save(
        self,
        filepath: str | os.PathLike[str],
        overwrite: bool = True,
        include_optimizer: bool = True,
    ) -> None:
        """Write the model to an `.irflow` file, as `keras.saving.save_model`."""
        saving.save_model(self, filepath, overwrite, include_optimizer)

    @public
    def save_weights(self, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Write the weights to a `.safetensors` or `.weights.h5` file, as
        `keras.saving.save_weights`.
        """
        saving.save_weights(self, filepath, overwrite)

    @public
    def load_weights(self, filepath: str | os.PathLike[str], skip_mismatch: bool = False) -> None:
        """Read the weights of a `.safetensors` or Keras `.h5` file, as
        `keras.saving.load_weights`.
        """
        saving.load_weights(self, filepath, skip_mismatch)

    @public
    def export(self, filepath: str | os.PathLike[str]) -> None:
        """Write what the model computes outside of training to an `.irflow` file, as a graph with
        its weights inside, which `irflow run` runs.
        """
        from irflow.keras.saving import export

        self._functional("inputs")
        export.export_model(self, filepath)

    # ------------------------------------------------------------------------------ descriptions

    def get_config(self) -> dict[str, Any]:
        if self._network is not None and _is_plain(type(self)):
            own = {"name": self.name, "trainable": self.trainable}
            return {**own, **network_config(self._network)}
        return super().get_config()

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """The model that `get_config` describes, with new weights."""
        if "input_layers" not in config:
            return cls(**config)
        inputs, outputs, _ = rebuild(config, None, custom_objects)
        made = cls(inputs=inputs, outputs=outputs, name=config.get("name"))
        if not config.get("trainable", True):
            made.trainable = False
        return made

    def to_json(self, **kwargs: Any) -> str:
        """The architecture as JSON text; `model_from_json` makes the model anew.

        Args:
            **kwargs: of `json.dumps`.
        """
        return json.dumps(serialize_keras_object(self), **kwargs)


setattr(Model.get_config, "is_default", True)  # noqa: B010


class Functional(Model):
    """What `Model(inputs, outputs)` makes.

    Args:
        inputs: KerasTensors in any nesting.
        outputs: KerasTensors in any nesting.
        name: unique by default.
        **kwargs: as of `Layer`.
    """

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(inputs=inputs, outputs=outputs, name=name, **kwargs)


def _is_plain(cls: type) -> bool:
    """Whether inputs and outputs are all that the class takes."""
    return next(base for base in cls.__mro__ if "__init__" in vars(base)) in (Model, Functional)


def _inputs_for(shapes: Any) -> Any:
    if isinstance(shapes, dict):
        return {key: _inputs_for(shape) for key, shape in shapes.items()}
    if isinstance(shapes, list):
        return [_inputs_for(shape) for shape in shapes]
    if any(isinstance(size, (tuple, list)) for size in shapes):
        return tuple(_inputs_for(shape) for shape in shapes)
    return Input(batch_shape=shapes)


def is_functional(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether the arguments of `Model` are inputs and outputs."""
    return "inputs" in kwargs or "outputs" in kwargs or len(args) >= 2


def functional_arguments(
    args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Any, Any, dict[str, Any]]:
    """Inputs, outputs and the other keywords."""
    names = ("inputs", "outputs", "name")
    whole = {**dict(zip(names, args, strict=False)), **kwargs}
    if "inputs" not in whole or "outputs" not in whole:
        raise UsageError("a functional model needs both inputs and outputs")
    inputs, outputs = whole.pop("inputs"), whole.pop("outputs")
    return inputs, outputs, whole
