"""Follow the regularised leader, for models with many zeros."""

from __future__ import annotations

import math
from typing import Any

from irflow import optim
from irflow.keras.optimizers.optimizer import Optimizer, Rate
from irflow.keras.optimizers.options import check_range


class Ftrl(Optimizer):
    """FTRL-Proximal; the formula is at `irflow.optim.Ftrl`.

    Args:
        learning_rate: a number, a schedule, or a function without arguments.
        learning_rate_power: at most 0; how fast steps shrink.
        initial_accumulator_value: what the sum of squares begins with.
        l1_regularization_strength: pulls weights to exactly 0.
        l2_regularization_strength: pulls weights towards 0.
        l2_shrinkage_regularization_strength: acts on the gradient.
        beta: the paper's `beta`.
        weight_decay, …, name: see `Optimizer`.

    Raises:
        UsageError: an argument out of its range.
    """

    _rule_class = optim.Ftrl

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            learning_rate,
            weight_decay,
            clipnorm,
            clipvalue,
            global_clipnorm,
            use_ema,
            ema_momentum,
            ema_overwrite_frequency,
            loss_scale_factor,
            gradient_accumulation_steps,
            name,
            **kwargs,
        )
        self.learning_rate_power = learning_rate_power
        self.initial_accumulator_value = initial_accumulator_value
        self.l1_regularization_strength = l1_regularization_strength
        self.l2_regularization_strength = l2_regularization_strength
        self.l2_shrinkage_regularization_strength = l2_shrinkage_regularization_strength
        self.beta = beta
        check_range("Ftrl", "learning_rate_power", learning_rate_power, -math.inf, 0)
        for argument in (
            "initial_accumulator_value",
            "l1_regularization_strength",
            "l2_regularization_strength",
            "l2_shrinkage_regularization_strength",
        ):
            check_range("Ftrl", argument, getattr(self, argument), 0, math.inf)
