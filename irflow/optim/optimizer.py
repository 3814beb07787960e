"""What all optimisers share: the state, the learning rate, weight decay, and the way over a tree.

An optimiser of its own says in `move` what happens to one parameter; what all parameters share in a
step, such as Adam's correction of the moments, it computes in `factors`, once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from irflow import dtypes, ops, session, tree
from irflow.dtypes import DType
from irflow.frontend.tensor import Tensor, as_tensor
from irflow.frontend.variable import Variable
from irflow.session import Operation
from irflow.tree import Tree

LearningRate = float | Tensor | Callable[[Tensor], Any]
"""A number, a scalar tensor, or a schedule: a function of the step count, an integer from 0 on."""

Slots = dict[str, Any]
"""Tensors by name: what an optimiser remembers of one parameter, or of all together."""


class State(NamedTuple):
    """What an optimiser remembers from step to step.

    Attributes:
        step: how many steps were taken, an i32.
        shared: what belongs to no parameter; empty for most optimisers.
        slots: the structure of the parameters, with the slots of each in the place of its leaf.
    """

    step: Tensor
    shared: Slots
    slots: Tree


class Optimizer(ABC):
    """The base of the optimisers."""

    learning_rate: LearningRate
    weight_decay: float

    # -------------------------------------------------------------------- what an optimiser defines

    def slots(self, parameter: Tensor) -> Slots:
        """The slots of a parameter before the first step."""
        return {}

    def shared(self, dtype: DType) -> Slots:
        """What belongs to no parameter, before the first step."""
        return {}

    def advanced(self, shared: Slots, count: Tensor) -> Slots:
        """What belongs to no parameter, in the step number `count`, an integer from 1 on."""
        return shared

    def factors(self, rate: Any, count: Tensor, shared: Slots) -> tuple[Any, ...]:
        """Scalars that one step needs for all parameters of an element type.

        Args:
            rate: the learning rate.
            count: the number of the step as a float, from 1 on.
            shared: from `advanced`.
        """
        return (rate,)

    @abstractmethod
    def move(self, p: Tensor, g: Tensor, slots: Slots, *factors: Any) -> tuple[Any, Slots]:
        """One step of one parameter.

        Args:
            p: the parameter, after weight decay.
            g: its gradient.
            slots: as of `slots`.
            *factors: from `factors`.

        Returns:
            The new parameter and the new slots.
        """

    # --------------------------------------------------------------------------- what they share

    def init(self, params: Tree) -> State:
        """The state before the first step, for parameters of these shapes."""
        leaves, structure = tree.flatten(params)
        tensors = [as_tensor(leaf) for leaf in leaves]
        shared = self.shared(tensors[0].dtype if tensors else dtypes.f32)
        slots = structure.unflatten([self.slots(tensor) for tensor in tensors])
        return State(Tensor(np.zeros((), np.int32)), shared, slots)

    def update(self, grads: Tree, state: State, params: Tree) -> tuple[Tree, State]:
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
        leaves, structure = tree.flatten(params)
        slopes, _ = tree.flatten(tree.map_leaves(lambda _, g: g, params, grads))
        step = as_tensor(state.step)
        shared = self.advanced(state.shared, step + 1)
        moved = self.move_all(leaves, slopes, structure.leaves_of(state.slots), step, shared)
        slots = structure.unflatten([after for _, after in moved])
        return structure.unflatten([p for p, _ in moved]), State(step + 1, shared, slots)

    def move_all(
        self,
        params: Sequence[Any],
        grads: Sequence[Any],
        slots: Sequence[Any],
        step: Tensor,
        shared: Slots,
        decays: Sequence[bool] | None = None,
    ) -> list[tuple[Any, Slots]]:
        """One step of several parameters; what they share is computed once an element type.

        Args:
            params: tensors.
            grads: those of the same shapes.
            slots: those of each.
            step: how many steps were taken before.
            shared: from `advanced`, for this step.
            decays: whether weight decay applies to each; by default to all.
        """
        factors: dict[DType, tuple[Any, ...]] = {}
        result = []
        for i, (p, g) in enumerate(zip(params, grads, strict=True)):
            tensor = as_tensor(p)
            dtype = tensor.dtype
            if dtype not in factors:
                factors[dtype] = self._factors(step, dtype, shared)
            if decays is None or decays[i]:
                tensor = self.decayed(tensor, step)
            result.append(self.move(tensor, _as(g, dtype), slots[i], *factors[dtype]))
        return result

    def _factors(self, step: Tensor, dtype: DType, shared: Slots) -> tuple[Any, ...]:
        # A power of 0.999 has no digits left in 16 bits.
        wide = dtypes.compute_dtype(dtype)
        count = _as(step + 1, wide)
        inside = {name: _as(value, wide) for name, value in shared.items()}
        found = self.factors(self.rate(step, wide), count, inside)
        return tuple(_as(factor, dtype) for factor in found)

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


def _as(value: Any, dtype: DType) -> Any:
    """A tensor in an element type; a Python number gives way by itself."""
    return value if isinstance(value, float) else ops.convert(as_tensor(value), dtype)


def filled(parameter: Tensor, value: float = 0.0) -> Tensor:
    """A slot of the shape and element type of a parameter."""
    return parameter.full(value, parameter.shape)
