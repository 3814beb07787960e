"""A scale of the loss that keeps gradients of 16-bit floats from vanishing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from irflow import control
from irflow.errors import UsageError
from irflow.frontend.tensor import as_tensor
from irflow.frontend.variable import Variable
from irflow.keras.optimizers.optimizer import Optimizer
from irflow.keras.optimizers.slots import state_variable
from irflow.keras.saving import registry
from irflow.nn.activations import row


class LossScaleOptimizer(Optimizer):
    """Another optimizer, with a scale of the loss that is found while training.

    `scale_loss` multiplies the loss by it, `apply` divides the gradients by it. Where a gradient is
    not finite the step is left out and the scale halved; after `dynamic_growth_steps` finite steps
    it is doubled.

    Args:
        inner_optimizer: takes the steps.
        initial_scale: the scale at the start.
        dynamic_growth_steps: so many finite steps double it.
        name: by default that of the class.
        **kwargs: none; what all optimizers take is an argument of the inner one.

    Raises:
        UsageError: another argument.
    """

    def __init__(
        self,
        inner_optimizer: Optimizer,
        initial_scale: float = 2.0**15,
        dynamic_growth_steps: int = 2000,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        for argument, value in kwargs.items():
            raise UsageError(
                f"LossScaleOptimizer: {argument} is an argument of the inner optimizer",
                facts=[("given", value)],
            )
        super().__init__(0.0, name=name)
        self.inner_optimizer = inner_optimizer
        self.initial_scale = initial_scale
        self.dynamic_growth_steps = dynamic_growth_steps
        self.step_counter = state_variable(np.int64(0), f"{self.name}/step_counter")
        scale = np.float32(initial_scale)
        self.dynamic_scale = state_variable(scale, f"{self.name}/dynamic_scale")
        inner_optimizer.loss_scale_factor = None

    @classmethod
    def around(cls, optimizer: Optimizer) -> LossScaleOptimizer:
        """The optimizer with a scale; itself if it has one."""
        if isinstance(optimizer, cls):
            return optimizer
        return cls(optimizer, name="loss_scale_optimizer")

    def build(self, variables: Sequence[Variable]) -> None:
        self.inner_optimizer.build(variables)
        super().build(variables)

    @property
    def variables(self) -> list[Variable]:
        return [*super().variables, *self.inner_optimizer.variables]

    @property
    def iterations(self) -> Any:
        return self.inner_optimizer.iterations

    @property
    def learning_rate(self) -> Any:
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate: Any) -> None:
        self.inner_optimizer.learning_rate = learning_rate

    def scale_loss(self, loss: Any) -> Any:
        return loss * self.dynamic_scale.value

    def apply(
        self, grads: Sequence[Any], trainable_variables: Sequence[Variable] | None = None
    ) -> None:
        if not len(grads):
            return
        variables = self._known(trainable_variables)
        slopes = [None if grad is None else as_tensor(grad) for grad in grads]
        are_finite = [row("isfinite", grad).min() for grad in slopes if grad is not None]
        is_finite: Any = True
        for each in are_finite:
            is_finite = each & is_finite
        scale = self.dynamic_scale.value

        def move() -> None:
            inner = [None if grad is None else grad / scale for grad in slopes]
            self.inner_optimizer.apply(inner, variables)
            count = self.step_counter.value + 1
            is_due = count == self.dynamic_growth_steps
            self.step_counter.assign(row("where", is_due, 0, count))
            self.dynamic_scale.assign(row("where", is_due, scale * 2.0, scale))

        def leave_out() -> None:
            self.step_counter.assign(0)
            self.dynamic_scale.assign(scale * 0.5)

        control.cond(is_finite, move, leave_out)

    def finalize_variable_values(self, var_list: Sequence[Variable]) -> None:
        self.inner_optimizer.finalize_variable_values(var_list)

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "inner_optimizer": registry.serialize_keras_object(self.inner_optimizer),
            "initial_scale": self.initial_scale,
            "dynamic_growth_steps": self.dynamic_growth_steps,
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> Self:
        config = dict(config)
        inner = config.pop("inner_optimizer")
        if isinstance(inner, dict):
            inner = registry.deserialize_keras_object(inner, custom_objects)
        return cls(inner, **config)
