"""From losses of the samples to one number: weights, masks, sums and means, as in Keras."""

from __future__ import annotations

from typing import Any

from irflow import dims, ops
from irflow.errors import nearest
from irflow.frontend.promotion import broadcast_shapes
from irflow.frontend.tensor import Tensor, as_tensor
from irflow.keras.losses.operands import of_one_rank
from irflow.nn.activations import row

REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none")


def standardize_reduction(reduction: str | None) -> str | None:
    """The `reduction` of a loss, if there is such a one; None stands for `"none"`.

    Raises:
        UnknownNameError: there is not.
    """
    if reduction is not None and reduction not in REDUCTIONS:
        raise nearest(str(reduction), REDUCTIONS, "reduction")
    return reduction


def quotient(total: Any, count: Any) -> Tensor:
    """`total / count`, and 0 where the count is 0."""
    is_empty = row("equal", count, 0)
    result: Tensor = row("where", is_empty, 0.0, total / row("where", is_empty, 1.0, count))
    return result


def apply_mask(sample_weight: Any, mask: Any, dtype: Any, reduction: str | None) -> Any:
    """Weights that are 0 where the mask is; None if there are neither.

    For a mean over all samples the others are scaled up, so that it becomes one over those that
    count.
    """
    if mask is None:
        return sample_weight
    counts = as_tensor(mask).astype(dtype)
    if reduction in ("mean", "sum_over_batch_size"):
        total = ops.size_of(counts, dims.product(counts.shape), counts.dtype)
        counts = counts * quotient(total, counts.sum())
    if sample_weight is None:
        return counts
    counts, weights = of_one_rank(counts, as_tensor(sample_weight).astype(dtype))
    return weights * _to_rank(counts, weights)


def _to_rank(x: Tensor, like: Tensor) -> Tensor:
    return x if x.ndim >= like.ndim else x.reshape(*x.shape, *[1] * (like.ndim - x.ndim))


def weighted(values: Tensor, sample_weight: Any) -> tuple[Tensor, Any]:
    """Values times their weights, and the weights.

    Weights with fewer axes than the values are those of the first axes.

    Raises:
        ShapeError: the weights do not broadcast to the values.
    """
    if sample_weight is None:
        return values, None
    values, weights = of_one_rank(values, as_tensor(sample_weight).astype(values.dtype))
    weights = _to_rank(weights, values) if weights.ndim else weights
    broadcast_shapes("sample_weight", [values.type, weights.type])
    return values * weights, weights


def reduce_weighted_values(
    values: Any,
    sample_weight: Any = None,
    mask: Any = None,
    reduction: str | None = "sum_over_batch_size",
) -> Tensor:
    """One number for the losses of the samples.

    Args:
        values: `[n, ...]`.
        sample_weight: broadcasts to the values, but for a last axis of size 1.
        mask: Booleans; where it is false a value does not count.
        reduction: one of `REDUCTIONS`; without one the weighted values stay as they are.
    """
    tensor = as_tensor(values)
    weights = apply_mask(sample_weight, mask, tensor.dtype, reduction)
    tensor, weights = weighted(tensor, weights)
    if reduction in (None, "none") or not tensor.ndim:
        return tensor
    total: Any = tensor.sum()
    if reduction == "sum":
        return total  # type: ignore[no-any-return]
    if reduction == "mean_with_sample_weight" and weights is not None:
        return quotient(total, weights.sum())
    count = ops.size_of(tensor, dims.product(tensor.shape), tensor.dtype)
    return total / row("maximum", count, 1.0)  # type: ignore[no-any-return]
