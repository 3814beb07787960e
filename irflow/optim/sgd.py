"""Stochastic gradient descent, plain, with momentum, and with Nesterov's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from irflow import tree
from irflow.frontend.tensor import Tensor, as_tensor
from irflow.optim.optimizer import LearningRate, Optimizer, zeros_like
from irflow.tree import Tree


class SgdState(NamedTuple):
    """Step count and velocities; the velocities are None without momentum."""

    step: Tensor
    velocity: Tree


@dataclass(frozen=True)
class SGD(Optimizer):
    """`v = momentum * v - rate * g`, `p = p + v`; with Nesterov `p = p + momentum * v - rate * g`.

    As in Keras: the velocity holds the learning rate of its time.

    Attributes:
        learning_rate: a number, a tensor or a schedule.
        momentum: between 0 and 1.
        nesterov: whether to look ahead along the velocity.
        weight_decay: adds `weight_decay * p` to the gradient.
    """

    learning_rate: LearningRate = 0.01
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    def init(self, params: Tree) -> SgdState:
        velocity = zeros_like(params) if self.momentum else None
        return SgdState(Tensor(np.zeros((), np.int32)), velocity)

    def update(self, grads: Tree, state: SgdState, params: Tree) -> tuple[Tree, SgdState]:
        rate = self.rate(as_tensor(state.step))
        if self.weight_decay:
            grads = tree.map_leaves(lambda g, p: g + self.weight_decay * p, grads, params)
        step = state.step + 1
        if not self.momentum:
            return tree.map_leaves(lambda p, g: p - rate * g, params, grads), SgdState(step, None)
        velocity = tree.map_leaves(lambda v, g: self.momentum * v - rate * g, state.velocity, grads)

        def move(p: Any, v: Any, g: Any) -> Any:
            return p + self.momentum * v - rate * g if self.nesterov else p + v

        return tree.map_leaves(move, params, velocity, grads), SgdState(step, velocity)
