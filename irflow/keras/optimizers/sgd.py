"""Gradient descent, plain, with momentum, and with Nesterov's."""

from __future__ import annotations

from typing import Any

from irflow import optim
from irflow.keras.optimizers.optimizer import Optimizer, Rate
from irflow.keras.optimizers.options import check_range


class SGD(Optimizer):
    """Gradient descent; the formula is at `irflow.optim.SGD`.

    Args:
        learning_rate: a number, a schedule, or a function without arguments.
        momentum: between 0 and 1.
        nesterov: whether to look ahead along the momentum.
        weight_decay, …, name: see `Optimizer`.

    Raises:
        UsageError: an argument out of its range.
    """

    _rule_class = optim.SGD

    def __init__(
        self,
        learning_rate: Rate = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
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
        self.momentum = momentum
        self.nesterov = nesterov
        check_range("SGD", "momentum", momentum, 0, 1)
