"""Boxes in images: how much they overlap, and the best ones of those that overlap."""

from __future__ import annotations

import math
from typing import cast

from irflow import control, dtypes, ops
from irflow.errors import ShapeError
from irflow.frontend.boundary import public
from irflow.frontend.promotion import promote_all
from irflow.frontend.tensor import Tensor, TensorLike, inexact
from irflow.nn.activations import row


@public
def box_iou(a: TensorLike, b: TensorLike) -> Tensor:
    """The area that boxes share over the area that they cover: `[..., n, 4], [..., m, 4]`.

    A box is two opposite corners, `(y, x, y, x)` or `(x, y, x, y)`. The overlap with a box without
    area is 0.

    Returns:
        `[..., n, m]`.
    """
    left, right = promote_all([inexact(a), inexact(b)])
    for boxes in (left, right):
        _check_boxes(boxes)
    return _overlap(ops.expand_dims(left, -2), ops.expand_dims(right, -3))


def _check_boxes(boxes: Tensor) -> None:
    if boxes.ndim < 2 or boxes.shape[-1] != 4:
        raise ShapeError("boxes are [..., n, 4]", facts=[("boxes", boxes.type)])


def _overlap(a: Tensor, b: Tensor) -> Tensor:
    """The overlap of boxes that broadcast to each other."""
    (low_a, high_a), (low_b, high_b) = _corners(a), _corners(b)
    sides = row("maximum", row("minimum", high_a, high_b) - row("maximum", low_a, low_b), 0)
    shared = _product(sides)
    union = _product(high_a - low_a) + _product(high_b - low_b) - shared
    is_empty = union <= 0
    return row("where", is_empty, 0.0, shared / row("where", is_empty, 1.0, union))


def _corners(boxes: Tensor) -> tuple[Tensor, Tensor]:
    first, second = ops.split(boxes, 2, -1)
    return row("minimum", first, second), row("maximum", first, second)


def _product(sides: Tensor) -> Tensor:
    return sides.prod(-1)


@public
def non_max_suppression(
    boxes: TensorLike,
    scores: TensorLike,
    max_output_size: int,
    iou_threshold: float = 0.5,
    score_threshold: float = -math.inf,
) -> tuple[Tensor, Tensor]:
    """The boxes with the highest scores, without those that overlap a better one too much.

    Args:
        boxes: `[n, 4]`, two opposite corners each.
        scores: `[n]`; of equal ones the first box wins.
        max_output_size: how many boxes are kept at most.
        iou_threshold: a box whose `box_iou` with one that was kept is above this is dropped.
        score_threshold: boxes with a score up to this, or NaN, are dropped.

    Returns:
        Positions `i64[max_output_size]` by falling score, -1 behind the last one, and how many
        there are, `i64[]`.
    """
    places, values = inexact(boxes), inexact(scores)
    _check_boxes(places)
    if places.ndim != 2 or values.shape != places.shape[:1]:
        raise ShapeError(
            "non_max_suppression: boxes [n, 4] and scores [n] are wanted",
            facts=[("boxes", places.type), ("scores", values.type)],
        )
    numbers = ops.iota(values, values.shape)

    def keep_best(alive: Tensor, _: None) -> tuple[Tensor, Tensor]:
        best = alive.argmax(0)
        is_any = alive.max(0) > -math.inf
        chosen = cast(Tensor, ops.take(places, best.reshape(1), 0))
        is_dropped = (_overlap(places, chosen) > iou_threshold) | (numbers == best)
        return row("where", is_dropped, -math.inf, alive), row("where", is_any, best, -1)

    alive = row("where", values > score_threshold, values, -math.inf)
    if places.shape[0] == 0:
        indices = values.full(-1, (max_output_size,), dtypes.i64)
    else:
        indices = control.scan(keep_best, alive, None, length=max_output_size)[1]
    return indices, (indices >= 0).sum()
