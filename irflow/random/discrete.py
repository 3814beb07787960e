"""Integers, Booleans, classes, orders and choices."""

from __future__ import annotations

from typing import Any, cast

from irflow import dims, dtypes, ops
from irflow.dims import Size
from irflow.dtypes import DTypeLike
from irflow.errors import ShapeError, UsageError
from irflow.frontend.boundary import public
from irflow.frontend.promotion import normalize_axis
from irflow.frontend.tensor import Tensor, TensorLike, as_tensor, inexact
from irflow.ops import distributions
from irflow.random.continuous import gumbel, row, uniform
from irflow.random.keys import bits, checked, draw, shape_of
from irflow.scalars import find


@public
def bernoulli(key: TensorLike, p: TensorLike = 0.5, shape: Any = ()) -> Tensor:
    """Booleans that are true with probability `p`: a number, or a tensor of the shape drawn."""
    if isinstance(p, (int, float)):
        return cast(Tensor, distributions.bernoulli(bits(key, shape), float(p)))
    tensor = as_tensor(p).astype("f32")
    wanted = shape_of(shape) or tensor.shape
    return cast(
        Tensor, distributions.bernoulli(bits(key, wanted), ops.broadcast_to(tensor, wanted))
    )


@public
def randint(
    key: TensorLike, low: int, high: int, shape: Any = (), dtype: DTypeLike = dtypes.i64
) -> Tensor:
    """Integers in `[low, high)`."""
    target = dtypes.as_dtype(dtype)
    return cast(Tensor, distributions.randint(draw(key, shape, target), low, high, target))


@public
def categorical(key: TensorLike, logits: TensorLike, axis: int = -1, shape: Any = None) -> Tensor:
    """Class numbers, each with a probability proportional to the exponential of its logit.

    Args:
        key: a random key.
        logits: `[..., classes]`; `-inf` for a class that never comes.
        axis: that of the classes.
        shape: of the result; it ends in the shape of `logits` without `axis`, which is the default.

    Returns:
        `i64` class numbers: where logit plus `gumbel` noise is largest.
    """
    x = inexact(logits)
    moved = ops.moveaxis(x, normalize_axis(axis, x.ndim), -1)
    wanted = moved.shape[:-1] if shape is None else shape_of(shape)
    whole = (*wanted, moved.shape[-1])
    noise = gumbel(key, whole, dtypes.compute_dtype(x.dtype))
    return cast(Tensor, ops.broadcast_to(moved, whole) + noise).argmax(-1)


@public
def permutation(
    key: TensorLike, x: TensorLike, axis: int = 0, *, independent: bool = False
) -> Tensor:
    """The slices of `x` along `axis` in random order.

    Each gets 64 random bits, by which they are sorted; equal bits, which would favour one order,
    come up with probability `n²/2**65`.

    Args:
        key: a random key.
        x: a tensor, or a size `n` for the numbers `0 … n-1`.
        axis: along which to permute.
        independent: another order for each row along the axis.
    """
    if isinstance(x, (int, dims.Dim)):
        return _order(key, (x,), 0)
    t = as_tensor(x)
    if not t.ndim:
        raise ShapeError("permutation: a scalar tensor has no axis; give a Python int for a size")
    place = normalize_axis(axis, t.ndim)
    if independent:
        return cast(Tensor, ops.take_along_axis(t, _order(key, t.shape, place), place))
    return cast(Tensor, ops.take(t, _order(key, (t.shape[place],), 0), place))


def _order(key: TensorLike, shape: tuple[Size, ...], axis: int) -> Tensor:
    words = bits(key, (2, *shape)).astype("u64")
    return cast(Tensor, ops.argsort((words[0] << 32) | words[1], axis))


@public
def shuffle(key: TensorLike, x: TensorLike, axis: int = 0) -> Tensor:
    """The slices of `x` along `axis` in random order; `x` stays as it is."""
    return permutation(key, as_tensor(x), axis)


@public
def choice(
    key: TensorLike,
    a: TensorLike,
    shape: Any = (),
    replace: bool = True,
    p: TensorLike | None = None,
    axis: int = 0,
) -> Tensor:
    """Elements drawn from `a`.

    Args:
        key: a random key.
        a: a tensor, or a size `n` for the numbers `0 … n-1`.
        shape: how many.
        replace: whether one element may be drawn several times.
        p: `[n]`, probabilities, or weights that are proportional to them; equal by default.
        axis: of `a`, from which slices are drawn.

    Returns:
        `shape`, in place of `axis`.

    Raises:
        UsageError: nothing to draw from, or fewer elements than are drawn without replacement.
    """
    is_range = isinstance(a, (int, dims.Dim))
    source = None if is_range else as_tensor(a)
    place = 0 if source is None else normalize_axis(axis, source.ndim)
    size: Size = cast(Size, a) if source is None else source.shape[place]
    wanted = shape_of(shape)
    count = dims.product(wanted)
    is_known = (isinstance(size, int) and isinstance(count, int)) or dims.are_guarded()
    if is_known and count > 0 and size < (1 if replace else count):
        raise UsageError(f"choice: {count} of {size} elements")
    places = _places(checked(key), size, count, replace, p).reshape(wanted)
    return places if source is None else cast(Tensor, ops.take(source, places, place))


def _places(key: Tensor, size: Size, count: Size, replace: bool, p: TensorLike | None) -> Tensor:
    """Which elements are drawn: `i64[count]`."""
    if p is None:
        if not replace:
            return _order(key, (size,), 0)[:count]
        if isinstance(size, int) or dims.are_guarded():
            return randint(key, 0, int(size), (count,))  # of symbols other draws are made
        return _rounded_down(uniform(key, (count,), "f64"), size)
    weights = inexact(p)
    if weights.shape != (size,):
        raise ShapeError("choice: one probability an element", facts=[("p", weights.type)])
    if not replace:
        noisy = row("log", weights) + gumbel(key, (size,), dtypes.compute_dtype(weights.dtype))
        return cast(Tensor, ops.argsort(-noisy, 0))[:count]
    sums = ops.cumulative(find("add"), weights.astype(dtypes.f64), 0)
    drawn = uniform(key, (count,), "f64") * sums[-1]
    found = cast(Tensor, ops.search_sorted(sums, drawn, "right"))
    return row("minimum", found, ops.size_of(found, size, dtypes.i64) - 1)


def _rounded_down(u: Tensor, size: Size) -> Tensor:
    number = cast(Tensor, u * ops.size_of(u, size, u.dtype)).astype("i64")
    return row("minimum", number, ops.size_of(number, size, dtypes.i64) - 1)
