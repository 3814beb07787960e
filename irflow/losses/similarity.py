"""Losses of embeddings: those of one class are to lie together, others apart."""

from __future__ import annotations

import math
from typing import Any, cast

from irflow import ops
from irflow.errors import ShapeError
from irflow.frontend.boundary import public
from irflow.frontend.tensor import Tensor, TensorLike, as_tensor, inexact
from irflow.losses.reduction import reduced
from irflow.nn.activations import row


@public
def circle(
    embeddings: TensorLike,
    labels: TensorLike,
    *,
    gamma: float = 80.0,
    margin: float = 0.4,
    remove_diagonal: bool = True,
    reduction: str = "mean",
) -> Tensor:
    """The mean of `softplus(logsumexp(wrong pairs) + logsumexp(right pairs))`.

    With `d` the cosine distance of a pair, right pairs have the logits
    `gamma * (d + margin) * (d - margin)`, wrong ones `gamma * (1 + margin - d) * (1 - margin - d)`,
    whose first factor is at least 0. An example without a right or a wrong pair gives 0.

    Source: Sun et al., "Circle loss: a unified perspective of pair similarity optimization", 2020.

    Args:
        embeddings: `[n, features]`, of norm 1.
        labels: `[n]` class numbers.
        gamma: how much the worst pairs count more than others.
        margin: how far apart the two kinds of pairs are to be.
        remove_diagonal: whether an example makes no pair with itself.
        reduction: over the examples.

    Raises:
        ShapeError: there is not one label for each embedding.
    """
    x, y = inexact(embeddings), as_tensor(labels)
    if x.ndim != 2 or y.shape != x.shape[:1]:
        facts = [("embeddings", x.type), ("labels", y.type)]
        raise ShapeError("circle: one label an embedding is needed", facts=facts)
    distance: Any = row("maximum", 1 - x @ x.T, 0.0)
    column = ops.expand_dims(y, 1)
    is_right: Any = row("equal", column, ops.expand_dims(y, 0))
    is_wrong = row("logical_not", is_right)
    if remove_diagonal:
        places = ops.iota(x, distance.shape, 0), ops.iota(x, distance.shape, 1)
        is_right = row("logical_and", is_right, row("not_equal", *places))
    right = gamma * row("maximum", distance + margin, 0.0) * (distance - margin)
    wrong = gamma * row("maximum", 1 + margin - distance, 0.0) * (1 - margin - distance)
    total = _over(is_right, right) + _over(is_wrong, wrong)
    return reduced(row("softplus", total), reduction)


def _over(chosen: Tensor, logits: Any) -> Any:
    """`logsumexp` of the logits chosen in each row."""
    return cast(Tensor, ops.logsumexp(row("where", chosen, logits, -math.inf), -1))
