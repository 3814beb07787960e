"""`Layer`: weights, and a computation with them."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from irflow import tree
from irflow.errors import UsageError
from irflow.frontend import Tensor, Variable, asarray
from irflow.frontend.boundary import public
from irflow.frontend.tracing import suspended
from irflow.keras import config, regularizers
from irflow.keras.dtype_policies import DTypePolicy
from irflow.keras.engine import context, masks
from irflow.keras.engine.arguments import (
    build_names,
    build_shapes,
    call_form,
    converted,
    is_numbers,
    split_arguments,
)
from irflow.keras.engine.holder import Holder
from irflow.keras.engine.inference import infer
from irflow.keras.engine.input_spec import assert_input_compatibility
from irflow.keras.engine.naming import auto_name
from irflow.keras.engine.symbolic import KerasTensor, Node, is_symbolic, record
from irflow.keras.layers.checks import check_argument, check_begun
from irflow.keras.layers.keywords import input_shape
from irflow.keras.saving.registry import serialize_keras_object


class Layer(Holder):
    """A computation with weights; the base of all layers and models.

    A layer of one's own makes its weights in `build` (or in `__init__`) and computes in `call`.
    Variables, layers, metrics and seed generators that are set as attributes, also in lists and
    dicts, belong to it.

    Args:
        activity_regularizer: a function of the outputs whose value is added to the loss.
        trainable: whether training changes the weights.
        dtype: a policy, or one element type for weights and computations.
        autocast: whether floating inputs are cast to `compute_dtype`.
        name: unique by default.
        **kwargs: `input_shape` (without the batch), `input_dim` or `batch_input_shape`, for the
            first layer of a Sequential model.

    Raises:
        UsageError: another keyword.

    >>> class Twice(Layer):
    ...     def call(self, inputs):
    ...         return inputs * 2
    >>> Twice()(np.ones(2, np.float32)).tolist()
    [2.0, 2.0]
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        layer = object.__new__(cls)
        object.__setattr__(layer, "_own", [])
        object.__setattr__(layer, "_arguments", (args, kwargs))
        return layer

    def __init__(
        self,
        *,
        activity_regularizer: Any = None,
        trainable: bool = True,
        dtype: Any = None,
        autocast: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        self._inbound_nodes: list[Node] = []
        self._hold(bool(trainable))
        self._input_shape_arg = input_shape(type(self), kwargs)
        self.name = str(name) if name is not None else auto_name(type(self).__name__)
        self._dtype_policy: DTypePolicy = config.policy_for(dtype)
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self.autocast = autocast
        self.built = False
        self.input_spec: Any = None
        self.supports_masking = type(self).compute_mask is not Layer.compute_mask
        self._build_shape: Any = None

    # ------------------------------------------------------------------------- to be overridden

    def build(self, *input_shape: Any, **input_shapes: Any) -> None:
        """Make the weights; called once, before the first `call`.

        Args:
            input_shape: a tuple with None where a size is not known, such as that of the batch;
                for nested inputs a nesting of tuples.
            **input_shapes: a `build` may instead take `x_shape` for each argument `x` of `call`.
        """
        self.built = True

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """The computation; may take `training` and `mask`.

        Raises:
            UsageError: a class does not define it.
        """
        raise UsageError(f"layer {type(self).__name__} has no call method")

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """The mask of the outputs; that of the inputs if nothing else is said."""
        return previous_mask

    def compute_output_shape(self, *input_shape: Any) -> Any:
        """The shape, or shapes, of the outputs for the shapes of the inputs, with the batch."""
        leaves, structure = tree.flatten(tuple(map(_as_places, input_shape)))
        rows = [(place.shape, place.dtype) for place in leaves]
        kind, found = infer(lambda tensors: self(*structure.unflatten(tensors)), rows, self.name)
        self._clear_losses()
        shapes = [KerasTensor(shape, dtype, "shape") for shape, dtype in found]
        return tree.map_leaves(lambda place: place.shape, kind.unflatten(shapes))

    def get_config(self) -> dict[str, Any]:
        """The arguments of `__init__` that make an equal layer.

        Raises:
            UsageError: a class with arguments of its own that are no plain values does not define
                it.
        """
        own: dict[str, Any] = {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": self._dtype_policy.name,
        }
        if self.activity_regularizer is not None:
            own["activity_regularizer"] = serialize_keras_object(self.activity_regularizer)
        if hasattr(type(self).get_config, "is_default"):
            own = {**self._bound_arguments(), **own}
        return own

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The layer that `get_config` describes."""
        return cls(**config)

    # ------------------------------------------------------------------------------- properties

    @property
    def dtype_policy(self) -> DTypePolicy:
        """What it computes in and keeps its weights in."""
        return self._dtype_policy

    variable_dtype = Holder.dtype

    @property
    def compute_dtype(self) -> str:
        """The element type that floating inputs are cast to."""
        return self._dtype_policy.compute_dtype

    @property
    def input(self) -> Any:
        """The symbolic inputs of its only call in a functional model."""
        return self._only_node("input").args[0]

    @property
    def output(self) -> Any:
        """The symbolic outputs of its only call in a functional model."""
        outputs = self._only_node("output").outputs
        return outputs[0] if len(outputs) == 1 else outputs

    def _only_node(self, what: str) -> Node:
        if len(self._inbound_nodes) != 1:
            raise UsageError(
                f'layer "{self.name}" is called {len(self._inbound_nodes)} times in a functional '
                f"model, so it has no single {what}"
            )
        return self._inbound_nodes[0]

    # ------------------------------------------------------------------------------------ calls

    @public
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        check_begun(self)
        if is_symbolic(args, kwargs):
            return self._record(args, kwargs)
        return self._run(*args, **kwargs)

    def _record(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        outputs = record(self, self._run, args, kwargs)
        self._clear_losses()
        return outputs

    def _run(self, *args: Any, **kwargs: Any) -> Any:
        """A call on tensors."""
        form = call_form(type(self).call)
        given = self._bound(*self._convert(args, kwargs))
        first = next(iter(given.values()), None)
        check_argument(self, first)
        if self.input_spec is not None and first is not None:
            assert_input_compatibility(self.input_spec, first, self.name)
        if not self.built:
            self._build_for(given)
        mask = self._take_mask(form.names, given, first)
        training = self._training_for(given, form.training)
        if form.has_training:
            given["training"] = training
        with context.calling(training):
            outputs = self._computed(given)
        if self.activity_regularizer is not None:
            self._regularize(outputs)
        if mask is not None or type(self).compute_mask is not Layer.compute_mask:
            self._pass_mask_on(first, outputs, mask)
        return outputs

    def _convert(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments with arrays as tensors, in the element type of computations."""
        kind = self.compute_dtype if self.autocast and "float" in self.compute_dtype else None
        args = tuple(np.asarray(a) if is_numbers(a) else a for a in args)

        def convert(leaf: Any) -> Any:
            made = converted(leaf, kind)
            mask = masks.get_mask(leaf)
            if mask is not None and made is not leaf:
                masks.set_mask(made, mask)
            return made

        return tree.map_leaves(convert, args), tree.map_leaves(convert, kwargs)

    def _bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """The arguments of `call` by name."""
        form = call_form(type(self).call)
        training = kwargs.pop("training", None)
        bound = form.signature.bind(*args, **kwargs).arguments
        given: dict[str, Any] = {}
        for name, value in bound.items():
            kind = form.signature.parameters[name].kind
            if kind is inspect.Parameter.VAR_KEYWORD:
                given.update(value)
            else:
                given[name] = value
        if training is not None:
            given["training"] = training
        return given

    def _build_for(self, given: dict[str, Any]) -> None:
        names = build_names(type(self).build)
        shapes = build_shapes(names, given)
        with suspended():
            self.build(**shapes)
        self._build_shape = shapes if len(shapes) > 1 else next(iter(shapes.values()), None)
        self.built = True

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Build for the shapes that a saved model holds."""
        shape = config["input_shape"]
        names = build_names(type(self).build)
        with suspended():
            self.build(**shape) if isinstance(shape, dict) and len(names) > 1 else self.build(shape)
        self._build_shape, self.built = shape, True

    def _training_for(self, given: dict[str, Any], default: Any) -> Any:
        """Whether it is training: as told, else as the layer around, else as `call` has it."""
        told = given.pop("training", None)
        for choice in (told, context.is_training(), default):
            if choice is not None:
                return choice
        return False

    def _take_mask(self, names: tuple[str, ...], given: dict[str, Any], first: Any) -> Any:
        """Put masks that travel beside the tensors among the arguments; that of the first."""
        if given.get("mask") is not None:
            return given["mask"]
        if not masks.has_masks():
            return None
        for name, value in list(given.items()):
            wanted = f"{name}_mask"
            if wanted in names and given.get(wanted) is None:
                given[wanted] = masks.masks_of(value)
        found = masks.masks_of(first)
        if "mask" in names:
            given["mask"] = found
        return found

    def _pass_mask_on(self, inputs: Any, outputs: Any, previous: Any) -> None:
        if not self.supports_masking:
            return
        leaves = tree.flatten(outputs)[0]
        found = self.compute_mask(inputs, previous)
        if found is None:
            return
        rows = [found] * len(leaves) if isinstance(found, Tensor) else tree.flatten(found)[0]
        for leaf, mask in zip(leaves, rows, strict=False):
            if isinstance(leaf, Tensor) and masks.get_mask(leaf) is None:
                masks.set_mask(leaf, mask)

    def _computed(self, given: dict[str, Any]) -> Any:
        """The outputs of `call`, whose weights are in the type of computation."""
        form = call_form(type(self).call)
        args, kwargs = split_arguments(form, given)
        if self.compute_dtype == self.dtype or not self.autocast:
            return self.call(*args, **kwargs)
        seen = {
            name: value
            for name, value in vars(self).items()
            if isinstance(value, Variable) and value.dtype.is_float and id(value) not in self._exact
        }
        try:
            vars(self).update({n: v.value.astype(self.compute_dtype) for n, v in seen.items()})
            return self.call(*args, **kwargs)
        finally:
            vars(self).update(seen)

    def _regularize(self, outputs: Any) -> None:
        """Add the activity regularizer's value, divided by the size of the batch."""
        for output in tree.flatten(outputs)[0]:
            if isinstance(output, Tensor):
                loss = self.activity_regularizer(output)
                size = output.shape[0] if output.ndim else 1
                self.add_loss(loss / asarray(size).astype(loss.dtype))

    def _bound_arguments(self) -> dict[str, Any]:
        """The arguments that `__init__` was given, if they are plain values."""
        args, kwargs = self._arguments
        signature = inspect.signature(type(self).__init__)
        bound = signature.bind(self, *args, **kwargs).arguments
        given: dict[str, Any] = {}
        for name, value in list(bound.items())[1:]:
            kind = signature.parameters[name].kind
            given.update(value if kind is inspect.Parameter.VAR_KEYWORD else {name: value})
        wrong = [name for name, value in given.items() if not _is_plain(value)]
        if wrong:
            raise UsageError(
                f"{type(self).__name__} needs a get_config of its own",
                facts=[("not plain", ", ".join(wrong))],
                hint="return super().get_config() with the arguments of __init__ added",
            )
        return given

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"


# A class that inherits it from Layer or Model has its arguments put in.
setattr(Layer.get_config, "is_default", True)  # noqa: B010


def _as_places(shape: Any) -> Any:
    """Nested shapes as nested places."""
    if isinstance(shape, dict):
        return {key: _as_places(inner) for key, inner in shape.items()}
    if any(isinstance(size, (tuple, list, dict)) for size in shape):
        return [_as_places(inner) for inner in shape]
    return KerasTensor(shape, config.floatx(), "shape")


def _is_plain(value: Any) -> bool:
    leaves = tree.flatten(value)[0]
    return all(isinstance(leaf, (str, int, float, bool)) for leaf in leaves)
