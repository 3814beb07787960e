"""`Wrapper`: a layer around another one."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from irflow.errors import UsageError
from irflow.keras.layers.builtin import BuiltinLayer
from irflow.keras.layers.layer import Layer
from irflow.keras.saving import registry


class Wrapper(BuiltinLayer):
    """The base of layers that change how another layer is used.

    Args:
        layer: the other one.

    Raises:
        UsageError: it is no layer.
    """

    config_names: ClassVar[tuple[str, ...]] = ("layer",)

    def __init__(self, layer: Layer, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(layer, Layer):
            raise UsageError(f"{type(self).__name__}: no layer: {layer!r}")
        self.layer = layer

    def build(self, input_shape: Any) -> None:
        if not self.layer.built:
            self.layer.build(input_shape)
            self.layer.built = True

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The layer, with the one inside made from its own config."""
        inner = config["layer"]
        made = inner if isinstance(inner, Layer) else registry.deserialize_keras_object(inner)
        return cls(**{**config, "layer": made})
