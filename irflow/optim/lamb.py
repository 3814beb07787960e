"""LAMB: Adam's direction, with steps in proportion to the size of each parameter."""

from __future__ import annotations

from typing import Any

from irflow.frontend.tensor import Tensor
from irflow.nn.activations import row
from irflow.optim.optimizer import LearningRate, Optimizer, Slots, filled
from irflow.records import dataclass


@dataclass(frozen=True)
class Lamb(Optimizer):
    """`p -= rate * |p| / |u| * u`.

    `u` is `m / (1 - beta_1^t) / (sqrt(v / (1 - beta_2^t)) + epsilon)`, where `m` and `v` are
    running means of `g` and `g²`; `|·|` is the Euclidean norm of a whole tensor, and where one is 0
    the quotient of both is 1. Source: You et al., "Large batch optimization for
    deep learning: training BERT in 76 minutes", 2020.

    Attributes:
        learning_rate: a number, a tensor or a schedule.
        beta_1, beta_2: decay of the moments.
        epsilon: keeps the quotient finite.
        weight_decay: with a value above 0, `p -= rate * weight_decay * p` first.
    """

    learning_rate: LearningRate = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    weight_decay: float = 0.0

    def slots(self, parameter: Tensor) -> Slots:
        return {"momentum": filled(parameter), "velocity": filled(parameter)}

    def factors(self, rate: Any, count: Tensor, shared: Slots) -> tuple[Any, ...]:
        corrections = (1 / (1 - row("power", beta, count)) for beta in (self.beta_1, self.beta_2))
        return rate, *corrections

    def move(self, p: Tensor, g: Tensor, slots: Slots, *factors: Any) -> tuple[Any, Slots]:
        rate, of_mean, of_square = factors
        m, v = slots["momentum"], slots["velocity"]
        m = m + (g - m) * (1 - self.beta_1)
        v = v + (g * g - v) * (1 - self.beta_2)
        unit = m * of_mean / (row("sqrt", v * of_square) + self.epsilon)
        return p - unit * (rate * _ratio(p, unit)), {"momentum": m, "velocity": v}


def _ratio(p: Any, unit: Any) -> Tensor:
    """The norm of a parameter over that of its direction."""
    sums = (p * p).sum(), (unit * unit).sum()
    are_both = row("logical_and", sums[0] > 0, sums[1] > 0)
    divisor = row("where", are_both, sums[1], 1.0)
    return row("where", are_both, row("sqrt", sums[0] / divisor), 1.0)
