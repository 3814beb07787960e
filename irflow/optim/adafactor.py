"""Adafactor: second moments of matrices kept as one row and one column."""

from __future__ import annotations

from typing import Any

from irflow import ops
from irflow.frontend.tensor import Tensor
from irflow.nn.activations import row
from irflow.optim.optimizer import LearningRate, Optimizer, Slots, filled
from irflow.records import dataclass


@dataclass(frozen=True)
class Adafactor(Optimizer):
    """`p -= max(epsilon_2, rms(p)) * rate_t * u / max(1, rms(u) / clip_threshold)`.

    `u` is `g / sqrt(v)`, `rate_t` the lesser of the rate and `1 / sqrt(t)`. `v` is the running mean
    of `g²` with decay `1 - t^beta_2_decay`; of a matrix only its means along rows and along columns
    are kept, and `v` is their product over the mean of all.

    Source: Shazeer and Stern, "Adafactor: adaptive learning rates with sublinear memory cost",
    2018.

    Attributes:
        learning_rate: a number, a tensor or a schedule.
        beta_2_decay: at most 0; how the memory of `v` grows.
        epsilon_1: is added to `g²`.
        epsilon_2: the least size of a parameter, for the scale of its steps.
        clip_threshold: bounds the size of `u`.
        weight_decay: with a value above 0, `p -= rate * weight_decay * p` first.
    """

    learning_rate: LearningRate = 0.001
    beta_2_decay: float = -0.8
    epsilon_1: float = 1e-30
    epsilon_2: float = 1e-3
    clip_threshold: float = 1.0
    weight_decay: float = 0.0

    def slots(self, parameter: Tensor) -> Slots:
        if parameter.ndim < 2:
            return {"velocity": filled(parameter)}
        *outer, rows, columns = parameter.shape
        return {
            "row": parameter.full(0.0, (*outer, rows)),
            "column": parameter.full(0.0, (*outer, columns)),
        }

    def factors(self, rate: Any, count: Tensor, shared: Slots) -> tuple[Any, ...]:
        decay = 1 - row("power", count, self.beta_2_decay)
        return row("minimum", rate, row("rsqrt", count)), decay

    def move(self, p: Tensor, g: Tensor, slots: Slots, *factors: Any) -> tuple[Any, Slots]:
        rate, decay = factors
        square = g * g + self.epsilon_1
        means = {"velocity": square}
        if p.ndim >= 2:
            means = {"row": square.mean(-1), "column": square.mean(-2)}
        after = {name: slots[name] * decay + mean * (1 - decay) for name, mean in means.items()}
        unit = g / row("sqrt", _velocity(after))
        unit = unit / row("maximum", _size(unit) / self.clip_threshold, 1.0)
        return p - unit * (rate * row("maximum", _size(p), self.epsilon_2)), after


def _velocity(slots: Slots) -> Any:
    if "velocity" in slots:
        return slots["velocity"]
    share = slots["row"] / slots["row"].mean(-1, keepdims=True)
    return ops.expand_dims(share, -1) * ops.expand_dims(slots["column"], -2)


def _size(x: Any) -> Any:
    return row("sqrt", (x * x).mean())
