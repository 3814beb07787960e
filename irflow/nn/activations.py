"""Activation functions of one element: composites of scalar rows, fused by the compiler."""

from __future__ import annotations

import math
from typing import cast

from irflow import ops
from irflow.frontend.boundary import public
from irflow.frontend.promotion import normalize_axis
from irflow.frontend.tensor import Tensor, TensorLike, apply_row, as_tensor, inexact
from irflow.scalars import find

SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805


def row(name: str, *operands: TensorLike) -> Tensor:
    """A scalar row on operands that are promoted and broadcast."""
    return apply_row(find(name), operands)


def _between(x: TensorLike, low: float, high: float) -> Tensor:
    return row("minimum", row("maximum", x, low), high)


# --------------------------------------------------------------------------------- cut-off at zero


@public
def relu(x: TensorLike) -> Tensor:
    """`max(x, 0)`; the gradient at 0 is 0."""
    return row("relu", as_tensor(x))


@public
def relu6(x: TensorLike) -> Tensor:
    """`min(max(x, 0), 6)`; the gradient at 0 is 0."""
    return row("minimum", relu(x), 6)


@public
def threshold(x: TensorLike, threshold: float, value: float = 0.0) -> Tensor:
    """`x` where it is above `threshold`, elsewhere `value`."""
    t = inexact(x)
    return row("where", t > threshold, t, value)


@public
def leaky_relu(x: TensorLike, negative_slope: float = 0.01) -> Tensor:
    """`x` where positive, `negative_slope * x` elsewhere."""
    t = inexact(x)
    return row("where", t > 0, t, negative_slope * t)


@public
def prelu(x: TensorLike, slope: TensorLike) -> Tensor:
    """`x` where positive, `slope * x` elsewhere; the slope broadcasts and may be learned."""
    t = inexact(x)
    return row("where", t > 0, t, t * as_tensor(slope))


# ------------------------------------------------------------------------------------- exponential


@public
def elu(x: TensorLike, alpha: float = 1.0) -> Tensor:
    """`x` where positive, `alpha * (exp(x) - 1)` elsewhere."""
    t = inexact(x)
    return row("where", t > 0, t, alpha * row("expm1", row("minimum", t, 0.0)))


@public
def celu(x: TensorLike, alpha: float = 1.0) -> Tensor:
    """`x` where positive, `alpha * (exp(x / alpha) - 1)` elsewhere; smooth for every `alpha`."""
    t = inexact(x)
    return row("where", t > 0, t, alpha * row("expm1", row("minimum", t, 0.0) / alpha))


@public
def selu(x: TensorLike) -> Tensor:
    """The self-normalising `elu` (Klambauer et al., 2017)."""
    return cast(Tensor, SELU_SCALE * elu(x, SELU_ALPHA))


@public
def exponential(x: TensorLike) -> Tensor:
    """`exp(x)`."""
    return row("exp", inexact(x))


@public
def softplus(x: TensorLike, beta: float = 1.0) -> Tensor:
    """`log(1 + exp(beta * x)) / beta`, stable for large `|x|`."""
    t = inexact(x)
    return row("softplus", t) if beta == 1 else cast(Tensor, row("softplus", t * beta) / beta)


# ----------------------------------------------------------------------------------------- sigmoids


@public
def sigmoid(x: TensorLike) -> Tensor:
    """`1 / (1 + exp(-x))`."""
    return row("sigmoid", inexact(x))


@public
def log_sigmoid(x: TensorLike) -> Tensor:
    """`log(sigmoid(x))`, stable for large `|x|`."""
    return cast(Tensor, -row("softplus", -inexact(x)))


@public
def hard_sigmoid(x: TensorLike) -> Tensor:
    """`clip(x + 3, 0, 6) / 6`."""
    return cast(Tensor, _between(inexact(x) + 3, 0.0, 6.0) / 6)


@public
def sparse_sigmoid(x: TensorLike) -> Tensor:
    """`clip(x + 1, 0, 2) / 2`: exactly 0 below -1 and exactly 1 above 1."""
    return cast(Tensor, _between(inexact(x) + 1, 0.0, 2.0) / 2)


@public
def tanh(x: TensorLike) -> Tensor:
    """The hyperbolic tangent."""
    return row("tanh", inexact(x))


@public
def hard_tanh(x: TensorLike, low: float = -1.0, high: float = 1.0) -> Tensor:
    """`clip(x, low, high)`."""
    return _between(inexact(x), low, high)


@public
def softsign(x: TensorLike) -> Tensor:
    """`x / (1 + |x|)`."""
    t = inexact(x)
    return cast(Tensor, t / (1 + abs(t)))


# ------------------------------------------------------------------------------------------- gates


@public
def silu(x: TensorLike) -> Tensor:
    """`x * sigmoid(x)`, also called swish."""
    t = inexact(x)
    return cast(Tensor, t * sigmoid(t))


@public
def hard_silu(x: TensorLike) -> Tensor:
    """`x * hard_sigmoid(x)`, also called hard swish."""
    t = inexact(x)
    return cast(Tensor, t * hard_sigmoid(t))


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
    return row("gelu", t)


@public
def glu(x: TensorLike, axis: int = -1) -> Tensor:
    """The first half of `x` along `axis` times the sigmoid of the second half.

    Raises:
        ShapeError: the axis has an odd size.
    """
    t = inexact(x)
    value, gate = ops.split(t, 2, normalize_axis(axis, t.ndim))
    return cast(Tensor, value * sigmoid(gate))


# -------------------------------------------------------------------------- shrinking towards zero


@public
def soft_shrink(x: TensorLike, threshold: float = 0.5) -> Tensor:
    """`x` moved by `threshold` towards 0, and 0 where it is nearer."""
    t = inexact(x)
    return cast(Tensor, t - _between(t, -threshold, threshold))


@public
def hard_shrink(x: TensorLike, threshold: float = 0.5) -> Tensor:
    """`x` where `|x|` is above `threshold`, else 0."""
    t = inexact(x)
    return row("where", abs(t) > threshold, t, 0.0)


@public
def tanh_shrink(x: TensorLike) -> Tensor:
    """`x - tanh(x)`."""
    t = inexact(x)
    return cast(Tensor, t - tanh(t))


@public
def squareplus(x: TensorLike, b: float = 4.0) -> Tensor:
    """`(x + sqrt(x² + b)) / 2`: a smooth relu without an exponential (Barron, 2021)."""
    t = inexact(x)
    return cast(Tensor, (t + row("sqrt", t * t + b)) / 2)


@public
def sparse_plus(x: TensorLike) -> Tensor:
    """0 up to -1, `(x + 1)² / 4` up to 1, `x` above."""
    t = inexact(x)
    middle = _between(t, -1.0, 1.0) + 1
    return cast(Tensor, middle * middle / 4 + relu(t - 1))


@public
def linear(x: TensorLike) -> Tensor:
    """`x`, as a tensor."""
    return as_tensor(x)
