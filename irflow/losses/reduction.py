"""What losses share: one number a batch, or one an example; operands that fit."""

from __future__ import annotations

from typing import cast

from irflow.errors import ShapeError, UsageError
from irflow.frontend.tensor import Tensor, TensorLike, as_tensor, inexact

REDUCTIONS = ("mean", "sum", "none")


def reduced(losses: Tensor, reduction: str, counts: Tensor | None = None) -> Tensor:
    """The mean or the sum of losses, or themselves.

    Args:
        losses: `[...]`.
        reduction: one of `REDUCTIONS`.
        counts: Booleans `[...]`; a mean is over those that count, and 0 if none does.
    """
    if reduction not in REDUCTIONS:
        raise UsageError(f"reduction {reduction!r}", facts=[("known", ", ".join(REDUCTIONS))])
    if reduction == "none":
        return losses
    if reduction == "sum":
        return losses.sum()
    if counts is None:
        return losses.mean()
    number = counts.sum()
    return cast(Tensor, losses.sum() / (number + (number == 0).astype(number.dtype)))


def pair(predictions: TensorLike, targets: TensorLike) -> tuple[Tensor, Tensor]:
    """Two operands of one shape; the targets may be a single number."""
    x, t = inexact(predictions), as_tensor(targets)
    if x.shape != t.shape and t.shape:
        raise ShapeError(
            "loss: predictions and targets differ in shape",
            facts=[("predictions", x.type), ("targets", t.type)],
        )
    return x, t
