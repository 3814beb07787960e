"""Elements counted by value: bins and histograms."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from irflow import dims, dtypes, ops
from irflow.dims import Size
from irflow.errors import ConcretizationError, ShapeError, UsageError
from irflow.frontend.boundary import public
from irflow.frontend.promotion import promote_all
from irflow.frontend.tensor import Tensor, TensorLike, apply_row, as_tensor, inexact
from irflow.numpy.differences import diff
from irflow.numpy.elementwise import where
from irflow.scalars import find


@public
def bincount(
    x: TensorLike,
    weights: TensorLike | None = None,
    minlength: int = 0,
    *,
    length: Size | None = None,
) -> Tensor:
    """How often each of the numbers 0, 1, 2, … occurs.

    Args:
        x: integers, `[n]`, not negative.
        weights: `[n]`, summed in the place of ones.
        minlength: the smallest size of the result, which otherwise ends with the largest element.
        length: the size of the result; larger elements are not counted. It is needed while `x` is
            being traced.

    Raises:
        ConcretizationError: `x` is being traced, and no `length` is given.
        ShapeError: `x` is no vector, or the weights are not like it.
        UsageError: a known element is negative.
    """
    tensor = as_tensor(x)
    if tensor.ndim != 1 or not (tensor.dtype.is_integer or tensor.dtype is dtypes.bool_):
        raise ShapeError("bincount: a vector of integers", facts=[("operand", tensor.type)])
    known = tensor.concrete()
    if known is not None and known.size and known.min() < 0:
        raise UsageError("bincount: a negative element", facts=[("smallest", known.min())])
    if length is None:
        if known is None:
            raise ConcretizationError(
                "bincount: the size of the result depends on the elements",
                facts=[("operand", tensor.type)],
                hint="bincount(x, length=...) counts the elements below a known number",
            )
        length = max(minlength, int(known.max()) + 1 if known.size else 0)
    return _counted(tensor.astype("i64"), length, weights)


def _counted(places: Tensor, length: Size, weights: TensorLike | None) -> Tensor:
    if weights is None:
        amounts = places.full(1, places.shape, dtypes.i64)
    else:
        amounts = inexact(weights)
        if amounts.shape != places.shape:
            facts = [("elements", places.type), ("weights", amounts.type)]
            raise ShapeError("bincount: one weight an element", facts=facts)
    zeros = amounts.full(0, (length,))
    return cast(Tensor, ops.scatter(zeros, ops.expand_dims(places, -1), amounts))


@public
def digitize(x: TensorLike, bins: TensorLike, right: bool = False) -> Tensor:
    """The bins that elements fall into: `i` for `bins[i - 1] <= x < bins[i]`.

    Args:
        x: any shape.
        bins: edges, `[n]`, ascending, or descending when known.
        right: whether edges belong to the bin before them.

    Returns:
        `i64`, the shape of `x`.
    """
    values, edges = promote_all([as_tensor(x), as_tensor(bins)])
    side = "left" if right else "right"
    known = edges.concrete()
    if known is not None and known.size > 1 and known[0] > known[-1]:
        found = ops.search_sorted(ops.flip(edges), values, side)
        return cast(Tensor, ops.size_of(found, edges.shape[0], dtypes.i64) - found)
    return cast(Tensor, ops.search_sorted(edges, values, side))


@public
def histogram_bin_edges(
    x: TensorLike, bins: Any = 10, range: tuple[TensorLike, TensorLike] | None = None
) -> Tensor:
    """The edges of the bins that `histogram` uses, one more than there are bins."""
    if not isinstance(bins, (int, np.integer, dims.Dim)):
        return as_tensor(bins)
    if bins < 1:
        raise UsageError(f"histogram: {bins} bins")
    values = inexact(x)
    if range is None:
        is_empty = values.size == 0
        low, high = (0.0, 1.0) if is_empty else (values.min(), values.max())
    else:
        low, high = range
    first, last = (as_tensor(end).astype(values.dtype) for end in (low, high))
    is_point = apply_row(find("equal"), (first, last))
    first, last = where(is_point, first - 0.5, first), where(is_point, last + 0.5, last)
    steps = ops.iota(values, (int(bins) + 1,), 0, dtypes.i64).astype(values.dtype)
    edges = first + (last - first) * (steps / int(bins))
    return where(apply_row(find("equal"), (steps, int(bins))), last, edges)


@public
def histogram(
    x: TensorLike,
    bins: Any = 10,
    range: tuple[TensorLike, TensorLike] | None = None,
    density: bool = False,
    weights: TensorLike | None = None,
) -> tuple[Tensor, Tensor]:
    """How many elements fall into each bin, and the edges of the bins.

    Args:
        x: real numbers, any shape.
        bins: how many bins of one width, or their edges `[n + 1]`, ascending. A bin has its lower
            edge but not its upper one, the last has both.
        range: the outer edges for a number of bins; the extremes of `x` by default.
        density: divide by the number of elements and the widths, so that the area is 1.
        weights: like `x`, summed in the place of ones.

    Returns:
        `i64[n]`, or floats with weights or density; the edges, `[n + 1]`.
    """
    tensor = as_tensor(x)
    edges = histogram_bin_edges(tensor, bins, range)
    values, ordered = promote_all([tensor.reshape(-1), edges])
    count = ordered.shape[0] - 1
    places = ops.search_sorted(ordered, values, "right") - 1
    last = ops.size_of(places, count - 1, dtypes.i64)
    is_last = apply_row(find("equal"), (values, ordered[-1]))
    places = where(is_last, last, places)
    # A scatter drops positions below 0; what lies above, and NaN, go to a bin of their own.
    amounts = None if weights is None else as_tensor(weights).reshape(-1)
    total = _counted(places, count + 1, amounts)[:-1]
    if density:
        total = inexact(total) / diff(edges) / inexact(total.sum())
    return total, edges
