"""Products of shifted or scaled copies: convolution, correlation, Kronecker's product."""

from __future__ import annotations

from typing import Any, cast

from irflow import ops
from irflow.errors import ShapeError, UsageError
from irflow.frontend.boundary import public
from irflow.frontend.promotion import promote_all
from irflow.frontend.tensor import Tensor, TensorLike, as_tensor
from irflow.numpy.complex_parts import conj
from irflow.numpy.manipulation import moveaxis
from irflow.numpy.products import matmul


@public
def convolve(a: TensorLike, v: TensorLike, mode: str = "full") -> Tensor:
    """`y[k] = sum over i of a[i] v[k - i]` for vectors.

    Args:
        a: `[n]`.
        v: `[m]`.
        mode: "full", all `n + m - 1` places where they overlap; "same", the middle
            `max(n, m)` of these; "valid", those where they overlap completely.

    Raises:
        UsageError: another mode.
        ShapeError: they are no vectors, or empty.
    """
    left, right = _vectors("convolve", a, v)
    if _is_longer(right, left):
        left, right = right, left
    return _slid(left, cast(Tensor, ops.flip(right)), mode)


@public
def correlate(a: TensorLike, v: TensorLike, mode: str = "valid") -> Tensor:
    """`y[k] = sum over i of a[i + k] conj(v[i])` for vectors; modes are those of `convolve`."""
    left, right = _vectors("correlate", a, v)
    if not _is_longer(right, left):
        return _slid(left, conj(right), mode)
    # The places of the shorter one under the longer one come in the opposite order.
    return cast(Tensor, ops.flip(_slid(conj(right), left, mode)))


def _vectors(name: str, a: TensorLike, v: TensorLike) -> list[Tensor]:
    pair = promote_all([as_tensor(a), as_tensor(v)])
    if any(t.ndim != 1 or t.shape[0] == 0 for t in pair):
        facts = [(f"operand {i}", t.type) for i, t in enumerate(pair)]
        raise ShapeError(f"{name}: vectors that are not empty", facts=facts)
    return pair


def _is_longer(a: Tensor, b: Tensor) -> bool:
    return a.shape != b.shape and bool(a.shape[0] > b.shape[0])


def _slid(x: Tensor, w: Tensor, mode: str) -> Tensor:
    """`w` moved along the longer `x`: a convolution of one channel, as networks have it."""
    reach = w.shape[0] - 1
    paddings: dict[str, Any] = {
        "full": (reach, reach),
        "same": (reach - (reach // 2), reach // 2),
        "valid": (0, 0),
    }
    if mode not in paddings:
        raise UsageError(f"convolve: mode {mode!r}", facts=[("known", "full, same, valid")])
    image = ops.reshape(x, (1, x.shape[0], 1))
    kernel = ops.reshape(w, (w.shape[0], 1, 1))
    before, after = paddings[mode]
    wide = ops.pad(image, [0, before, 0], [0, after, 0], None, x.full(0, ()))
    result = ops.convolution(wide, kernel)
    return cast(Tensor, ops.reshape(result, (result.shape[1],)))


@public
def kron(a: TensorLike, b: TensorLike) -> Tensor:
    """Kronecker's product: a copy of `b` scaled by each element of `a`, in its place."""
    x, y = promote_all([as_tensor(a), as_tensor(b)])
    rank = max(x.ndim, y.ndim)
    first = (*(1,) * (rank - x.ndim), *x.shape)
    second = (*(1,) * (rank - y.ndim), *y.shape)
    left = ops.reshape(x, tuple(s for size in first for s in (size, 1)))
    right = ops.reshape(y, tuple(s for size in second for s in (1, size)))
    shape = tuple(p * q for p, q in zip(first, second, strict=True))
    return cast(Tensor, ops.reshape(cast(Tensor, left) * right, shape))


@public
def matvec(x: TensorLike, v: TensorLike) -> Tensor:
    """The products of matrices `x[..., m, n]` and vectors `v[..., n]`."""
    vector = as_tensor(v)
    result = matmul(x, ops.expand_dims(vector, -1))
    return cast(Tensor, ops.reshape(result, result.shape[:-1]))


@public
def vecmat(v: TensorLike, x: TensorLike) -> Tensor:
    """The products of conjugated vectors `v[..., m]` and matrices `x[..., m, n]`."""
    result = matmul(ops.expand_dims(conj(v), -2), x)
    return cast(Tensor, ops.reshape(moveaxis(result, -2, 0), result.shape[:-2] + result.shape[-1:]))
