"""Exponentials set against their sum along axes, and their relatives."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import cast

from irflow import dims, dtypes, ops
from irflow.frontend.boundary import public
from irflow.frontend.promotion import axes_of, normalize_axis
from irflow.frontend.tensor import Tensor, TensorLike, as_tensor, inexact
from irflow.nn.activations import row
from irflow.scalars import find

Axes = int | Sequence[int] | None


def masked(x: Tensor, where: TensorLike | None) -> Tensor:
    """`x` with a finite number so low that its exponential is 0 where the mask is false."""
    if where is None:
        return x
    return row("where", as_tensor(where), x, -6e4 if x.dtype is dtypes.f16 else -3e38)


@public
def softmax(x: TensorLike, axis: Axes = -1, where: TensorLike | None = None) -> Tensor:
    """`exp(x) / sum(exp(x))` along `axis`, computed stably.

    Args:
        x: `[...]`.
        axis: one axis, several that share one sum, or None for all.
        where: Booleans that broadcast to `x`: the result is 0 where they are false, and these
            elements do not count. Where none counts, all are 0.

    Returns:
        The shape of `x`; NaN where all elements that count are `-inf`.
    """
    t = inexact(x)
    result = _along(ops.softmax, masked(t, where), axis)
    return result if where is None else row("where", as_tensor(where), result, 0.0)


@public
def log_softmax(x: TensorLike, axis: Axes = -1, where: TensorLike | None = None) -> Tensor:
    """The logarithm of `softmax`, computed stably; `-inf` where `where` is false."""
    t = inexact(x)
    result = _along(ops.log_softmax, masked(t, where), axis)
    return result if where is None else row("where", as_tensor(where), result, -math.inf)


@public
def logsumexp(
    x: TensorLike, axis: Axes = -1, keepdims: bool = False, where: TensorLike | None = None
) -> Tensor:
    """`log(sum(exp(x)))` along `axis`, computed stably; `-inf` where nothing counts.

    Args:
        x: `[...]`.
        axis: one axis, several, or None for all.
        keepdims: leave the axes in place with size 1.
        where: Booleans that broadcast to `x`: which elements count.
    """
    t = inexact(x)
    axes = axes_of(axis, t.ndim)
    counted = t if where is None else row("where", as_tensor(where), t, -math.inf)
    result = ops.logsumexp(_merged(counted, axes), -1) if axes else counted
    if not keepdims:
        return cast(Tensor, result)
    kept = [1 if i in axes else size for i, size in enumerate(t.shape)]
    return cast(Tensor, ops.reshape(result, kept))


@public
def sparsemax(x: TensorLike, axis: int = -1) -> Tensor:
    """The point nearest to `x` among those that are >= 0 and sum to 1 along `axis`.

    Like `softmax`, but with exact zeros. Source: Martins and Astudillo, "From softmax to
    sparsemax", 2016.
    """
    t = inexact(x)
    place = normalize_axis(axis, t.ndim)
    falling = -cast(Tensor, ops.sort([-t], place)[0])
    total = ops.cumulative(find("add"), falling, place)
    number = ops.convert(ops.iota(t, t.shape, place), t.dtype) + 1
    is_in = falling * number + 1 > total
    count = ops.convert(is_in, t.dtype).sum(place, keepdims=True)
    excess = (row("where", is_in, falling, 0.0).sum(place, keepdims=True) - 1) / count
    return row("relu", t - excess)


def _along(function: Callable[[Tensor, int], Tensor], x: Tensor, axis: Axes) -> Tensor:
    """A function of one axis along several, as if they were one."""
    axes = axes_of(axis, x.ndim)
    if len(axes) == 1:
        return function(x, axes[0])
    if not axes:
        return cast(Tensor, ops.reshape(function(ops.reshape(x, (*x.shape, 1)), -1), x.shape))
    order = [*(i for i in range(x.ndim) if i not in axes), *axes]
    moved = ops.transpose(x, order)
    result = ops.reshape(function(_merged(x, axes), -1), moved.shape)
    return cast(Tensor, ops.transpose(result, [order.index(i) for i in range(x.ndim)]))


def _merged(x: Tensor, axes: Sequence[int]) -> Tensor:
    """`x` with some axes as one, behind the others."""
    if list(axes) == [x.ndim - 1]:
        return x
    others = [i for i in range(x.ndim) if i not in axes]
    size = dims.product(x.shape[i] for i in axes)
    moved = ops.transpose(x, [*others, *axes])
    return cast(Tensor, ops.reshape(moved, (*(x.shape[i] for i in others), size)))
