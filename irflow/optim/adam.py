"""Adam (Kingma and Ba, 2015), with decoupled weight decay (Loshchilov and Hutter, 2019) on request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from irflow import tree
from irflow.frontend.tensor import Tensor, apply_row, as_tensor
from irflow.optim.optimizer import LearningRate, Optimizer, zeros_like
from irflow.scalars import find
from irflow.tree import Tree


class AdamState(NamedTuple):
    """Step count, first and second moments."""

    step: Tensor
    mean: Tree
    square: Tree


@dataclass(frozen=True)
class Adam(Optimizer):
    """`p -= rate * sqrt(1 - beta_2^t) / (1 - beta_1^t) * m / (sqrt(v) + epsilon)`.

    As in Keras: `epsilon` stands beside the uncorrected second moment.

    Attributes:
        learning_rate: a number, a tensor or a schedule.
        beta_1, beta_2: decay of the moments.
        epsilon: keeps the quotient finite.
        weight_decay: with a value above 0, `p -= rate * weight_decay * p` besides.
    """

    learning_rate: LearningRate = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    weight_decay: float = 0.0

    def init(self, params: Tree) -> AdamState:
        return AdamState(Tensor(np.zeros((), np.int32)), zeros_like(params), zeros_like(params))

    def update(self, grads: Tree, state: AdamState, params: Tree) -> tuple[Tree, AdamState]:
        rate = self.rate(as_tensor(state.step))
        step = as_tensor(state.step) + 1
        mean = tree.map_leaves(lambda m, g: m + (g - m) * (1 - self.beta_1), state.mean, grads)
        square = tree.map_leaves(
            lambda v, g: v + (g * g - v) * (1 - self.beta_2), state.square, grads
        )
        scale = self._correction(step) * rate

        def move(p: Any, m: Any, v: Any) -> Any:
            if self.weight_decay:
                p = p - rate * self.weight_decay * p
            root = apply_row(find("sqrt"), (v,))
            return p - m * scale.astype(p.dtype) / (root + self.epsilon)

        return tree.map_leaves(move, params, mean, square), AdamState(step, mean, square)

    def _correction(self, step: Tensor) -> Tensor:
        """`sqrt(1 - beta_2^t) / (1 - beta_1^t)` as an f32 scalar."""
        t = step.astype("f32")
        power, sqrt = find("power"), find("sqrt")
        second = 1 - apply_row(power, (self.beta_2, t))
        return apply_row(sqrt, (second,)) / (1 - apply_row(power, (self.beta_1, t)))
