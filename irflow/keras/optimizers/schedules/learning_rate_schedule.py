"""Learning rates that depend on the step, under Keras's names."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Self

from irflow.optim import schedules


class LearningRateSchedule:
    """The base of the schedules: a call gives the learning rate of a step.

    One of your own defines `__call__(step)`, with the tensor operations of `irflow.numpy`, and
    `get_config` if it is to be saved.
    """

    def __call__(self, step: Any) -> Any:
        """The learning rate.

        Args:
            step: how many steps were taken, a number or an integer scalar.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no __call__")

    def get_config(self) -> dict[str, Any]:
        """The arguments of the schedule, as JSON knows them."""
        raise NotImplementedError(f"{type(self).__name__} defines no get_config")

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The schedule with the arguments that `get_config` gave."""
        return cls(**config)


class _Formula(LearningRateSchedule):
    """A schedule of `irflow.optim.schedules`, with a name."""

    def __init__(self, rule: Any, name: str) -> None:
        self._rule = rule
        self._arguments = {f.name: getattr(rule, f.name) for f in dataclasses.fields(rule)}
        self.name = name
        for argument, value in self._arguments.items():
            setattr(self, argument, value)

    def __call__(self, step: Any) -> Any:
        return self._rule(step)

    def get_config(self) -> dict[str, Any]:
        listed = {k: list(v) if isinstance(v, tuple) else v for k, v in self._arguments.items()}
        return {**listed, "name": self.name}


class ExponentialDecay(_Formula):
    """`initial_learning_rate * decay_rate^(step / decay_steps)`.

    Args:
        initial_learning_rate: the rate at the start.
        decay_steps: above 0.
        decay_rate: what the rate is multiplied by in so many steps.
        staircase: whether the exponent is rounded down.
        name: of the schedule.

    Raises:
        UsageError: `decay_steps` is not above 0.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "ExponentialDecay",
    ) -> None:
        rule = schedules.ExponentialDecay(initial_learning_rate, decay_steps, decay_rate, staircase)
        super().__init__(rule, name)


class PiecewiseConstantDecay(_Formula):
    """`values[i]` for the steps after `boundaries[i - 1]`, up to and with `boundaries[i]`.

    Args:
        boundaries: step counts, rising.
        values: one more.
        name: of the schedule.

    Raises:
        UsageError: there is not one value more than boundaries.
    """

    def __init__(
        self,
        boundaries: Sequence[float],
        values: Sequence[float],
        name: str = "PiecewiseConstant",
    ) -> None:
        rule = schedules.PiecewiseConstantDecay(tuple(boundaries), tuple(values))
        super().__init__(rule, name)


class PolynomialDecay(_Formula):
    """From `initial_learning_rate` to `end_learning_rate` along a power of the steps left.

    Args:
        initial_learning_rate: the rate at the start.
        decay_steps: when the end is reached; above 0.
        end_learning_rate: the rate from then on.
        power: 1 is a straight line.
        cycle: whether `decay_steps` is doubled, tripled, … when it is reached.
        name: of the schedule.

    Raises:
        UsageError: `decay_steps` is not above 0.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ) -> None:
        rule = schedules.PolynomialDecay(
            initial_learning_rate, decay_steps, end_learning_rate, power, cycle
        )
        super().__init__(rule, name)


class InverseTimeDecay(_Formula):
    """`initial_learning_rate / (1 + decay_rate * step / decay_steps)`.

    Args:
        initial_learning_rate: the rate at the start.
        decay_steps: above 0.
        decay_rate: how much the divisor grows in so many steps.
        staircase: whether the quotient of the steps is rounded down.
        name: of the schedule.

    Raises:
        UsageError: `decay_steps` is not above 0.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "InverseTimeDecay",
    ) -> None:
        rule = schedules.InverseTimeDecay(initial_learning_rate, decay_steps, decay_rate, staircase)
        super().__init__(rule, name)


class CosineDecay(_Formula):
    """Half a period of a cosine from the initial rate, or the warmup's target, down to its end.

    Args:
        initial_learning_rate: the rate at the start.
        decay_steps: how long it falls; above 0.
        alpha: the end, as a share of where it began to fall.
        name: of the schedule.
        warmup_target: what the rate rises to first, evenly; None for no warmup.
        warmup_steps: how long it rises.

    Raises:
        UsageError: `decay_steps` is not above 0.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: float = 0,
    ) -> None:
        rule = schedules.CosineDecay(
            initial_learning_rate, decay_steps, alpha, warmup_target, warmup_steps
        )
        super().__init__(rule, name)


class CosineDecayRestarts(_Formula):
    """Half a period of a cosine again and again.

    Args:
        initial_learning_rate: the rate at the start.
        first_decay_steps: the length of the first period; above 0.
        t_mul: how much longer each period is than the one before.
        m_mul: how much higher it begins.
        alpha: the end of a period, as a share of the initial rate.
        name: of the schedule.

    Raises:
        UsageError: `first_decay_steps` is not above 0.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: float,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
    ) -> None:
        rule = schedules.CosineDecayRestarts(
            initial_learning_rate, first_decay_steps, t_mul, m_mul, alpha
        )
        super().__init__(rule, name)
