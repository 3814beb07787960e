"""Stochastic gradient descent, plain, with momentum, and with Nesterov's."""

from __future__ import annotations

from typing import Any

from irflow.frontend.tensor import Tensor
from irflow.optim.optimizer import LearningRate, Optimizer, Slots, filled
from irflow.records import dataclass


@dataclass(frozen=True)
class SGD(Optimizer):
    """`v = momentum * v - rate * g`, `p += v`; with Nesterov `p += momentum * v - rate * g`.

    As in Keras: the velocity holds the learning rate of its time. Without momentum `p -= rate * g`,
    and there are no slots.

    Attributes:
        learning_rate: a number, a tensor or a schedule.
        momentum: between 0 and 1.
        nesterov: whether to look ahead along the velocity.
        weight_decay: with a value above 0, `p -= rate * weight_decay * p` first.
    """

    learning_rate: LearningRate = 0.01
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    def slots(self, parameter: Tensor) -> Slots:
        return {"momentum": filled(parameter)} if self.momentum else {}

    def move(self, p: Tensor, g: Tensor, slots: Slots, *factors: Any) -> tuple[Any, Slots]:
        slope = g * factors[0]
        if not self.momentum:
            return p - slope, {}
        velocity = slots["momentum"] * self.momentum - slope
        change = velocity * self.momentum - slope if self.nesterov else velocity
        return p + change, {"momentum": velocity}
