"""Adam, with AMSGrad and with weight decay on request."""

from __future__ import annotations

from typing import Any

from irflow.frontend.tensor import Tensor
from irflow.nn.activations import row
from irflow.optim.optimizer import LearningRate, Optimizer, Slots, filled
from irflow.records import dataclass


@dataclass(frozen=True)
class Adam(Optimizer):
    """`p -= rate * sqrt(1 - beta_2^t) / (1 - beta_1^t) * m / (sqrt(v) + epsilon)`.

    `m` and `v` are running means of `g` and `g²`. As in Keras, `epsilon` stands beside the
    uncorrected second moment.

    Source: Kingma and Ba, "Adam: a method for stochastic optimization", 2015; Reddi et al., "On the
    convergence of Adam and beyond", 2018 (AMSGrad); Loshchilov and Hutter, "Decoupled weight decay
    regularization", 2019.

    Attributes:
        learning_rate: a number, a tensor or a schedule.
        beta_1, beta_2: decay of the moments.
        epsilon: keeps the quotient finite.
        weight_decay: with a value above 0, `p -= rate * weight_decay * p` first.
        amsgrad: whether the largest `v` so far stands for `v`.
    """

    learning_rate: LearningRate = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    weight_decay: float = 0.0
    amsgrad: bool = False

    def slots(self, parameter: Tensor) -> Slots:
        names = ("momentum", "velocity", "velocity_hat")[: 2 + self.amsgrad]
        return {name: filled(parameter) for name in names}

    def factors(self, rate: Any, count: Tensor, shared: Slots) -> tuple[Any, ...]:
        second = 1 - row("power", self.beta_2, count)
        return (rate * row("sqrt", second) / (1 - row("power", self.beta_1, count)),)

    def move(self, p: Tensor, g: Tensor, slots: Slots, *factors: Any) -> tuple[Any, Slots]:
        m, v = slots["momentum"], slots["velocity"]
        m = m + (g - m) * (1 - self.beta_1)
        v = v + (g * g - v) * (1 - self.beta_2)
        after = {"momentum": m, "velocity": v}
        if self.amsgrad:
            v = after["velocity_hat"] = row("maximum", slots["velocity_hat"], v)
        return p - m * factors[0] / (row("sqrt", v) + self.epsilon), after


@dataclass(frozen=True)
class AdamW(Adam):
    """`Adam` whose weights decay by default."""

    weight_decay: float = 0.004
