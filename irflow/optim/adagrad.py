"""Adagrad: steps that shrink where gradients have been large."""

from __future__ import annotations

from typing import Any

from irflow.frontend.tensor import Tensor
from irflow.nn.activations import row
from irflow.optim.optimizer import LearningRate, Optimizer, Slots, filled
from irflow.records import dataclass


@dataclass(frozen=True)
class Adagrad(Optimizer):
    """`a += g²`, `p -= rate * g / sqrt(a + epsilon)`.

    Source: Duchi et al., "Adaptive subgradient methods for online learning and stochastic
    optimization", 2011.

    Attributes:
        learning_rate: a number, a tensor or a schedule.
        initial_accumulator_value: what `a` is before the first step.
        epsilon: keeps the quotient finite.
        weight_decay: with a value above 0, `p -= rate * weight_decay * p` first.
    """

    learning_rate: LearningRate = 0.001
    initial_accumulator_value: float = 0.1
    epsilon: float = 1e-7
    weight_decay: float = 0.0

    def slots(self, parameter: Tensor) -> Slots:
        return {"accumulator": filled(parameter, self.initial_accumulator_value)}

    def move(self, p: Tensor, g: Tensor, slots: Slots, *factors: Any) -> tuple[Any, Slots]:
        total = slots["accumulator"] + g * g
        change = g * factors[0] / row("sqrt", total + self.epsilon)
        return p - change, {"accumulator": total}
