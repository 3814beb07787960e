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
    references: TensorLike | None = None,
    reference_labels: TensorLike | None = None,
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
        references: `[m, features]`, what each embedding makes pairs with; by default all of them.
        reference_labels: `[m]`, those of the references; by default the labels.
        gamma: how much the worst pairs count more than others.
        margin: how far apart the two kinds of pairs are to be.
        remove_diagonal: whether an example makes no pair with the reference of its own number.
        reduction: over the examples.

    Raises:
        ShapeError: there is not one label for each embedding.
    """
    x, y = _labelled(embeddings, labels)
    others = x if references is None else references
    keys, key_labels = _labelled(others, y if reference_labels is None else reference_labels)
    distance: Any = row("maximum", 1 - x @ keys.T, 0.0)
    is_right: Any = row("equal", ops.expand_dims(y, 1), ops.expand_dims(key_labels, 0))
    is_wrong = row("logical_not", is_right)
    if remove_diagonal:
        places = ops.iota(x, distance.shape, 0), ops.iota(x, distance.shape, 1)
        is_right = row("logical_and", is_right, row("not_equal", *places))
    right = gamma * row("maximum", distance + margin, 0.0) * (distance - margin)
    wrong = gamma * row("maximum", 1 + margin - distance, 0.0) * (1 - margin - distance)
    total = _over(is_right, right) + _over(is_wrong, wrong)
    return reduced(row("softplus", total), reduction)


def _labelled(embeddings: TensorLike, labels: TensorLike) -> tuple[Tensor, Tensor]:
    x, y = inexact(embeddings), as_tensor(labels)
    if x.ndim != 2 or y.shape != x.shape[:1]:
        facts = [("embeddings", x.type), ("labels", y.type)]
        raise ShapeError("circle: one label an embedding is needed", facts=facts)
    return x, y


def _over(chosen: Tensor, logits: Any) -> Any:
    """`logsumexp` of the logits chosen in each row."""
    return cast(Tensor, ops.logsumexp(row("where", chosen, logits, -math.inf), -1))
