"""Lion: steps of one size, in the direction of the momentum's sign."""

from __future__ import annotations

from typing import Any

from irflow.frontend.tensor import Tensor
from irflow.nn.activations import row
from irflow.optim.optimizer import LearningRate, Optimizer, Slots, filled
from irflow.records import dataclass


@dataclass(frozen=True)
class Lion(Optimizer):
    """`p -= rate * sign(beta_1 * m + (1 - beta_1) * g)`, `m = beta_2 * m + (1 - beta_2) * g`.

    Source: Chen et al., "Symbolic discovery of optimization algorithms", 2023.

    Attributes:
        learning_rate: a number, a tensor or a schedule; about a tenth of Adam's.
        beta_1: how much of the momentum is in the direction.
        beta_2: decay of the momentum.
        weight_decay: with a value above 0, `p -= rate * weight_decay * p` first.
    """

    learning_rate: LearningRate = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.99
    weight_decay: float = 0.0

    def slots(self, parameter: Tensor) -> Slots:
        return {"momentum": filled(parameter)}

    def move(self, p: Tensor, g: Tensor, slots: Slots, *factors: Any) -> tuple[Any, Slots]:
        m = slots["momentum"]
        direction = row("sign", m * self.beta_1 + g * (1 - self.beta_1))
        return p - direction * factors[0], {"momentum": m * self.beta_2 + g * (1 - self.beta_2)}
