"""Adam whose weights decay."""

from __future__ import annotations

from typing import Any

from irflow.keras.optimizers.adam import Adam
from irflow.keras.optimizers.optimizer import Rate


class AdamW(Adam):
    """Adam with weight decay, which is apart from the gradient.

    Args:
        learning_rate: a number, a schedule, or a function without arguments.
        weight_decay: how fast weights decay, in units of the learning rate.
        beta_1: decay of the running mean of gradients.
        beta_2: decay of that of their squares.
        epsilon: keeps the quotient finite.
        amsgrad: whether to divide by the largest size so far.
        clipnorm, …, name: see `Optimizer`.
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
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
            beta_1,
            beta_2,
            epsilon,
            amsgrad,
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
