"""Activation functions: composites of scalar rows, fused by the compiler."""

from __future__ import annotations

import math
from typing import cast

from irflow import ops
from irflow.frontend.boundary import public
from irflow.frontend.promotion import normalize_axis as _axis
from irflow.frontend.tensor import Tensor, TensorLike, apply_row, as_tensor, inexact
from irflow.scalars import Scalar, find

SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805


def _row(name: str, x: TensorLike) -> Tensor:
    row: Scalar = find(name)
    return apply_row(row, (inexact(x),))


@public
def relu(x: TensorLike) -> Tensor:
    """`max(x, 0)`; the gradient at 0 is 0."""
    return apply_row(find("relu"), (as_tensor(x),))


@public
def sigmoid(x: TensorLike) -> Tensor:
    """`1 / (1 + exp(-x))`."""
    return _row("sigmoid", x)


@public
def tanh(x: TensorLike) -> Tensor:
    """The hyperbolic tangent."""
    return _row("tanh", x)


@public
def softplus(x: TensorLike) -> Tensor:
    """`log(1 + exp(x))`, stable for large `|x|`."""
    return _row("softplus", x)


@public
def softsign(x: TensorLike) -> Tensor:
    """`x / (1 + |x|)`."""
    t = inexact(x)
    return cast(Tensor, t / (1 + abs(t)))


@public
def silu(x: TensorLike) -> Tensor:
    """`x * sigmoid(x)`, also called swish."""
    t = inexact(x)
    return cast(Tensor, t * sigmoid(t))


@public
def mish(x: TensorLike) -> Tensor:
    """`x * tanh(softplus(x))`."""
    t = inexact(x)
    return cast(Tensor, t * tanh(softplus(t)))


@public
def gelu(x: TensorLike, approximate: bool = False) -> Tensor:
    """`x` times the normal distribution function of `x`; with `approximate` by a tanh."""
    t = inexact(x)
    if approximate:
        inner = math.sqrt(2 / math.pi) * (t + 0.044715 * (t * t * t))
        return cast(Tensor, 0.5 * t * (1 + tanh(inner)))
    return cast(Tensor, 0.5 * t * _row("erfc", -t * math.sqrt(0.5)))


@public
def leaky_relu(x: TensorLike, negative_slope: float = 0.01) -> Tensor:
    """`x` where positive, `negative_slope * x` elsewhere."""
    t = inexact(x)
    return apply_row(find("where"), (t > 0, t, negative_slope * t))


@public
def elu(x: TensorLike, alpha: float = 1.0) -> Tensor:
    """`x` where positive, `alpha * (exp(x) - 1)` elsewhere."""
    t = inexact(x)
    below = _row("expm1", apply_row(find("minimum"), (t, 0.0)))
    return apply_row(find("where"), (t > 0, t, alpha * below))


@public
def selu(x: TensorLike) -> Tensor:
    """The self-normalising `elu` (Klambauer et al., 2017)."""
    return cast(Tensor, SELU_SCALE * elu(x, SELU_ALPHA))


@public
def hard_sigmoid(x: TensorLike) -> Tensor:
    """`clip(x + 3, 0, 6) / 6`."""
    t = apply_row(find("maximum"), (inexact(x) + 3, 0.0))
    return cast(Tensor, apply_row(find("minimum"), (t, 6.0)) / 6)


@public
def softmax(x: TensorLike, axis: int = -1) -> Tensor:
    """`exp(x) / sum(exp(x))` along `axis`, computed stably."""
    t = inexact(x)
    return cast(Tensor, ops.softmax(t, _axis(axis, t.ndim)))


@public
def log_softmax(x: TensorLike, axis: int = -1) -> Tensor:
    """The logarithm of `softmax`, computed stably."""
    t = inexact(x)
    return cast(Tensor, ops.log_softmax(t, _axis(axis, t.ndim)))


@public
def logsumexp(x: TensorLike, axis: int = -1, keepdims: bool = False) -> Tensor:
    """`log(sum(exp(x)))` along `axis`, computed stably."""
    t = inexact(x)
    at = _axis(axis, t.ndim)
    result = cast(Tensor, ops.logsumexp(t, at))
    if not keepdims:
        return result
    return result.reshape((*t.shape[:at], 1, *t.shape[at + 1 :]))
