"""Which arguments all optimizers take, and what they may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from irflow.errors import UsageError, nearest

CLIPPING = ("clipnorm", "clipvalue", "global_clipnorm")
OPTIONS = (
    "learning_rate", "weight_decay", *CLIPPING, "use_ema", "ema_momentum",
    "ema_overwrite_frequency", "loss_scale_factor", "gradient_accumulation_steps", "name",
)  # fmt: skip

_FORMER = {
    "lr": "it is called learning_rate",
    "decay": "learning_rate=keras.optimizers.schedules.InverseTimeDecay(rate, 1, decay)",
}


def check_options(name: str, options: Mapping[str, Any], unknown: Mapping[str, Any]) -> None:
    """Refuse arguments that an optimizer does not have, or that do not go together.

    Args:
        name: of the optimizer.
        options: its arguments.
        unknown: arguments that it does not have.

    Raises:
        UsageError, UnknownNameError: one of them is wrong.
    """
    for argument in unknown:
        error = nearest(argument, OPTIONS, f"argument of {name}")
        error.hint = _FORMER.get(argument, error.hint)
        raise UsageError(error.summary, facts=error.facts, hint=error.hint)
    steps = options["gradient_accumulation_steps"]
    if steps and steps < 2:
        _refuse(name, "gradient_accumulation_steps", steps, "an integer of at least 2")
    if options["use_ema"]:
        _check_averages(name, options)
    clipping = [kind for kind in CLIPPING if options[kind] is not None]
    if len(clipping) > 1:
        raise UsageError(f"{name}: only one kind of clipping", facts=[("given", *clipping)])


def _check_averages(name: str, options: Mapping[str, Any]) -> None:
    momentum, frequency = options["ema_momentum"], options["ema_overwrite_frequency"]
    if not 0 <= momentum <= 1:
        _refuse(name, "ema_momentum", momentum, "between 0 and 1")
    if frequency and (not isinstance(frequency, int) or frequency < 1):
        _refuse(name, "ema_overwrite_frequency", frequency, "an integer of at least 1")


def _refuse(name: str, argument: str, value: Any, wanted: str) -> None:
    raise UsageError(f"{name}: {argument} is {value}", facts=[("wanted", wanted)])


def check_range(name: str, argument: str, value: Any, low: float, high: float) -> None:
    """Refuse a number outside of `low … high`.

    Raises:
        UsageError: it is outside, or no number.
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:
        _refuse(name, argument, value, f"from {low:g} to {high:g}")


def rate_number(rate: Any) -> float:
    """A learning rate that is no function as a number.

    Raises:
        UsageError: it is none.
    """
    try:
        return float(rate)
    except (TypeError, ValueError):
        raise UsageError(
            "learning_rate is a number, a schedule or a function without arguments",
            facts=[("given", repr(rate))],
        ) from None
