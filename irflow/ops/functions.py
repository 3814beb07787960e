"""Composites over the constructors of ops: ordinary functions of any `GraphOperand`.

They serve gradient rules, layers and the array namespace alike. Axes may be negative here. Sizes
may be symbolic everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from irflow import dims, dtypes
from irflow.dims import Size
from irflow.dtypes import DType
from irflow.errors import AxisError, ShapeError
from irflow.ops.broadcast import broadcast, expand, reduce, reduce_sum, reshape
from irflow.ops.concatenation import concatenate
from irflow.ops.constants import Iota, SizeOf
from irflow.ops.elementwise import convert
from irflow.ops.index_map import replaced
from irflow.ops.indexing import gather
from irflow.ops.operand import GraphOperand
from irflow.ops.regions import stop_gradient
from irflow.ops.shape import reverse, slice_axis, transpose
from irflow.scalars import find

Axes = int | Sequence[int] | None


def normalize_axis(axis: int, rank: int) -> int:
    """An axis counted from 0; AxisError when there is none of that number."""
    if not -rank <= axis < rank:
        raise AxisError(int(axis), rank)
    return axis % rank


def normalize_axes(axes: Axes, rank: int) -> tuple[int, ...]:
    """Ascending axes counted from 0; None means all of them."""
    if axes is None:
        return tuple(range(rank))
    given = [axes] if isinstance(axes, int) else axes
    result = sorted(normalize_axis(axis, rank) for axis in given)
    if len(set(result)) != len(result):
        raise ShapeError(f"axes {tuple(given)} name one axis twice")
    return tuple(result)


# ----------------------------------------------------------------------------------------- filling


def full_like(x: GraphOperand, value: Any, dtype: DType | None = None) -> Any:
    """One value in the shape, and the dtype unless another is given, of `x`."""
    return x.full(value, x.shape, dtype)


def zeros_like(x: GraphOperand, dtype: DType | None = None) -> Any:
    """Zeros in the shape of `x`."""
    return full_like(x, 0, dtype)


def ones_like(x: GraphOperand, dtype: DType | None = None) -> Any:
    """Ones in the shape of `x`."""
    return full_like(x, 1, dtype)


def iota(
    like: GraphOperand, shape: Sequence[Size], axis: int = 0, dtype: DType = dtypes.i64
) -> Any:
    """The index along `axis`, in the shape given; `like` only says where to compute it."""
    op = Iota(tuple(shape), normalize_axis(axis, len(shape)), dtype)
    return like.emit(op, [])[0]


def size_of(like: GraphOperand, size: Size, dtype: DType) -> Any:
    """A size as a scalar of `dtype`: a constant, or the value of a symbolic size at run time."""
    if isinstance(size, int):
        return like.full(size, (), dtype)
    return convert(like.emit(SizeOf(size), [])[0], dtype)


def where(condition: GraphOperand, x: Any, y: Any) -> Any:
    """`x` where the condition holds, else `y`: operands of its shape, or one a number."""
    return find("where")(condition, x, y)


# --------------------------------------------------------------------------------- moving elements


def moveaxis(x: GraphOperand, source: int, destination: int) -> Any:
    """One axis at another place, the others in their order."""
    perm = [axis for axis in range(x.ndim) if axis != normalize_axis(source, x.ndim)]
    perm.insert(normalize_axis(destination, x.ndim), normalize_axis(source, x.ndim))
    return transpose(x, perm)


def expand_dims(x: GraphOperand, axis: int) -> Any:
    """A new axis of size 1 at `axis` of the result."""
    place = normalize_axis(axis, x.ndim + 1)
    return reshape(x, (*x.shape[:place], 1, *x.shape[place:]))


def flip(x: GraphOperand, axes: Axes = None) -> Any:
    """The opposite order along `axes`."""
    return reverse(x, normalize_axes(axes, x.ndim))


def split(x: GraphOperand, parts: int | Sequence[Size], axis: int = 0) -> list[Any]:
    """`x` cut along `axis` into equal parts, or into parts of the sizes given.

    Raises:
        ShapeError: the parts do not divide the size, or do not sum to it.
    """
    axis = normalize_axis(axis, x.ndim)
    size = x.shape[axis]
    sizes = [size // parts] * parts if isinstance(parts, int) else list(parts)
    if not dims.decide_equal(sum(sizes, 0), size):
        raise ShapeError(
            "split: the parts do not make up the operand",
            facts=[("operand", x.type, f"axis {axis} = {size}"), ("parts", tuple(sizes))],
        )
    ends = [sum(sizes[: i + 1], 0) for i in range(len(sizes))]
    return [slice_axis(x, axis, end - part, end) for end, part in zip(ends, sizes, strict=True)]


def stack(xs: Sequence[GraphOperand], axis: int = 0) -> Any:
    """Operands of equal shape joined along a new axis."""
    return concatenate([expand_dims(x, axis) for x in xs], normalize_axis(axis, xs[0].ndim + 1))


def tile(x: GraphOperand, counts: Sequence[Size]) -> Any:
    """All of `x` repeated `counts[i]` times along axis `i`: `[a, b]` becomes `[a, b, a, b]`."""
    return _repeated(x, counts, before=True)


def repeat(x: GraphOperand, count: Size, axis: int) -> Any:
    """Each element repeated along an axis: `[a, b]` becomes `[a, a, b, b]`."""
    counts = replaced((1,) * x.ndim, normalize_axis(axis, x.ndim), count)
    return _repeated(x, counts, before=False)


def _repeated(x: GraphOperand, counts: Sequence[Size], before: bool) -> Any:
    wide: list[Size] = []
    kept: list[int] = []
    for count, size in zip(counts, x.shape, strict=True):
        pair = [size] if count == 1 else [count, size] if before else [size, count]
        kept.append(len(wide) + (before and count != 1))
        wide += pair
    shape = [count * size for count, size in zip(counts, x.shape, strict=True)]
    return reshape(broadcast(x, wide, kept), shape)


# ---------------------------------------------------------------------------------------- indexing


def take(x: GraphOperand, indices: GraphOperand, axis: int = 0) -> Any:
    """The slices of `x` at `indices` along `axis`: shape `x[:axis] + indices + x[axis+1:]`.

    Negative indices count from the end; what is outside even so is clipped.
    """
    axis = normalize_axis(axis, x.ndim)
    wrapped = wrap_indices(indices, x.shape[axis])
    rows = gather(moveaxis(x, axis, 0), expand_dims(wrapped, -1))
    rank = indices.ndim
    front = range(rank, rank + axis)
    return transpose(rows, [*front, *range(rank), *range(rank + axis, rows.ndim)])


def take_along_axis(x: GraphOperand, indices: GraphOperand, axis: int) -> Any:
    """`result[i…, j, k…] = x[i…, indices[i…, j, k…], k…]`; negative indices count from the end.

    `indices` has the shape of `x`, but for the size along `axis`.
    """
    axis = normalize_axis(axis, x.ndim)
    if indices.ndim != x.ndim:
        raise ShapeError(
            "take_along_axis: ranks differ",
            facts=[("operand", x.type), ("indices", indices.type)],
        )
    places = [iota(x, indices.shape, a) for a in range(x.ndim)]
    places[axis] = wrap_indices(indices, x.shape[axis])
    return gather(x, stack(places, -1))


def wrap_indices(indices: GraphOperand, size: Size) -> Any:
    """Indices as `i64`, negative ones counted from the end of an axis of `size`."""
    wide = convert(indices, dtypes.i64)
    if indices.dtype.kind == "uint":
        return wide
    length = broadcast(size_of(wide, size, dtypes.i64), wide.shape, ())
    return where(wide < 0, wide + length, wide)


def one_hot(indices: GraphOperand, depth: Size, dtype: DType = dtypes.f32) -> Any:
    """1 at the index and 0 elsewhere along a new last axis; all 0 for an index outside."""
    return convert(is_index(indices, depth), dtype)


def is_index(indices: GraphOperand, depth: Size) -> Any:
    """A new last axis that is true at the index: the condition behind `one_hot`."""
    shape = (*indices.shape, depth)
    wide = expand(convert(indices, dtypes.i64), shape, [len(shape) - 1])
    return find("equal")(wide, iota(indices, shape, -1))


# -------------------------------------------------------------------------------------- statistics


def mean(x: GraphOperand, axes: Axes = None) -> Any:
    """The mean along `axes`, which are dropped. Integers give f32; 16-bit sums are in f32."""
    reduced = normalize_axes(axes, x.ndim)
    result_dtype = dtypes.to_inexact(x.dtype)
    wide = convert(x, dtypes.compute_dtype(result_dtype))
    total = reduce_sum(wide, reduced)
    count = size_of(total, dims.product(x.shape[axis] for axis in reduced), total.dtype)
    return convert(total / broadcast(count, total.shape, ()), result_dtype)


def variance(x: GraphOperand, axes: Axes = None, correction: int = 0) -> Any:
    """The mean squared deviation along `axes`, which are dropped; `correction=1` is unbiased."""
    reduced = normalize_axes(axes, x.ndim)
    result_dtype = dtypes.to_inexact(x.dtype)
    wide = convert(x, dtypes.compute_dtype(result_dtype))
    deviation = wide - expand(mean(wide, reduced), wide.shape, reduced)
    total = reduce_sum(deviation * deviation, reduced)
    count = dims.product(x.shape[axis] for axis in reduced) - correction
    divisor = broadcast(size_of(total, count, total.dtype), total.shape, ())
    return convert(total / divisor, result_dtype)


# ----------------------------------------------------------------------------------------- softmax
# 16-bit floats are computed in f32 here and rounded at the end.


def logsumexp(x: GraphOperand, axis: int = -1) -> Any:
    """`log(sum(exp(x)))` along `axis`, which is dropped; no exponential overflows.

    Where all elements are `-inf` the result is `-inf` and the gradient 0.
    """
    axis = normalize_axis(axis, x.ndim)
    wide, top = _with_top(x, axis)
    total = reduce_sum(_exp_below(wide, top, axis), [axis])
    is_empty = find("equal")(total, 0)
    # Without the inner choice, the gradient of log(0) would be NaN in rows without any mass.
    result = find("log")(where(is_empty, 1, total)) + top
    return convert(where(is_empty, -np.inf, result), x.dtype)


def softmax(x: GraphOperand, axis: int = -1) -> Any:
    """`exp(x) / sum(exp(x))` along `axis`; NaN where all elements are `-inf`."""
    axis = normalize_axis(axis, x.ndim)
    wide, top = _with_top(x, axis)
    powers = _exp_below(wide, top, axis)
    total = reduce_sum(powers, [axis])
    # One division a row; the sum is 1 at least, so that its reciprocal loses nothing.
    return convert(powers * expand(1 / total, wide.shape, [axis]), x.dtype)


def log_softmax(x: GraphOperand, axis: int = -1) -> Any:
    """`x - logsumexp(x)` along `axis`, without cancellation."""
    axis = normalize_axis(axis, x.ndim)
    wide, top = _with_top(x, axis)
    below = wide - expand(top, wide.shape, [axis])
    total = reduce_sum(find("exp")(below), [axis])
    return convert(below - expand(find("log")(total), wide.shape, [axis]), x.dtype)


def cross_entropy(logits: GraphOperand, labels: GraphOperand) -> Any:
    """`-log_softmax(logits)[..., labels]`, one number an example.

    Args:
        logits: `[..., C]`, of float type.
        labels: `[...]`, integers in `0 … C-1`; one outside counts as the largest logit.
    """
    axis = logits.ndim - 1
    wide, top = _with_top(logits, axis)
    below = wide - expand(top, wide.shape, [axis])
    total = reduce_sum(find("exp")(below), [axis])
    # A masked sum fuses with the rest, where a gather and the scatter of its gradient would not.
    picked = reduce_sum(where(is_index(labels, logits.shape[-1]), below, 0), [axis])
    return convert(find("log")(total) - picked, logits.dtype)


def _with_top(x: GraphOperand, axis: int) -> tuple[Any, Any]:
    """`x` in the type to compute in, and its maximum along `axis`; 0 where that is not finite."""
    wide = convert(x, dtypes.compute_dtype(dtypes.to_inexact(x.dtype)))
    top = reduce(find("maximum"), wide, [axis])
    # The results do not depend on what is subtracted, so no derivative passes through it.
    return wide, stop_gradient(where(find("isfinite")(top), top, 0))


def _exp_below(x: Any, top: Any, axis: int) -> Any:
    return find("exp")(x - expand(top, x.shape, [axis]))
