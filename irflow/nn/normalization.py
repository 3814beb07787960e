"""Normalisation: over the batch, features, groups of channels or spatial axes; vectors of length 1.

16-bit floats are computed in f32 and rounded at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from irflow import dtypes, ops
from irflow.errors import ShapeError, UsageError
from irflow.frontend.boundary import public
from irflow.frontend.promotion import axes_of, normalize_axis
from irflow.frontend.tensor import Tensor, TensorLike, as_tensor, inexact
from irflow.nn.activations import row

Axes = int | Sequence[int]


@public
def moments(
    x: TensorLike,
    axis: Axes | None = None,
    keepdims: bool = False,
    where: TensorLike | None = None,
) -> tuple[Tensor, Tensor]:
    """The mean and the variance (divided by the number of elements) along `axis`.

    Args:
        x: `[...]`; the results of 16-bit floats are f32.
        axis: one, several, or all by default.
        keepdims: leave the axes in place with size 1.
        where: Booleans or weights that broadcast to `x`: how much each element counts. Where
            nothing counts, both results are 0.
    """
    wide = _wide(inexact(x))
    axes = axes_of(axis, wide.ndim)
    if where is None:
        mean = wide.mean(axes, keepdims=True)
        deviation = cast(Tensor, wide - mean)
        variance = (deviation * deviation).mean(axes, keepdims=True)
    else:
        mean, variance = _weighted(wide, axes, as_tensor(where))
    if keepdims:
        return mean, variance
    rest = [size for i, size in enumerate(wide.shape) if i not in axes]
    return mean.reshape(rest), variance.reshape(rest)


def _weighted(x: Tensor, axes: tuple[int, ...], where: Tensor) -> tuple[Tensor, Tensor]:
    weights = cast(Tensor, ops.broadcast_to(where.astype(x.dtype), x.shape))
    total = weights.sum(axes, keepdims=True)
    share = weights / row("where", total > 0, total, 1.0)
    mean = cast(Tensor, share * x).sum(axes, keepdims=True)
    deviation = x - mean
    return mean, cast(Tensor, share * deviation * deviation).sum(axes, keepdims=True)


@public
def batch_norm(
    x: TensorLike,
    mean: TensorLike | None = None,
    variance: TensorLike | None = None,
    scale: TensorLike | None = None,
    offset: TensorLike | None = None,
    *,
    axis: int = -1,
    epsilon: float = 1e-5,
) -> Tensor:
    """`(x - mean) / sqrt(variance + epsilon) * scale + offset`, channel by channel.

    Training takes the moments of the batch, and moves running ones towards them:

        mean, variance = nn.moments(x, (0, 1, 2))
        y = nn.batch_norm(x, mean, variance, scale, offset)
        running = momentum * running + (1 - momentum) * mean

    Args:
        x: `[n, *spatial, channels]`, or `[n, channels]`.
        mean: `[channels]`; that of `x` itself by default.
        variance: `[channels]`; that of `x` itself by default.
        scale: `[channels]`; none by default.
        offset: `[channels]`; none by default.
        axis: that of the channels.
        epsilon: added to the variance.
    """
    t = inexact(x)
    place = normalize_axis(axis, t.ndim)
    if (mean is None) != (variance is None):
        raise UsageError("batch_norm: a mean comes with a variance")
    if mean is None or variance is None:
        mean, variance = moments(t, [i for i in range(t.ndim) if i != place])
    centre, spread, *affine = (
        None if v is None else _along_axis(as_tensor(v), t, place)
        for v in (mean, variance, scale, offset)
    )
    assert spread is not None
    inverse = row("rsqrt", _wide(spread) + epsilon)
    return _affine((_wide(t) - centre) * inverse, t, *affine)


def _along_axis(v: Tensor, x: Tensor, axis: int) -> Tensor:
    """A vector of channels, so that it broadcasts along their axis."""
    if v.ndim != 1:
        raise ShapeError("one number a channel is wanted", facts=[("x", x.type), ("got", v.type)])
    return v.reshape(v.shape[0], *(1,) * (x.ndim - 1 - axis))


@public
def layer_norm(
    x: TensorLike,
    scale: TensorLike | None = None,
    offset: TensorLike | None = None,
    *,
    axis: Axes = -1,
    epsilon: float = 1e-5,
) -> Tensor:
    """`(x - mean) / sqrt(variance + epsilon) * scale + offset` along `axis`.

    The quotient of 16-bit floats is computed in f32.
    """
    t = inexact(x)
    return _affine(_normal(_wide(t), axis, epsilon), t, scale, offset)


@public
def rms_norm(
    x: TensorLike, scale: TensorLike | None = None, *, axis: Axes = -1, epsilon: float = 1e-6
) -> Tensor:
    """`x / sqrt(mean(x²) + epsilon) * scale` along `axis`; as `layer_norm` for 16-bit floats."""
    t = inexact(x)
    wide = _wide(t)
    mean = cast(Tensor, wide * wide).mean(axis, keepdims=True)
    return _affine(wide * row("rsqrt", mean + epsilon), t, scale, None)


@public
def group_norm(
    x: TensorLike,
    groups: int,
    scale: TensorLike | None = None,
    offset: TensorLike | None = None,
    *,
    axis: int = -1,
    epsilon: float = 1e-5,
) -> Tensor:
    """Each example's channels cut into groups, and each group normalised with its spatial axes.

    Args:
        x: `[n, *spatial, channels]`.
        groups: how many; it divides the number of channels.
        scale: `[channels]`; none by default.
        offset: `[channels]`; none by default.
        axis: that of the channels.
        epsilon: added to the variance.

    Raises:
        ShapeError: the groups do not divide the channels.
    """
    t = inexact(x)
    place = normalize_axis(axis, t.ndim)
    channels = t.shape[place]
    if isinstance(channels, int) and (groups < 1 or channels % groups):
        raise ShapeError(
            f"group_norm: {groups} groups of {channels} channels", facts=[("x", t.type)]
        )
    parted = (*t.shape[:place], groups, channels // groups, *t.shape[place + 1 :])
    axes = [i for i in range(1, t.ndim + 1) if i != place]
    normal = _normal(_wide(t).reshape(parted), axes, epsilon).reshape(t.shape)
    affine = (None if v is None else _along_axis(as_tensor(v), t, place) for v in (scale, offset))
    return _affine(normal, t, *affine)


@public
def instance_norm(
    x: TensorLike,
    scale: TensorLike | None = None,
    offset: TensorLike | None = None,
    *,
    epsilon: float = 1e-5,
) -> Tensor:
    """Each channel of each example of `[n, *spatial, channels]` normalised by itself."""
    t = inexact(x)
    return _affine(_normal(_wide(t), range(1, t.ndim - 1), epsilon), t, scale, offset)


@public
def standardize(
    x: TensorLike,
    axis: Axes = -1,
    where: TensorLike | None = None,
    *,
    epsilon: float = 1e-5,
) -> Tensor:
    """`(x - mean) / sqrt(variance + epsilon)` along `axis`, by the elements that count.

    Args:
        x: `[...]`.
        axis: one or several.
        where: Booleans that broadcast to `x`; false elements have no part in mean and variance.
        epsilon: added to the variance.
    """
    t = inexact(x)
    mean, variance = moments(t, axis, keepdims=True, where=where)
    return _affine((_wide(t) - mean) * row("rsqrt", variance + epsilon), t, None, None)


@public
def normalize(
    x: TensorLike, axis: Axes | None = -1, order: float = 2, epsilon: float = 1e-12
) -> Tensor:
    """`x` divided by its `order`-norm along `axis`, or by `epsilon` where that is larger."""
    t = inexact(x)
    wide = _wide(t)
    if order == 2:
        return l2_normalize(t, axis, epsilon * epsilon)
    size = cast(Tensor, abs(wide))
    norm = (
        size.max(axis, keepdims=True)
        if order == float("inf")
        else (size**order).sum(axis, keepdims=True) ** (1 / order)
    )
    return _affine(wide / row("maximum", norm, epsilon), t, None, None)


@public
def l2_normalize(x: TensorLike, axis: Axes | None = -1, epsilon: float = 1e-12) -> Tensor:
    """`x / sqrt(max(sum(x²), epsilon))` along `axis`; zeros stay, with a finite gradient."""
    t = inexact(x)
    wide = _wide(t)
    total = cast(Tensor, wide * wide).sum(axis, keepdims=True)
    return _affine(wide * row("rsqrt", row("maximum", total, epsilon)), t, None, None)


def _normal(wide: Tensor, axis: Axes, epsilon: float) -> Tensor:
    axes = axis if isinstance(axis, int) else tuple(axis)
    centred = wide - wide.mean(axes, keepdims=True)
    variance = (centred * centred).mean(axes, keepdims=True)
    return cast(Tensor, centred * row("rsqrt", variance + epsilon))


def _wide(x: Tensor) -> Tensor:
    return cast(Tensor, ops.convert(x, dtypes.compute_dtype(x.dtype)))


def _affine(
    normal: Any, like: Tensor, scale: TensorLike | None, offset: TensorLike | None
) -> Tensor:
    result = ops.convert(normal, like.dtype)
    result = result if scale is None else result * scale
    return cast(Tensor, result if offset is None else result + offset)
