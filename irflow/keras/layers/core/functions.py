"""`Lambda`, a function as a layer, and `Identity`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from irflow.keras.layers.builtin import BuiltinLayer
from irflow.keras.saving import registry


class Identity(BuiltinLayer):
    """The input as it is."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        return inputs


class Lambda(BuiltinLayer):
    """A function of tensors as a layer without weights.

    A model with a `lambda` in it cannot be saved, as loading executes nothing; one with a function
    that was registered by `keras.saving.register_keras_serializable` can.

    Args:
        function: of the input, and of `mask` and `training` where it has arguments of these names.
        output_shape: taken for Keras's sake; the shape is found by tracing.
        mask: the mask of the result, or a function of input and mask that gives it.
        arguments: further keyword arguments of the function.
    """

    config_names = ("function", "output_shape", "mask", "arguments")

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Any = None,
        mask: Any = None,
        arguments: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.function = function
        self.output_shape = output_shape
        self.mask = mask
        self.arguments = arguments or {}
        self.supports_masking = mask is not None

    def call(self, inputs: Any, mask: Any = None, training: bool | None = None) -> Any:
        offered = {"mask": mask, "training": training}
        known = _parameters(self.function)
        extra = {name: value for name, value in offered.items() if name in known}
        return self.function(inputs, **extra, **self.arguments)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return self.mask(inputs, mask) if callable(self.mask) else self.mask

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Lambda:
        """The layer; its functions have to be registered, or passed as custom objects."""
        return cls(**registry.deserialize_keras_object(config))


def _parameters(function: Callable[..., Any]) -> set[str]:
    try:
        return set(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return set()
