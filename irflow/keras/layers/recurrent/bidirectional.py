"""`Bidirectional`: a recurrent layer in both directions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from irflow import numpy as inp
from irflow.errors import UsageError
from irflow.frontend.tensor import Tensor
from irflow.keras.engine.arguments import call_form
from irflow.keras.layers.builtin import BuiltinLayer, Shape
from irflow.keras.layers.layer import Layer
from irflow.keras.saving import registry

MODES = ("sum", "mul", "ave", "concat", None)
_COMMON = ("stateful", "return_sequences", "return_state")


class Bidirectional(BuiltinLayer):
    """A recurrent layer, and another one that goes backwards; their outputs are joined.

    Args:
        layer: a recurrent layer; it is copied without its weights.
        merge_mode: `"concat"`, `"sum"`, `"mul"`, `"ave"`, or None for both outputs.
        weights: the first values of the weights: those forward, then those backward.
        backward_layer: by default a copy of `layer` that goes the other way.

    Call:
        As of the layer; `initial_state` holds the states forward, then those backward.

    Returns:
        The joined outputs, the steps of both in the order of time; with `return_state` a tuple of
        that, the states forward and those backward.

    Raises:
        UsageError: unknown mode, no layers, or two that do not fit each other.
    """

    config_names = ("merge_mode",)

    def __init__(
        self,
        layer: Any,
        merge_mode: str | None = "concat",
        weights: Sequence[Any] | None = None,
        backward_layer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for each in (layer, *(() if backward_layer is None else (backward_layer,))):
            if not isinstance(each, Layer) or not hasattr(each, "go_backwards"):
                raise UsageError(f"Bidirectional: no recurrent layer: {each!r}")
        if merge_mode not in MODES:
            known = ", ".join(map(repr, MODES))
            raise UsageError(f"Bidirectional: merge_mode {merge_mode!r}", facts=[("known", known)])
        self.forward_layer = _copied(layer, "forward")
        if backward_layer is None:
            backward_layer = _copied(layer, "backward", not layer.go_backwards)
        self.backward_layer = backward_layer
        self._check_directions()
        for each in (self.forward_layer, self.backward_layer):
            if hasattr(each, "zero_output_for_mask"):
                each.zero_output_for_mask = each.return_sequences
        self.merge_mode = merge_mode
        self._first_weights = None if weights is None else list(weights)
        self.stateful, self.return_sequences, self.return_state = (
            getattr(layer, name) for name in _COMMON
        )
        self.input_spec = layer.input_spec
        self.supports_masking = True

    def _check_directions(self) -> None:
        one, other = self.forward_layer, self.backward_layer
        if one.go_backwards == other.go_backwards:
            raise UsageError("Bidirectional: both layers go the same way")
        for name in _COMMON:
            if getattr(one, name) != getattr(other, name):
                raise UsageError(f"Bidirectional: {name} of the two layers differs")

    def build(self, input_shape: Shape) -> None:
        for each in (self.forward_layer, self.backward_layer):
            if not each.built:
                each.build(input_shape)
                each.built = True
        if self._first_weights is not None:
            self.set_weights(self._first_weights)

    def call(
        self,
        sequences: Tensor,
        initial_state: Any = None,
        mask: Any = None,
        training: bool | None = None,
    ) -> Any:
        states = [{}, {}] if initial_state is None else _halves(list(initial_state))
        layers = (self.forward_layer, self.backward_layer)
        results = [
            layer(sequences, training=training, **_mask_for(layer, mask), **state)
            for layer, state in zip(layers, states, strict=True)
        ]
        last: tuple[Any, ...] = ()
        if self.return_state:
            last = tuple(state for result in results for state in result[1:])
            results = [result[0] for result in results]
        forward, backward = results
        if self.return_sequences:
            backward = inp.flip(backward, 1)
        merged = self._merged(forward, backward)
        if not self.return_state:
            return merged
        return (*merged, *last) if self.merge_mode is None else (merged, *last)

    def _merged(self, forward: Tensor, backward: Tensor) -> Any:
        match self.merge_mode:
            case "concat":
                return inp.concatenate([forward, backward], axis=-1)
            case "sum":
                return forward + backward
            case "ave":
                return (forward + backward) / 2
            case "mul":
                return forward * backward
            case _:
                return forward, backward

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        mask = previous_mask[0] if isinstance(previous_mask, (list, tuple)) else previous_mask
        if mask is None or not self.return_sequences:
            return None
        return [mask, mask] if self.merge_mode is None else [mask]

    @property
    def states(self) -> tuple[Any, ...] | None:
        """The states that stateful layers remember: forward, then backward."""
        one, other = self.forward_layer.states, self.backward_layer.states
        return (*one, *other) if one and other else None

    def reset_state(self) -> None:
        """Let stateful layers begin with zeros again."""
        self.forward_layer.reset_state()
        self.backward_layer.reset_state()

    reset_states = reset_state

    def get_config(self) -> dict[str, Any]:
        own = {
            "layer": registry.serialize_keras_object(self.forward_layer),
            "backward_layer": registry.serialize_keras_object(self.backward_layer),
        }
        return {**super().get_config(), **own}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The layer, with those inside made from their own configs."""
        names = [name for name in ("layer", "backward_layer") if config.get(name) is not None]
        made = {name: registry.deserialize_keras_object(config[name]) for name in names}
        return cls(**{**config, **made})


def _copied(layer: Any, direction: str, go_backwards: bool | None = None) -> Any:
    """A layer of the same config without weights."""
    config = registry.serialize_keras_object(layer)
    name = f"{direction}_{layer.name.removeprefix(f'{direction}_')}"
    changed = {} if go_backwards is None else {"go_backwards": go_backwards}
    return registry.deserialize_keras_object(
        {**config, "config": {**config["config"], "name": name, **changed}}
    )


def _halves(states: list[Any]) -> list[dict[str, Any]]:
    half = len(states) // 2
    return [{"initial_state": states[:half]}, {"initial_state": states[half:]}]


def _mask_for(layer: Layer, mask: Any) -> dict[str, Any]:
    return {"mask": mask} if "mask" in call_form(type(layer).call).names else {}
