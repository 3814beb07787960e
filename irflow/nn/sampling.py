"""Images seen at computed places: the ground of random rotations, shifts and zooms."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import reduce
from itertools import product
from typing import cast

from irflow import dtypes, ops
from irflow.dims import Size
from irflow.errors import ShapeError, UsageError
from irflow.frontend.boundary import public
from irflow.frontend.tensor import Tensor, TensorLike, as_tensor, inexact
from irflow.nn.activations import row

FILL_MODES = ("constant", "nearest", "reflect", "mirror", "wrap")


@public
def sample(
    x: TensorLike,
    places: TensorLike,
    method: str = "bilinear",
    fill_mode: str = "constant",
    fill_value: float = 0.0,
) -> Tensor:
    """Images read at places between their pixels.

    Args:
        x: `[n, *spatial, channels]`.
        places: `[n, ..., rank]`: for each result one coordinate a spatial axis, in pixels; pixel 0
            stands at 0.
        method: `"bilinear"` (linear along each axis) or `"nearest"`, halves going up.
        fill_mode: what stands outside of `a b c d`: `"constant"` the `fill_value`, `"nearest"`
            `a a | d d`, `"reflect"` `b a | d c`, `"mirror"` `c b | c b`, `"wrap"` `c d | a b`.
        fill_value: for `"constant"`.

    Returns:
        `[n, ..., channels]`. Gradients go to `x`, and for `"bilinear"` to the places.
    """
    image, at = inexact(x), inexact(places)
    rank = image.ndim - 2
    if at.ndim < 2 or at.shape[-1] != rank or at.shape[0] != image.shape[0]:
        raise ShapeError(
            "sample: one coordinate for each spatial axis is wanted",
            facts=[("x", image.type), ("places", at.type)],
        )
    if method not in ("bilinear", "nearest") or fill_mode not in FILL_MODES:
        raise UsageError(
            f"sample: method {method!r}, fill_mode {fill_mode!r}",
            facts=[("methods", "bilinear, nearest"), ("fill modes", ", ".join(FILL_MODES))],
        )
    wide = at.astype(dtypes.promote_types([at.dtype, dtypes.f32]))
    axes = [ops.reshape(part, part.shape[:-1]) for part in ops.split(wide, [1] * rank, -1)]
    fill = fill_value if fill_mode == "constant" else None
    if method == "nearest":
        corner = [ops.convert(row("floor", a + 0.5), dtypes.i64) for a in axes]
        return _corner(image, corner, fill_mode, fill)
    lows = [row("floor", ops.stop_gradient(a)) for a in axes]
    parts = []
    for ends in product((0, 1), repeat=rank):
        weight = _weight(axes, lows, ends)
        corner = [ops.convert(low, dtypes.i64) + e for low, e in zip(lows, ends, strict=True)]
        parts.append(_corner(image, corner, fill_mode, fill) * ops.expand_dims(weight, -1))
    return cast(Tensor, ops.convert(sum(parts[1:], parts[0]), image.dtype))


def _weight(axes: Sequence[Tensor], lows: Sequence[Tensor], ends: Sequence[int]) -> Tensor:
    factors = [
        a - low if end else 1 - (a - low) for a, low, end in zip(axes, lows, ends, strict=True)
    ]
    return cast(Tensor, reduce(operator.mul, factors))


def _corner(x: Tensor, corner: Sequence[Tensor], mode: str, fill: float | None) -> Tensor:
    """The pixels at whole places."""
    batch = ops.iota(corner[0], corner[0].shape, 0)
    sizes = x.shape[1:-1]
    inside = [_moved(place, size, mode) for place, size in zip(corner, sizes, strict=True)]
    found = cast(Tensor, ops.gather(x, ops.stack([batch, *inside], -1)))
    if fill is None:
        return found
    tests = [
        (place >= 0) & (place < ops.size_of(place, size, dtypes.i64))
        for place, size in zip(corner, sizes, strict=True)
    ]
    is_inside = reduce(operator.and_, tests)
    return row("where", ops.expand_dims(is_inside, -1), found, fill)


def _moved(place: Tensor, size: Size, mode: str) -> Tensor:
    """Whole places outside of an axis as the place inside that stands for them."""
    if mode in ("constant", "nearest"):
        return place  # `gather` reads the nearest
    length = ops.size_of(place, size, dtypes.i64)
    if mode == "wrap":
        return cast(Tensor, place % length)
    period = 2 * length if mode == "reflect" else row("maximum", 2 * length - 2, 1)
    turned = place % period
    last = 2 * length - 1 if mode == "reflect" else period
    return row("where", turned < length, turned, last - turned)


@public
def affine_transform(
    x: TensorLike,
    transforms: TensorLike,
    method: str = "bilinear",
    fill_mode: str = "constant",
    fill_value: float = 0.0,
) -> Tensor:
    """Images under projective maps of the plane, which say where each new pixel is taken from.

    Args:
        x: `[n, height, width, channels]`.
        transforms: `[n, 8]` or `[8]`, rows `a0 a1 a2 b0 b1 b2 c0 c1`: the new pixel in column `u`
            and line `v` is taken from column `(a0 u + a1 v + a2) / k` and line
            `(b0 u + b1 v + b2) / k` with `k = c0 u + c1 v + 1`.
        method: as of `sample`.
        fill_mode: as of `sample`.
        fill_value: as of `sample`.

    Returns:
        The shape of `x`.
    """
    image, given = inexact(x), inexact(transforms)
    if image.ndim != 4 or given.shape not in ((8,), (image.shape[0], 8)):
        raise ShapeError(
            "affine_transform: images [n, height, width, channels] and 8 numbers each are wanted",
            facts=[("x", image.type), ("transforms", given.type)],
        )
    batch, height, width, _ = image.shape
    numbers = ops.broadcast_to(given, (batch, 8)).astype(
        dtypes.promote_types([given.dtype, dtypes.f32])
    )
    a0, a1, a2, b0, b1, b2, c0, c1 = (
        ops.reshape(part, (batch, 1, 1)) for part in ops.split(numbers, 8, 1)
    )
    v, u = (
        ops.convert(ops.iota(as_tensor(numbers), (1, height, width), axis), numbers.dtype)
        for axis in (1, 2)
    )
    depth = c0 * u + c1 * v + 1
    columns, lines = (a0 * u + a1 * v + a2) / depth, (b0 * u + b1 * v + b2) / depth
    return sample(image, ops.stack([lines, columns], -1), method, fill_mode, fill_value)
