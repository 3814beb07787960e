"""Constraints: what a weight is put through after each step of training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self, cast

from irflow.frontend.tensor import Tensor, TensorLike, as_tensor
from irflow.keras import config as settings
from irflow.nn.activations import row

Axis = int | Sequence[int]


class Constraint:
    """The base of the constraints: a call gives the weight as it has to be.

    A subclass defines `__call__(w)`, and `get_config` where it has arguments.
    """

    def __call__(self, w: TensorLike) -> Tensor:
        """The weight under the constraint; the shape stays."""
        return as_tensor(w)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constraint, as JSON knows them."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The constraint with the arguments that `get_config` gave."""
        return cls(**config)


class NonNeg(Constraint):
    """Negative elements become 0."""

    def __call__(self, w: TensorLike) -> Tensor:
        return row("maximum", as_tensor(w), 0)


class MinMaxNorm(Constraint):
    """Vectors get a length between two bounds.

    Args:
        min_value: the least length.
        max_value: the largest length.
        rate: 1 for the bounds at once; below, only so much of the way is taken.
        axis: along which a vector lies: 0 for the inputs of a dense layer, `[0, 1, 2]` for the
            filters of a convolution of images.
    """

    def __init__(
        self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Axis = 0
    ) -> None:
        self.min_value = min_value
        self.max_value = max_value
        self.rate = rate
        self.axis = axis

    def __call__(self, w: TensorLike) -> Tensor:
        t = as_tensor(w)
        norm = _norm(t, self.axis)
        bounded = row("minimum", row("maximum", norm, self.min_value), self.max_value)
        wanted = self.rate * bounded + (1 - self.rate) * norm
        return cast(Tensor, t * (wanted / (settings.epsilon() + norm)))

    def get_config(self) -> dict[str, Any]:
        return {
            "min_value": self.min_value,
            "max_value": self.max_value,
            "rate": self.rate,
            "axis": self.axis,
        }


class MaxNorm(Constraint):
    """Vectors longer than `max_value` get that length; `axis` as of `MinMaxNorm`."""

    def __init__(self, max_value: float = 2, axis: Axis = 0) -> None:
        self.max_value = max_value
        self.axis = axis

    def __call__(self, w: TensorLike) -> Tensor:
        t = as_tensor(w)
        norm = _norm(t, self.axis)
        return cast(
            Tensor, t * (row("minimum", norm, self.max_value) / (settings.epsilon() + norm))
        )

    def get_config(self) -> dict[str, Any]:
        return {"max_value": self.max_value, "axis": self.axis}


class UnitNorm(Constraint):
    """Vectors get length 1; `axis` as of `MinMaxNorm`."""

    def __init__(self, axis: Axis = 0) -> None:
        self.axis = axis

    def __call__(self, w: TensorLike) -> Tensor:
        t = as_tensor(w)
        return cast(Tensor, t / (settings.epsilon() + _norm(t, self.axis)))

    def get_config(self) -> dict[str, Any]:
        return {"axis": self.axis}


def _norm(w: Tensor, axis: Axis) -> Tensor:
    axes = axis if isinstance(axis, int) else tuple(axis)
    return row("sqrt", cast(Tensor, w * w).sum(axes, keepdims=True))
