"""Second moments of matrices kept as one row and one column."""

from __future__ import annotations

from typing import Any

from irflow import optim
from irflow.keras.optimizers.optimizer import Optimizer, Rate


class Adafactor(Optimizer):
    """Adafactor; the formula is at `irflow.optim.Adafactor`.

    Args:
        learning_rate: a number, a schedule, or a function without arguments.
        beta_2_decay: at most 0; how the memory of squares grows.
        epsilon_1: is added to squares.
        epsilon_2: the least size of a weight, for the scale of its steps.
        clip_threshold: bounds the size of steps.
        relative_step: is kept for Keras's sake: the rate is at most `1 / sqrt(t)` either way.
        weight_decay, …, name: see `Optimizer`.

    Raises:
        UsageError: an argument out of its range.
    """

    _rule_class = optim.Adafactor

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_2_decay: float = -0.8,
        epsilon_1: float = 1e-30,
        epsilon_2: float = 1e-3,
        clip_threshold: float = 1.0,
        relative_step: bool = True,
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
        self.beta_2_decay = beta_2_decay
        self.epsilon_1 = epsilon_1
        self.epsilon_2 = epsilon_2
        self.clip_threshold = clip_threshold
        self.relative_step = relative_step

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "relative_step": self.relative_step}
