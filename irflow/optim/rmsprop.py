"""RMSprop: steps in proportion to the gradient's usual size."""

from __future__ import annotations

from typing import Any

from irflow.frontend.tensor import Tensor
from irflow.nn.activations import row
from irflow.optim.optimizer import LearningRate, Optimizer, Slots, filled
from irflow.records import dataclass


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """`v = rho * v + (1 - rho) * g²`, `p -= rate * g / sqrt(v + epsilon)`.

    With `centered`, `v - mean²` stands for `v`, `mean` being the running mean of `g`. With momentum
    the change is added to `momentum * last change`.

    Source: Tieleman and Hinton, "Lecture 6.5: RMSprop", 2012; Graves, "Generating sequences with
    recurrent neural networks", 2013 (centered).

    Attributes:
        learning_rate: a number, a tensor or a schedule.
        rho: decay of the means.
        momentum: between 0 and 1.
        epsilon: keeps the quotient finite.
        centered: whether to divide by the deviation and not by the size.
        weight_decay: with a value above 0, `p -= rate * weight_decay * p` first.
    """

    learning_rate: LearningRate = 0.001
    rho: float = 0.9
    momentum: float = 0.0
    epsilon: float = 1e-7
    centered: bool = False
    weight_decay: float = 0.0

    def slots(self, parameter: Tensor) -> Slots:
        wanted = {"velocity": True, "momentum": self.momentum, "average_gradient": self.centered}
        return {name: filled(parameter) for name, is_wanted in wanted.items() if is_wanted}

    def move(self, p: Tensor, g: Tensor, slots: Slots, *factors: Any) -> tuple[Any, Slots]:
        velocity = self.rho * slots["velocity"] + (1 - self.rho) * (g * g)
        after = {"velocity": velocity}
        if self.centered:
            mean = self.rho * slots["average_gradient"] + (1 - self.rho) * g
            after["average_gradient"] = mean
            velocity = velocity - mean * mean
        change = g * factors[0] / row("sqrt", velocity + self.epsilon)
        if self.momentum:
            change = after["momentum"] = self.momentum * slots["momentum"] + change
        return p - change, after
