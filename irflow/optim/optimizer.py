"""What all optimisers share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from irflow import session, tree
from irflow.dtypes import DType
from irflow.frontend.tensor import Tensor, as_tensor
from irflow.frontend.variable import Variable
from irflow.session import Operation
from irflow.tree import Tree

LearningRate = float | Tensor | Callable[[Tensor], Any]
"""A number, a scalar tensor, or a schedule: a function of the step count, an i32 from 0 on."""


class Optimizer(ABC):
    """The base of the optimisers."""

    learning_rate: LearningRate
    weight_decay: float

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

    def minimize(self, loss: Tensor, var_list: Sequence[Variable] | None = None) -> Operation:
        """An operation of an explicit graph that takes one step; see `irflow.session.minimize`.

        Args:
            loss: a symbolic float scalar.
            var_list: the variables to change; by default the trainable ones that the loss depends
                on.

        Raises:
            GradientError: the loss is no float scalar, or does not depend on what is to change.
        """
        return session.minimize(self, loss, var_list)

    def rate(self, step: Tensor, dtype: DType) -> Any:
        """The learning rate at a step, for parameters of an element type."""
        value = self.learning_rate(step) if callable(self.learning_rate) else self.learning_rate
        return value if isinstance(value, float) else as_tensor(value).astype(dtype)

    def decayed(self, parameter: Any, step: Tensor) -> Any:
        """A parameter after weight decay, which comes before the step proper."""
        if not self.weight_decay:
            return parameter
        rate = self.rate(step, as_tensor(parameter).dtype)
        return parameter - parameter * self.weight_decay * rate


def first_step() -> Tensor:
    """The step count before the first step."""
    return Tensor(np.zeros((), np.int32))


def zeros_like(params: Tree) -> Tree:
    """Zeros in the structure, shapes and element types of `params`."""

    def zero(leaf: Any) -> Tensor:
        tensor = as_tensor(leaf)
        return tensor.full(0.0, tensor.shape)

    return tree.map_leaves(zero, params)
