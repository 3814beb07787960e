"""Adamax: Adam with the largest gradient in the place of the mean square."""

from __future__ import annotations

from typing import Any

from irflow.frontend.tensor import Tensor
from irflow.nn.activations import row
from irflow.optim.optimizer import LearningRate, Optimizer, Slots, filled
from irflow.records import dataclass


@dataclass(frozen=True)
class Adamax(Optimizer):
    """`u = max(beta_2 * u, |g|)`, `p -= rate / (1 - beta_1^t) * m / (u + epsilon)`.

    `m` is the running mean of `g`. Source: Kingma and Ba, "Adam: a method for stochastic
    optimization", 2015, section 7.

    Attributes:
        learning_rate: a number, a tensor or a schedule.
        beta_1: decay of the mean.
        beta_2: decay of the largest gradient.
        epsilon: keeps the quotient finite.
        weight_decay: with a value above 0, `p -= rate * weight_decay * p` first.
    """

    learning_rate: LearningRate = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    weight_decay: float = 0.0

    def slots(self, parameter: Tensor) -> Slots:
        return {"momentum": filled(parameter), "norm": filled(parameter)}

    def factors(self, rate: Any, count: Tensor, shared: Slots) -> tuple[Any, ...]:
        return (rate / (1 - row("power", self.beta_1, count)),)

    def move(self, p: Tensor, g: Tensor, slots: Slots, *factors: Any) -> tuple[Any, Slots]:
        m = slots["momentum"] + (g - slots["momentum"]) * (1 - self.beta_1)
        norm = row("maximum", slots["norm"] * self.beta_2, abs(g))
        return p - m * factors[0] / (norm + self.epsilon), {"momentum": m, "norm": norm}
