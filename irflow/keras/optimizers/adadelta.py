"""Steps whose size follows from that of earlier steps."""

from __future__ import annotations

from typing import Any

from irflow import optim
from irflow.keras.optimizers.optimizer import Optimizer, Rate


class Adadelta(Optimizer):
    """Adadelta; the formula is at `irflow.optim.Adadelta`.

    Args:
        learning_rate: a number, a schedule, or a function without arguments.
        rho: decay of the running means.
        epsilon: lets the first steps begin.
        weight_decay, …, name: see `Optimizer`.
    """

    _rule_class = optim.Adadelta

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        rho: float = 0.95,
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
        self.rho = rho
        self.epsilon = epsilon
