"""Adam (Kingma and Ba, 2015), with weight decay (Loshchilov and Hutter, 2019) on request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from irflow import tree
from irflow.frontend.tensor import Tensor, apply_row, as_tensor
from irflow.optim.optimizer import LearningRate, Optimizer, first_step, zeros_like
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
        weight_decay: with a value above 0, `p -= rate * weight_decay * p` first.
    """

    learning_rate: LearningRate = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    weight_decay: float = 0.0

    def init(self, params: Tree) -> AdamState:
        return AdamState(first_step(), zeros_like(params), zeros_like(params))

    def update(self, grads: Tree, state: AdamState, params: Tree) -> tuple[Tree, AdamState]:
        step = as_tensor(state.step)
        following = step + 1
        mean = tree.map_leaves(lambda m, g: m + (g - m) * (1 - self.beta_1), state.mean, grads)
        square = tree.map_leaves(
            lambda v, g: v + (g * g - v) * (1 - self.beta_2), state.square, grads
        )
        scales: dict[Any, Tensor] = {}  # one for each element type, as all leaves share it

        def move(p: Any, m: Any, v: Any) -> Any:
            dtype = as_tensor(p).dtype
            if dtype not in scales:
                scales[dtype] = self.rate(step, dtype) * self._correction(following.astype(dtype))
            root = apply_row(find("sqrt"), (v,))
            return self.decayed(p, step) - m * scales[dtype] / (root + self.epsilon)

        return tree.map_leaves(move, params, mean, square), AdamState(following, mean, square)

    def _correction(self, t: Tensor) -> Tensor:
        """`sqrt(1 - beta_2^t) / (1 - beta_1^t)` in the element type of `t`."""
        power, sqrt = find("power"), find("sqrt")
        second = 1 - apply_row(power, (self.beta_2, t))
        return cast(Tensor, apply_row(sqrt, (second,)) / (1 - apply_row(power, (self.beta_1, t))))
