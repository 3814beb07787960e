"""Mistakes that are often made with layers, told before they show as something else."""

from __future__ import annotations

from typing import Any

from irflow.errors import UsageError


def check_begun(layer: Any) -> None:
    """Whether `Layer.__init__` has run.

    Raises:
        UsageError: a class of the user's has not called it.
    """
    if "_inbound_nodes" not in vars(layer):
        raise UsageError(
            f"{type(layer).__name__}.__init__ has not called super().__init__()",
            hint="call it first, before layers and weights become attributes",
        )


def check_argument(layer: Any, value: Any) -> None:
    """Whether a layer is called on data, and not on another layer.

    Raises:
        UsageError: it is called on a layer.
    """
    if hasattr(type(value), "add_weight"):
        raise UsageError(
            f'layer "{layer.name}" is called on layer "{value.name}", not on a tensor',
            hint="call both, one on the result of the other, or put them into a Sequential",
        )
