"""FTRL-Proximal: follow the regularised leader, for models with many zeros."""

from __future__ import annotations

from typing import Any

from irflow.frontend.tensor import Tensor
from irflow.nn.activations import row
from irflow.optim.optimizer import LearningRate, Optimizer, Slots, filled
from irflow.records import dataclass


@dataclass(frozen=True)
class Ftrl(Optimizer):
    """`p = (clip(z, -l1, l1) - z) / (n^-power / rate + 2 * l2)`.

    `n` is the sum of `g²`, and `z` grows by `g' - (n^-power - last n^-power) / rate * p`, where
    `g'` is `g + 2 * l2_shrinkage * p`; `beta / (2 * rate)` is added to `l2`.

    Source: McMahan et al., "Ad click prediction: a view from the trenches", 2013.

    Attributes:
        learning_rate: a number, a tensor or a schedule.
        learning_rate_power: at most 0; how fast steps shrink.
        initial_accumulator_value: what `n` is before the first step, at least 0.
        l1_regularization_strength: at least 0; pulls parameters to exactly 0.
        l2_regularization_strength: at least 0.
        l2_shrinkage_regularization_strength: at least 0; acts on the gradient.
        beta: the paper's `beta`.
        weight_decay: with a value above 0, `p -= rate * weight_decay * p` first.
    """

    learning_rate: LearningRate = 0.001
    learning_rate_power: float = -0.5
    initial_accumulator_value: float = 0.1
    l1_regularization_strength: float = 0.0
    l2_regularization_strength: float = 0.0
    l2_shrinkage_regularization_strength: float = 0.0
    beta: float = 0.0
    weight_decay: float = 0.0

    def slots(self, parameter: Tensor) -> Slots:
        start = self.initial_accumulator_value
        return {"accumulator": filled(parameter, start), "linear": filled(parameter)}

    def factors(self, rate: Any, count: Tensor, shared: Slots) -> tuple[Any, ...]:
        return rate, 2 * (self.l2_regularization_strength + self.beta / (2.0 * rate))

    def move(self, p: Tensor, g: Tensor, slots: Slots, *factors: Any) -> tuple[Any, Slots]:
        rate, l2 = factors
        l1, shrinkage = self.l1_regularization_strength, self.l2_shrinkage_regularization_strength
        total = slots["accumulator"] + g * g
        root, before = self._root(total), self._root(slots["accumulator"])
        slope = g + 2 * shrinkage * p if shrinkage else g
        linear = slots["linear"] + (slope - (root - before) / rate * p)
        clipped: Any = row("minimum", row("maximum", linear, -l1), l1) if l1 else 0.0
        moved = (clipped - linear) / (root / rate + l2)
        return moved, {"accumulator": total, "linear": linear}

    def _root(self, x: Any) -> Any:
        if self.learning_rate_power == -0.5:
            return row("sqrt", x)
        return row("power", x, -self.learning_rate_power)
