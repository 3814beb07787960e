"""Adam's direction, with steps in proportion to the size of each weight."""

from __future__ import annotations

from typing import Any

from irflow import optim
from irflow.keras.optimizers.optimizer import Optimizer, Rate


class Lamb(Optimizer):
    """LAMB; the formula is at `irflow.optim.Lamb`.

    Args:
        learning_rate: a number, a schedule, or a function without arguments.
        beta_1: decay of the running mean of gradients.
        beta_2: decay of that of their squares.
        epsilon: keeps the quotient finite.
        weight_decay, …, name: see `Optimizer`.
    """

    _rule_class = optim.Lamb

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
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
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
