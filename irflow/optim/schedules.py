"""Learning rates that depend on the step: functions of the step count, for `learning_rate`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from irflow import dtypes
from irflow.errors import UsageError
from irflow.frontend.tensor import Tensor, TensorLike, as_tensor
from irflow.nn.activations import row
from irflow.records import dataclass


def _count(step: TensorLike) -> Any:
    """The step as a float: f64 stays, all else is f32."""
    tensor = as_tensor(step)
    return tensor if tensor.dtype is dtypes.f64 else tensor.astype(dtypes.f32)


def _check_steps(name: str, value: float) -> None:
    if value <= 0:
        raise UsageError(f"{name} must be above 0", facts=[("given", value)])


@dataclass(frozen=True)
class ExponentialDecay:
    """`initial * decay_rate^(step / decay_steps)`; a `staircase` rounds the exponent down."""

    initial_learning_rate: float
    decay_steps: float
    decay_rate: float
    staircase: bool = False

    def __post_init__(self) -> None:
        _check_steps("decay_steps", self.decay_steps)

    def __call__(self, step: TensorLike) -> Tensor:
        exponent = _periods(step, self.decay_steps, self.staircase)
        result: Tensor = self.initial_learning_rate * row("power", self.decay_rate, exponent)
        return result


@dataclass(frozen=True)
class InverseTimeDecay:
    """`initial / (1 + decay_rate * step / decay_steps)`; a `staircase` rounds the quotient down."""

    initial_learning_rate: float
    decay_steps: float
    decay_rate: float
    staircase: bool = False

    def __post_init__(self) -> None:
        _check_steps("decay_steps", self.decay_steps)

    def __call__(self, step: TensorLike) -> Tensor:
        periods: Any = _periods(step, self.decay_steps, self.staircase)
        result: Tensor = self.initial_learning_rate / (1 + self.decay_rate * periods)
        return result


def _periods(step: TensorLike, length: float, whole: bool) -> Tensor:
    quotient: Tensor = _count(step) / length
    return row("floor", quotient) if whole else quotient


@dataclass(frozen=True)
class PiecewiseConstantDecay:
    """`values[i]` for the steps after `boundaries[i - 1]`, up to and with `boundaries[i]`.

    Raises:
        UsageError: there is not one value more than boundaries.
    """

    boundaries: Sequence[float]
    values: Sequence[float]

    def __post_init__(self) -> None:
        if len(self.boundaries) != len(self.values) - 1:
            raise UsageError(
                "a piecewise constant rate has one value more than boundaries",
                facts=[("boundaries", len(self.boundaries)), ("values", len(self.values))],
            )

    def __call__(self, step: TensorLike) -> Tensor:
        count = as_tensor(step)
        dtype = dtypes.f64 if count.dtype is dtypes.f64 else dtypes.f32
        result: Any = as_tensor(self.values[-1]).astype(dtype)
        pieces = list(zip(self.boundaries, self.values, strict=False))
        for boundary, value in reversed(pieces):
            result = row("where", row("less_equal", count, _like(boundary, count)), value, result)
        return result  # type: ignore[no-any-return]


def _like(boundary: float, count: Tensor) -> float:
    """A boundary in the count's own kind, as of Keras: a fraction of a step is dropped."""
    return boundary if count.dtype.is_float else int(boundary)


@dataclass(frozen=True)
class PolynomialDecay:
    """`(initial - end) * (1 - step / decay_steps)^power + end`, and `end` from there on.

    With `cycle`, `decay_steps` is doubled, tripled, … so often that it is not exceeded.
    """

    initial_learning_rate: float
    decay_steps: float
    end_learning_rate: float = 0.0001
    power: float = 1.0
    cycle: bool = False

    def __post_init__(self) -> None:
        _check_steps("decay_steps", self.decay_steps)

    def __call__(self, step: TensorLike) -> Tensor:
        count = _count(step)
        if self.cycle:
            share = count / (self.decay_steps * _cycles(count / self.decay_steps))
        else:
            share = row("minimum", count, float(self.decay_steps)) / self.decay_steps
        left = 1 - share if self.power == 1 else row("power", 1 - share, self.power)
        result: Tensor = (
            self.initial_learning_rate - self.end_learning_rate
        ) * left + self.end_learning_rate
        return result


def _cycles(quotient: Tensor) -> Tensor:
    """How many lengths reach as far as the step: 1 at the start."""
    return row("maximum", row("ceil", quotient), 1.0)


@dataclass(frozen=True)
class CosineDecay:
    """Half a period of a cosine from `initial` down to `alpha` times it, and constant from there.

    With `warmup_target`, the rate first rises evenly from `initial` to the target during
    `warmup_steps`, and falls from the target then.

    Source: Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017.
    """

    initial_learning_rate: float
    decay_steps: float
    alpha: float = 0.0
    warmup_target: float | None = None
    warmup_steps: float = 0

    def __post_init__(self) -> None:
        _check_steps("decay_steps", self.decay_steps)

    def __call__(self, step: TensorLike) -> Tensor:
        count = _count(step)
        target, length = self.warmup_target, float(self.warmup_steps)
        if target is None:
            return self._falling(count, self.initial_learning_rate)
        falling = self._falling(count - length, target)
        if not length:
            return falling
        rising = count / length * (target - self.initial_learning_rate) + self.initial_learning_rate
        return row("where", row("less", count, length), rising, falling)

    def _falling(self, count: Any, top: float) -> Tensor:
        share: Any = row("minimum", count, float(self.decay_steps)) / self.decay_steps
        wave = 0.5 * (1 + row("cos", math.pi * share))
        result: Tensor = top * ((1 - self.alpha) * wave + self.alpha)
        return result


@dataclass(frozen=True)
class CosineDecayRestarts:
    """`CosineDecay` that begins anew when it has come to its end.

    Each period is `t_mul` times as long as the last one, and begins at `m_mul` times its height.
    Source: as of `CosineDecay`.
    """

    initial_learning_rate: float
    first_decay_steps: float
    t_mul: float = 2.0
    m_mul: float = 1.0
    alpha: float = 0.0

    def __post_init__(self) -> None:
        _check_steps("first_decay_steps", self.first_decay_steps)

    def __call__(self, step: TensorLike) -> Tensor:
        restart, share = self._period(_count(step) / self.first_decay_steps)
        height = row("power", self.m_mul, restart)
        wave: Any = 0.5 * height * (1 + row("cos", math.pi * share))
        result: Tensor = self.initial_learning_rate * ((1 - self.alpha) * wave + self.alpha)
        return result

    def _period(self, lengths: Any) -> tuple[Tensor, Any]:
        """The number of the period, and how much of it is over, for a time in first periods."""
        if self.t_mul == 1:
            restart: Any = row("floor", lengths)
            return restart, lengths - restart
        grown = 1 - lengths * (1 - self.t_mul)
        restart = row("floor", row("log", grown) / math.log(self.t_mul))
        power: Any = row("power", self.t_mul, restart)
        return restart, (lengths - (1 - power) / (1 - self.t_mul)) / power
