"""Stochastic gradient descent, plain, with momentum, and with Nesterov's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from irflow import tree
from irflow.frontend.tensor import Tensor, as_tensor
from irflow.optim.optimizer import LearningRate, Optimizer, first_step, zeros_like
from irflow.tree import Tree


class SgdState(NamedTuple):
    """Step count and velocities; the velocities are None without momentum."""

    step: Tensor
    velocity: Tree


@dataclass(frozen=True)
class SGD(Optimizer):
    """`v = momentum * v - rate * g`, `p += v`; with Nesterov `p += momentum * v - rate * g`.

    As in Keras: the velocity holds the learning rate of its time.

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

    def init(self, params: Tree) -> SgdState:
        return SgdState(first_step(), zeros_like(params) if self.momentum else None)

    def update(self, grads: Tree, state: SgdState, params: Tree) -> tuple[Tree, SgdState]:
        step = as_tensor(state.step)

        def slope(p: Any, g: Any) -> Any:
            return self.rate(step, as_tensor(p).dtype) * as_tensor(g)

        slopes = tree.map_leaves(slope, params, grads)
        if not self.momentum:
            moved = tree.map_leaves(lambda p, s: self.decayed(p, step) - s, params, slopes)
            return moved, SgdState(step + 1, None)
        velocity = tree.map_leaves(lambda v, s: self.momentum * v - s, state.velocity, slopes)

        def move(p: Any, v: Any, s: Any) -> Any:
            change = self.momentum * v - s if self.nesterov else v
            return self.decayed(p, step) + change

        return tree.map_leaves(move, params, velocity, slopes), SgdState(step + 1, velocity)
