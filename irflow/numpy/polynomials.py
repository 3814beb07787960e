"""Polynomials as vectors of coefficients, that of the highest power first."""

from __future__ import annotations

from typing import cast

from irflow import dtypes, ops
from irflow.dims import Size
from irflow.errors import ShapeError, UsageError
from irflow.frontend.boundary import public
from irflow.frontend.promotion import promote_all
from irflow.frontend.tensor import Tensor, TensorLike, apply_row, as_tensor, inexact
from irflow.numpy.joining import concatenate
from irflow.numpy.linalg import lstsq
from irflow.numpy.signals import convolve
from irflow.scalars import find


@public
def polyval(p: TensorLike, x: TensorLike) -> Tensor:
    """The values of a polynomial at `x`, by Horner's scheme.

    Args:
        p: coefficients, `[n]`, of a known number.
        x: any shape.
    """
    coefficients, at = promote_all([as_tensor(p), as_tensor(x)])
    total = at.full(0, at.shape)
    for i in range(_count(coefficients)):
        total = total * at + coefficients[i]
    return total


def _count(p: Tensor) -> int:
    if p.ndim != 1 or not isinstance(p.shape[0], int):
        raise ShapeError("a polynomial is a vector of known size", facts=[("operand", p.type)])
    return p.shape[0]


@public
def polyadd(a: TensorLike, b: TensorLike) -> Tensor:
    """The sum of two polynomials."""
    x, y = _aligned(a, b)
    return cast(Tensor, x + y)


@public
def polysub(a: TensorLike, b: TensorLike) -> Tensor:
    """The difference of two polynomials."""
    x, y = _aligned(a, b)
    return cast(Tensor, x - y)


def _aligned(a: TensorLike, b: TensorLike) -> list[Tensor]:
    """Both with zeros in front, up to one size."""
    pair = promote_all([as_tensor(p).reshape(-1) for p in (a, b)])
    size = max(map(_count, pair))
    return [cast(Tensor, ops.pad(p, [size - _count(p)], [0], None, p.full(0, ()))) for p in pair]


@public
def polymul(a: TensorLike, b: TensorLike) -> Tensor:
    """The product of two polynomials."""
    return convolve(as_tensor(a).reshape(-1), as_tensor(b).reshape(-1))


@public
def polyder(p: TensorLike, m: int = 1) -> Tensor:
    """The `m`-th derivative of a polynomial."""
    result = as_tensor(p)
    for _ in range(m):
        size = _count(result)
        powers = ops.iota(result, (size,), 0, dtypes.i64)
        result = cast(Tensor, result * (size - 1 - powers).astype(result.dtype))[:-1]
    return result


@public
def polyint(p: TensorLike, m: int = 1, k: TensorLike = 0) -> Tensor:
    """The `m`-th integral of a polynomial with the constant `k`."""
    result = inexact(p)
    for _ in range(m):
        size = _count(result)
        powers = ops.iota(result, (size,), 0, dtypes.i64)
        body = result / (size - powers).astype(result.dtype)
        result = concatenate([body, as_tensor(k).astype(body.dtype).reshape(1)])
    return result


@public
def vander(x: TensorLike, n: Size | None = None, increasing: bool = False) -> Tensor:
    """The powers of the elements of `x[m]` as rows, `[m, n]`, the highest first by default."""
    tensor = as_tensor(x)
    if tensor.ndim != 1:
        raise ShapeError("vander: a vector", facts=[("operand", tensor.type)])
    count = tensor.shape[0] if n is None else n
    powers = ops.iota(tensor, (count,), 0, dtypes.i64)
    powers = powers if increasing else cast(Tensor, ops.flip(powers))
    wide = {"bool": dtypes.i64, "int": dtypes.i64, "uint": dtypes.u64}
    base = tensor.astype(wide.get(tensor.dtype.kind, tensor.dtype))
    return apply_row(find("power"), (base.reshape(-1, 1), powers.astype(base.dtype)))


@public
def polyfit(x: TensorLike, y: TensorLike, deg: int) -> Tensor:
    """The coefficients of the polynomial of degree `deg` that comes nearest to samples.

    Args:
        x: coordinates, `[n]`.
        y: samples, `[n]`, or several sets as columns, `[n, k]`.
        deg: the degree.

    Returns:
        `[deg + 1]`, or `[deg + 1, k]`.

    Raises:
        UsageError: a negative degree.
    """
    if deg < 0:
        raise UsageError(f"polyfit: degree {deg}")
    at, samples = promote_all([inexact(x), inexact(y)])
    powers = vander(at, deg + 1)
    # Columns of one length make the problem better conditioned.
    scale = apply_row(find("sqrt"), ((powers * powers).sum(0),))
    solution = lstsq(powers / scale, samples)
    scale = scale.reshape(-1, 1) if samples.ndim == 2 else scale
    return cast(Tensor, solution / scale)
