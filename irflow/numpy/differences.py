"""Differences, slopes and areas of sampled functions; interpolation between samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from irflow import dims, dtypes, ops
from irflow.errors import ShapeError, UsageError
from irflow.frontend.boundary import public
from irflow.frontend.promotion import axes_of, normalize_axis, promote_all
from irflow.frontend.tensor import Tensor, TensorLike, apply_row, as_tensor, inexact
from irflow.numpy.elementwise import clip, where
from irflow.numpy.joining import concatenate
from irflow.numpy.manipulation import take
from irflow.scalars import find


@public
def diff(
    x: TensorLike,
    n: int = 1,
    axis: int = -1,
    prepend: TensorLike | None = None,
    append: TensorLike | None = None,
) -> Tensor:
    """The differences of neighbours along an axis, taken `n` times; of bools, whether they differ.

    Args:
        x: `[...]` with at least one axis.
        n: how often; each time the axis loses one element.
        axis: along which.
        prepend: a number or tensor to put before `x` along the axis.
        append: the same behind.
    """
    tensor = as_tensor(x)
    place = normalize_axis(axis, tensor.ndim)
    edges = [None if e is None else _edge(as_tensor(e), tensor, place) for e in (prepend, append)]
    parts = [part for part in (edges[0], tensor, edges[1]) if part is not None]
    result = concatenate(parts, place)
    row = find("not_equal" if result.dtype is dtypes.bool_ else "subtract")
    for _ in range(n):
        size = result.shape[place]
        if size == 0:
            break
        ends = [ops.slice_axis(result, place, i, size - 1 + i) for i in (1, 0)]
        result = apply_row(row, ends)
    return result


def _edge(value: Tensor, x: Tensor, axis: int) -> Tensor:
    """What `diff` puts beside `x`: a number becomes one slice."""
    if value.ndim:
        return value
    value = value.astype(x.dtype) if value.is_weak else value
    sizes = tuple(1 if i == axis else size for i, size in enumerate(x.shape))
    return cast(Tensor, ops.broadcast_to(value, sizes))


@public
def ediff1d(
    x: TensorLike, to_end: TensorLike | None = None, to_begin: TensorLike | None = None
) -> Tensor:
    """The differences of neighbours in the flattened `x`, between what is put before and after."""
    result = diff(as_tensor(x).reshape(-1))
    ends = [None if e is None else as_tensor(e).reshape(-1) for e in (to_begin, to_end)]
    parts = [part for part in (ends[0], result, ends[1]) if part is not None]
    return concatenate(parts).astype(result.dtype)


def _slices(x: Tensor, axis: int, *offsets: int) -> list[Any]:
    """For each offset the elements along `axis` from there on, all of one length."""
    length = x.shape[axis] - max(offsets)
    return [ops.slice_axis(x, axis, offset, offset + length) for offset in offsets]


def _along(x: Tensor, axis: int, rank: int) -> Tensor:
    """A vector with its elements along one axis of several."""
    return cast(Tensor, ops.reshape(x, tuple(x.shape[0] if a == axis else 1 for a in range(rank))))


@public
def gradient(
    f: TensorLike,
    *varargs: TensorLike,
    axis: int | Sequence[int] | None = None,
    edge_order: int = 1,
) -> Any:
    """The slopes of a sampled function, by differences of second order inside.

    Args:
        f: samples, at least `edge_order + 1` along each axis.
        varargs: nothing for samples at distance 1; else one distance for all axes, or one entry an
            axis: a distance, or the coordinates `[n]` of the samples.
        axis: along which axes; all by default.
        edge_order: the order of the differences at the ends, 1 or 2.

    Returns:
        One tensor like `f`, or a tuple of one an axis.

    Raises:
        UsageError: another order, another number of distances.
        ShapeError: there are too few samples.
    """
    if edge_order not in (1, 2):
        raise UsageError(f"gradient: edge_order {edge_order}, not 1 or 2")
    tensor = inexact(f)
    axes = axes_of(axis, tensor.ndim)
    steps = list(varargs) * len(axes) if len(varargs) == 1 else list(varargs) or [1] * len(axes)
    if len(steps) != len(axes):
        raise UsageError(f"gradient: {len(steps)} distances for {len(axes)} axes")
    results = [
        _slope(tensor, a, as_tensor(step), edge_order) for a, step in zip(axes, steps, strict=True)
    ]
    return results[0] if len(results) == 1 else tuple(results)


def _slope(f: Tensor, axis: int, step: Tensor, edge_order: int) -> Tensor:
    size = f.shape[axis]
    if (isinstance(size, int) or dims.are_guarded()) and size <= edge_order:
        fact = ("operand", f.type, f"axis {axis} = {size}")
        raise ShapeError(f"gradient: {edge_order + 1} samples or more are needed", facts=[fact])
    if step.ndim:
        return _uneven_slope(f, axis, diff(step), edge_order)
    low, high = _slices(f, axis, 0, 2)
    first, last = _ends(f, axis, edge_order)
    if edge_order == 1:
        ends = [first[1] - first[0], last[1] - last[0]]
    else:
        ends = [
            first[0] * -1.5 + first[1] * 2 - first[2] * 0.5,
            last[0] * 0.5 - last[1] * 2 + last[2] * 1.5,
        ]
    return cast(Tensor, concatenate([ends[0], (high - low) * 0.5, ends[1]], axis) / step)


def _ends(x: Tensor, axis: int, order: int) -> tuple[list[Any], list[Any]]:
    """The first and the last `order + 1` slices along an axis."""
    size = x.shape[axis]

    def cut(start: Any) -> Any:
        return ops.slice_axis(x, axis, start, start + 1)

    count = order + 1
    return [cut(i) for i in range(count)], [cut(size - count + i) for i in range(count)]


def _uneven_slope(f: Tensor, axis: int, steps: Tensor, edge_order: int) -> Tensor:
    """With the distances of neighbours, the quadratic through three of them is differentiated."""
    along = _along(steps.astype(f.dtype), axis, f.ndim)
    left, right = _slices(along, axis, 0, 1)
    low, middle, high = _slices(f, axis, 0, 1, 2)
    inner = (
        high * left * left + middle * (right - left) * (right + left) - low * right * right
    ) / (left * right * (left + right))
    first, last = _ends(f, axis, edge_order)
    h_first, h_last = _ends(along, axis, edge_order - 1)
    if edge_order == 1:
        ends = [(first[1] - first[0]) / h_first[0], (last[1] - last[0]) / h_last[0]]
    else:
        ends = [_quadratic_end(first, h_first), -_quadratic_end(last[::-1], h_last[::-1])]
    return concatenate([ends[0], inner, ends[1]], axis)


def _quadratic_end(f: Sequence[Any], h: Sequence[Any]) -> Any:
    """The slope at the first of three samples, of the quadratic through them."""
    near, far = h
    whole = near + far
    total = f[1] * (whole / (near * far)) - f[0] * ((near + whole) / (near * whole))
    return total - f[2] * (near / (far * whole))


@public
def trapezoid(
    y: TensorLike, x: TensorLike | None = None, dx: TensorLike = 1.0, axis: int = -1
) -> Tensor:
    """The area under samples joined by straight lines, along an axis.

    Args:
        y: samples.
        x: their coordinates, `[n]` or like `y`; otherwise they are at distance `dx`.
        dx: the distance.
        axis: along which, it is dropped.
    """
    tensor = inexact(y)
    place = normalize_axis(axis, tensor.ndim)
    low, high = _slices(tensor, place, 0, 1)
    if x is None:
        steps = as_tensor(dx)
    else:
        given = as_tensor(x)
        steps = (
            _along(diff(given), place, tensor.ndim) if given.ndim == 1 else diff(given, 1, place)
        )
    return cast(Tensor, (steps * (low + high)).sum(place) * 0.5)


@public
def interp(
    x: TensorLike,
    xp: TensorLike,
    fp: TensorLike,
    left: TensorLike | None = None,
    right: TensorLike | None = None,
) -> Tensor:
    """Values between samples joined by straight lines.

    Args:
        x: where, any shape.
        xp: coordinates of the samples, `[n]`, ascending.
        fp: the samples, `[n]`.
        left: the value before the first coordinate; the first sample by default.
        right: the value after the last one; the last sample by default.
    """
    at, places, samples = promote_all([inexact(x), inexact(xp), inexact(fp)])
    last = places.shape[0] - 1
    if isinstance(last, int) and last == 0:
        inside = cast(Tensor, ops.broadcast_to(samples, at.shape)) if at.ndim else samples[0]
    else:
        found = ops.search_sorted(places, at, "right")
        high = clip(found, 1, ops.size_of(at, last, dtypes.i64))
        x0, x1 = take(places, high - 1), take(places, high)
        y0, y1 = take(samples, high - 1), take(samples, high)
        part = (at - x0) / where(apply_row(find("equal"), (x0, x1)), 1, x1 - x0)
        inside = y0 + part * (y1 - y0)
    before = samples[0] if left is None else left
    after = samples[-1] if right is None else right
    # Ends are taken as they are; a NaN stays one.
    result = where(at < places[0], before, where(at > places[-1], after, inside))
    at_end = apply_row(find("equal"), (at, places[-1]))
    return where(at_end, samples[-1], result)
