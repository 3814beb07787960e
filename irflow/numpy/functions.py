"""NumPy's elementwise functions that are made of others."""

from __future__ import annotations

import math
from typing import cast

from irflow import ops
from irflow.errors import DTypeError
from irflow.frontend.boundary import public
from irflow.frontend.promotion import broadcast_shapes, promote_all
from irflow.frontend.tensor import Tensor, TensorLike, apply, apply_row, as_tensor, inexact
from irflow.numpy.elementwise import where
from irflow.ops.region_parts import new_region, returning
from irflow.scalars import find

__all__ = [
    "bitwise_count",
    "deg2rad",
    "degrees",
    "divmod",
    "fabs",
    "fix",
    "fmax",
    "fmin",
    "frexp",
    "gcd",
    "heaviside",
    "lcm",
    "ldexp",
    "logaddexp2",
    "modf",
    "rad2deg",
    "radians",
    "sinc",
    "spacing",
    "unwrap",
]


@public
def deg2rad(x: TensorLike) -> Tensor:
    """Degrees as radians."""
    return cast(Tensor, inexact(x) * (math.pi / 180))


@public
def rad2deg(x: TensorLike) -> Tensor:
    """Radians as degrees."""
    return cast(Tensor, inexact(x) * (180 / math.pi))


radians, degrees = deg2rad, rad2deg


@public
def sinc(x: TensorLike) -> Tensor:
    """`sin(pi x) / (pi x)`, 1 at 0; the gradient there is 0."""
    tensor = inexact(x)
    is_zero = apply_row(find("equal"), (tensor, 0))
    angle = where(is_zero, 1, tensor) * math.pi
    return where(is_zero, 1, apply_row(find("sin"), (angle,)) / angle)


@public
def heaviside(x: TensorLike, value: TensorLike) -> Tensor:
    """0 below 0, 1 above, `value` at 0, NaN for NaN."""
    a, b = promote_all([inexact(x), inexact(value)])
    step = where(a > 0, 1, where(a < 0, 0, b))
    return where(apply_row(find("isnan"), (a,)), a, step)


@public
def fix(x: TensorLike) -> Tensor:
    """Rounded towards 0; integers stay as they are."""
    tensor = as_tensor(x)
    return apply_row(find("trunc"), (tensor,)) if tensor.dtype.is_inexact else tensor


@public
def fabs(x: TensorLike) -> Tensor:
    """The magnitude, in a float type."""
    return apply_row(find("absolute"), (inexact(x),))


@public
def fmax(x: TensorLike, y: TensorLike) -> Tensor:
    """The larger element; a number rather than NaN."""
    return _without_nan("maximum", x, y)


@public
def fmin(x: TensorLike, y: TensorLike) -> Tensor:
    """The smaller element; a number rather than NaN."""
    return _without_nan("minimum", x, y)


def _without_nan(name: str, x: TensorLike, y: TensorLike) -> Tensor:
    a, b = promote_all([as_tensor(x), as_tensor(y)])
    chosen = apply_row(find(name), (a, b))
    if not chosen.dtype.is_inexact:
        return chosen
    nan_a, nan_b = (apply_row(find("isnan"), (z,)) for z in (a, b))
    return where(nan_a, b, where(nan_b, a, chosen))


@public
def logaddexp2(x: TensorLike, y: TensorLike) -> Tensor:
    """`log2(2**x + 2**y)`, without overflow."""
    a, b = (cast(Tensor, inexact(z) * math.log(2)) for z in (x, y))
    return cast(Tensor, apply_row(find("logaddexp"), (a, b)) / math.log(2))


@public
def divmod(x: TensorLike, y: TensorLike) -> tuple[Tensor, Tensor]:
    """`x // y` and `x % y`."""
    return apply_row(find("floor_divide"), (x, y)), apply_row(find("remainder"), (x, y))


@public
def modf(x: TensorLike) -> tuple[Tensor, Tensor]:
    """The fractional and the integral part, both with the sign of `x`."""
    tensor = inexact(x)
    whole = apply_row(find("trunc"), (tensor,))
    is_infinite = apply_row(find("isinf"), (tensor,))
    part = where(is_infinite, 0, tensor - whole)
    return apply_row(find("copysign"), (part, tensor)), whole


@public
def ldexp(x: TensorLike, exponent: TensorLike) -> Tensor:
    """`x * 2**exponent`, in two steps, so that powers near the limits do not overflow."""
    tensor, steps = inexact(x), as_tensor(exponent)
    half = steps // 2
    exp2 = find("exp2")
    first, second = (apply_row(exp2, (n.astype(tensor.dtype),)) for n in (half, steps - half))
    return cast(Tensor, tensor * first * second)


@public
def frexp(x: TensorLike) -> tuple[Tensor, Tensor]:
    """A fraction from 1/2 to 1, or 0, and an exponent `i32` with `x = fraction * 2**exponent`."""
    tensor = inexact(x)
    size = apply_row(find("absolute"), (tensor,))
    is_plain = apply_row(find("isfinite"), (tensor,)) & (size > 0)
    floor, log2 = find("floor"), find("log2")
    steps = apply_row(floor, (apply_row(log2, (where(is_plain, size, 1),)),)) + 1
    part = ldexp(where(is_plain, tensor, 0.5), -steps.astype("i32"))
    # The logarithm may be off by its last bit.
    magnitude = apply_row(find("absolute"), (part,))
    too_small, too_large = magnitude < 0.5, magnitude >= 1
    part = where(too_small, part * 2, where(too_large, part * 0.5, part))
    steps = where(too_small, steps - 1, where(too_large, steps + 1, steps))
    exponent = where(is_plain, steps, 0).astype("i32")
    return where(is_plain, part, tensor), exponent


@public
def spacing(x: TensorLike) -> Tensor:
    """The distance to the next number away from 0."""
    tensor = inexact(x)
    away = apply_row(find("copysign"), (tensor.full(float("inf"), ()), tensor))
    return cast(Tensor, apply_row(find("nextafter"), (tensor, away)) - tensor)


@public
def unwrap(x: TensorLike, discont: float | None = None, axis: int = -1) -> Tensor:
    """Angles without jumps: neighbours that differ by more than pi are brought near by turns.

    Args:
        x: angles in radians.
        discont: larger differences are jumps; pi by default, which is the smallest that counts.
        axis: along which.
    """
    tensor = inexact(x)
    moved = ops.moveaxis(tensor, axis, -1)
    size = moved.shape[-1]
    low, high = (ops.slice_axis(moved, moved.ndim - 1, i, size - 1 + i) for i in (0, 1))
    change = high - low
    near = apply_row(find("remainder"), (change + math.pi, 2 * math.pi)) - math.pi
    is_edge = apply_row(find("equal"), (near, -math.pi)) & (change > 0)
    near = where(is_edge, math.pi, near)
    limit = max(discont or 0.0, math.pi)
    turn = where(apply_row(find("absolute"), (change,)) < limit, 0, near - change)
    total = ops.cumulative(find("add"), turn, turn.ndim - 1)
    first = ops.slice_axis(moved, moved.ndim - 1, 0, 1)
    result = ops.concatenate([first, high + total], moved.ndim - 1)
    return cast(Tensor, ops.moveaxis(result, -1, axis))


# ---------------------------------------------------------------------------------------- integers


@public
def gcd(x: TensorLike, y: TensorLike) -> Tensor:
    """The greatest common divisors of integers, not negative; by Euclid's algorithm."""
    a, b = _integers("gcd", x, y)
    types = [a.type, b.type]
    condition, [[_, rest]] = new_region("condition", types)
    is_left = find("not_equal")(rest, 0)
    returning(condition, [ops.reduce(find("logical_or"), is_left, range(rest.ndim))])
    body, [[number, rest]] = new_region("body", types)
    is_done = find("equal")(rest, 0)
    following = find("where")(is_done, 0, find("fmod")(number, rest))
    returning(body, [find("where")(is_done, number, rest), following])
    result = apply(ops.While(0), [a, b], [condition, body])[0]
    return apply_row(find("absolute"), (result,))


@public
def lcm(x: TensorLike, y: TensorLike) -> Tensor:
    """The least common multiples of integers, not negative; 0 where one of them is 0."""
    a, b = _integers("lcm", x, y)
    divisor = gcd(a, b)
    part = apply_row(find("floor_divide"), (a, where(divisor > 0, divisor, 1)))
    return apply_row(find("absolute"), (part * b,))


def _integers(name: str, x: TensorLike, y: TensorLike) -> list[Tensor]:
    """Both in one type and shape."""
    pair = promote_all([as_tensor(x), as_tensor(y)])
    if not pair[0].dtype.is_integer:
        raise DTypeError(f"{name}: integers are needed, not {pair[0].dtype}")
    shape = broadcast_shapes(name, [t.type for t in pair])
    return [cast(Tensor, ops.broadcast_to(t, shape)) for t in pair]


@public
def bitwise_count(x: TensorLike) -> Tensor:
    """How many bits of the magnitude of integers are 1, `u8`."""
    tensor = as_tensor(x)
    if not tensor.dtype.is_integer:
        raise DTypeError(f"bitwise_count: integers are needed, not {tensor.dtype}")
    size = apply_row(find("absolute"), (tensor,)).astype("u64")
    total = size.full(0, size.shape)
    for shift in range(tensor.dtype.bits):
        total = total + ((size >> shift) & 1)
    return total.astype("u8")
