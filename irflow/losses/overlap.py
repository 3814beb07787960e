"""Losses of regions: how little the predicted one overlaps the true one."""

from __future__ import annotations

from typing import Any, cast

from irflow.frontend.boundary import public
from irflow.frontend.tensor import Tensor, TensorLike
from irflow.losses.reduction import pair, reduced
from irflow.losses.regression import EPSILON

Axes = int | tuple[int, ...]


@public
def dice(
    predictions: TensorLike,
    targets: TensorLike,
    axis: Axes | None = None,
    *,
    reduction: str = "mean",
) -> Tensor:
    """The mean of `1 - 2 * sum(target * prediction) / (sum(target) + sum(prediction))`.

    Source: Milletari et al., "V-Net: fully convolutional neural networks for volumetric medical
    image segmentation", 2016.

    Args:
        predictions: how much each element belongs to the region, between 0 and 1.
        targets: of the same shape, 0 or 1.
        axis: the axes of a region; all by default.
        reduction: over the regions.
    """
    x, t = _regions(predictions, targets)
    shared = (t * x).sum(axis)
    return reduced(cast(Tensor, 1 - 2 * shared / (t.sum(axis) + x.sum(axis) + EPSILON)), reduction)


@public
def tversky(
    predictions: TensorLike,
    targets: TensorLike,
    alpha: float = 0.5,
    beta: float = 0.5,
    axis: Axes | None = None,
    *,
    reduction: str = "mean",
) -> Tensor:
    """The mean of `1 - s / (s + alpha * missed + beta * extra)`; 1/2 and 1/2 make it `dice`.

    `s` is `sum(target * prediction)`, `missed` `sum(target * (1 - prediction))`, `extra`
    `sum((1 - target) * prediction)`. Source: Salehi et al., "Tversky loss function for image
    segmentation using 3D fully convolutional deep networks", 2017.

    Args:
        predictions: how much each element belongs to the region, between 0 and 1.
        targets: of the same shape, 0 or 1.
        alpha: the weight of what is missed.
        beta: the weight of what is too much.
        axis: the axes of a region; all by default.
        reduction: over the regions.
    """
    x, t = _regions(predictions, targets)
    shared = (t * x).sum(axis)
    missed, extra = ((1 - x) * t).sum(axis), (x * (1 - t)).sum(axis)
    share = shared / (shared + missed * alpha + extra * beta + EPSILON)
    return reduced(cast(Tensor, 1 - share), reduction)


def _regions(predictions: TensorLike, targets: TensorLike) -> tuple[Any, Any]:
    x, t = pair(predictions, targets)
    return x, t.astype(x.dtype)
