"""Activation functions as layers; those without weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from irflow import nn
from irflow import numpy as inp
from irflow.errors import UsageError
from irflow.frontend.tensor import Tensor
from irflow.keras import activations
from irflow.keras.layers.builtin import BuiltinLayer
from irflow.nn.activations import row


class _Elementwise(BuiltinLayer):
    """The base of these layers: a mask passes through."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True


class Activation(_Elementwise):
    """An activation function, told by a name or a function."""

    config_names = ("activation",)

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activations.get(activation)

    def call(self, inputs: Tensor) -> Tensor:
        return self.activation(inputs)  # type: ignore[no-any-return]


class ReLU(_Elementwise):
    """`max(x, 0)`; the arguments are those of `activations.relu`.

    Raises:
        UsageError: an argument is negative.
    """

    config_names = ("max_value", "negative_slope", "threshold")

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.max_value = None if max_value is None else _from_zero("ReLU: max_value", max_value)
        self.negative_slope = _from_zero("ReLU: negative_slope", negative_slope)
        self.threshold = _from_zero("ReLU: threshold", threshold)

    def call(self, inputs: Tensor) -> Tensor:
        return activations.relu(inputs, self.negative_slope, self.max_value, self.threshold)


class LeakyReLU(_Elementwise):
    """`x` where positive, `negative_slope * x` elsewhere.

    Args:
        negative_slope: from 0 on.
        **kwargs: as of `Layer`; also `alpha`, the old name of the slope.
    """

    config_names = ("negative_slope",)

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any) -> None:
        negative_slope = kwargs.pop("alpha", negative_slope)
        super().__init__(**kwargs)
        self.negative_slope = _from_zero("LeakyReLU: negative_slope", negative_slope)

    def call(self, inputs: Tensor) -> Tensor:
        return nn.leaky_relu(inputs, self.negative_slope)


class ELU(_Elementwise):
    """`x` where positive, `alpha * (exp(x) - 1)` elsewhere."""

    config_names = ("alpha",)

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha = alpha

    def call(self, inputs: Tensor) -> Tensor:
        return nn.elu(inputs, self.alpha)


class Softmax(_Elementwise):
    """`exp(x)` divided by its sum along an axis, or along several together.

    Call:
        inputs: `[...]`.
        mask: Booleans, or numbers of which those above 1/2 count, that broadcast to `inputs`; where
            it is false the result is 0.
    """

    config_names = ("axis",)

    def __init__(self, axis: int | Sequence[int] = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        counts = mask if mask is None or mask.dtype is inp.bool_ else row("greater", mask, 0.5)
        return nn.softmax(inputs, self.axis, counts)


def _from_zero(what: str, value: Any) -> float:
    if not isinstance(value, (int, float)) or value < 0:
        raise UsageError(f"{what} is {value}, not a number from 0 on")
    return value
