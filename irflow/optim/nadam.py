"""Nadam: Adam with Nesterov's momentum."""

from __future__ import annotations

from typing import Any

from irflow import dtypes
from irflow.dtypes import DType
from irflow.frontend.conversion import asarray
from irflow.frontend.tensor import Tensor
from irflow.nn.activations import row
from irflow.optim.optimizer import LearningRate, Optimizer, Slots, filled
from irflow.records import dataclass

DECAY = 0.96
"""How fast the momentum of early steps rises to `beta_1`."""


@dataclass(frozen=True)
class Nadam(Optimizer):
    """`p -= rate * m_hat / (sqrt(v / (1 - beta_2^t)) + epsilon)`.

    With `u_t = beta_1 * (1 - 0.96^t / 2)` and `U_t = u_1 * … * u_t`, `m_hat` is
    `u_{t+1} * m / (1 - U_{t+1}) + (1 - u_t) * g / (1 - U_t)`; `m` and `v` are running means of `g`
    and `g²`. Source: Dozat, "Incorporating Nesterov momentum into Adam", 2016.

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

    def shared(self, dtype: DType) -> Slots:
        return {"u_product": asarray(1.0, dtypes.compute_dtype(dtype))}

    def advanced(self, shared: Slots, count: Tensor) -> Slots:
        product = shared["u_product"]
        return {"u_product": product * self._momentum(count.astype(product.dtype))}

    def factors(self, rate: Any, count: Tensor, shared: Slots) -> tuple[Any, ...]:
        product, following = shared["u_product"], self._momentum(count + 1)
        of_mean = rate * following / (1 - product * following)
        of_gradient = rate * (1 - self._momentum(count)) / (1 - product)
        return of_mean, of_gradient, 1 / (1 - row("power", self.beta_2, count))

    def move(self, p: Tensor, g: Tensor, slots: Slots, *factors: Any) -> tuple[Any, Slots]:
        of_mean, of_gradient, of_square = factors
        m, v = slots["momentum"], slots["velocity"]
        m = m + (g - m) * (1 - self.beta_1)
        v = v + (g * g - v) * (1 - self.beta_2)
        change = (m * of_mean + g * of_gradient) / (row("sqrt", v * of_square) + self.epsilon)
        return p - change, {"momentum": m, "velocity": v}

    def _momentum(self, count: Tensor) -> Any:
        return self.beta_1 * (1 - 0.5 * row("power", DECAY, count))
