"""What all optimisers share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from irflow import tree
from irflow.frontend.tensor import Tensor, as_tensor
from irflow.tree import Tree

LearningRate = float | Tensor | Callable[[Tensor], Any]
"""A number, a scalar tensor, or a schedule: a function of the step count (an i32 scalar, 0 at first)."""


class Optimizer(ABC):
    """The base of the optimisers."""

    learning_rate: LearningRate

    @abstractmethod
    def init(self, params: Tree) -> Any:
        """The state before the first step, for parameters of these shapes."""

    @abstractmethod
    def update(self, grads: Tree, state: Any, params: Tree) -> tuple[Tree, Any]:
        """One step.

        Args:
            grads: the gradient of the loss, in the structure of `params`.
            state: from `init` or the last `update`.
            params: the parameters.

        Returns:
            The new parameters and the new state.

        Raises:
            TreeError: the structures of `grads` and `params` differ.
        """

    def rate(self, step: Tensor) -> Any:
        """The learning rate at a step."""
        return self.learning_rate(step) if callable(self.learning_rate) else self.learning_rate


def zeros_like(params: Tree) -> Tree:
    """Zeros in the structure, shapes and element types of `params`."""

    def zero(leaf: Any) -> Tensor:
        tensor = as_tensor(leaf)
        return tensor.full(0.0, tensor.shape)

    return tree.map_leaves(zero, params)
