"""Adadelta: steps whose size follows from that of earlier steps."""

from __future__ import annotations

from typing import Any

from irflow.frontend.tensor import Tensor
from irflow.nn.activations import row
from irflow.optim.optimizer import LearningRate, Optimizer, Slots, filled
from irflow.records import dataclass


@dataclass(frozen=True)
class Adadelta(Optimizer):
    """`d = -sqrt(s + epsilon) / sqrt(a + epsilon) * g`, `p += rate * d`.

    `a` and `s` are running means of `g²` and of `d²`. Source: Zeiler, "ADADELTA: an adaptive
    learning rate method", 2012, where the rate is 1.

    Attributes:
        learning_rate: a number, a tensor or a schedule.
        rho: decay of the means.
        epsilon: lets the first steps begin.
        weight_decay: with a value above 0, `p -= rate * weight_decay * p` first.
    """

    learning_rate: LearningRate = 0.001
    rho: float = 0.95
    epsilon: float = 1e-7
    weight_decay: float = 0.0

    def slots(self, parameter: Tensor) -> Slots:
        return {
            "accumulated_grad": filled(parameter),
            "accumulated_delta_var": filled(parameter),
        }

    def move(self, p: Tensor, g: Tensor, slots: Slots, *factors: Any) -> tuple[Any, Slots]:
        squares, steps = slots["accumulated_grad"], slots["accumulated_delta_var"]
        squares = self.rho * squares + (1 - self.rho) * (g * g)
        change = -self._root(steps) * g / self._root(squares)
        steps = self.rho * steps + (1 - self.rho) * (change * change)
        after = {"accumulated_grad": squares, "accumulated_delta_var": steps}
        return p + change * factors[0], after

    def _root(self, x: Any) -> Any:
        return row("sqrt", x + self.epsilon)
