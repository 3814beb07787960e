"""Reductions: sums, means, extremes, positions of extremes, tests."""

from __future__ import annotations

from typing import Any, cast

from irflow import dims, dtypes, ops
from irflow.dtypes import DTypeLike
from irflow.errors import ShapeError, UsageError
from irflow.frontend.boundary import public
from irflow.frontend.promotion import axes_of
from irflow.frontend.reductions import Axis, reduce, total, variance
from irflow.frontend.tensor import Tensor, TensorLike, apply_row, as_tensor, inexact
from irflow.numpy.complex_parts import conj, is_complex, real
from irflow.numpy.elementwise import clip
from irflow.numpy.joining import concatenate
from irflow.numpy.linalg import diagonal
from irflow.scalars import find


@public
def sum(
    x: TensorLike, axis: Axis = None, keepdims: bool = False, *, dtype: DTypeLike | None = None
) -> Tensor:
    """The sum along `axis`, all axes by default.

    Bools and small integers give 64-bit integers, unless `dtype` names the type to sum in.
    """
    return _in_type("add", as_tensor(x), axis, keepdims, dtype)


@public
def prod(
    x: TensorLike, axis: Axis = None, keepdims: bool = False, *, dtype: DTypeLike | None = None
) -> Tensor:
    """The product along `axis`, in the same types as `sum`."""
    return _in_type("multiply", as_tensor(x), axis, keepdims, dtype)


def _in_type(row: str, x: Tensor, axis: Axis, keepdims: bool, dtype: DTypeLike | None) -> Tensor:
    if dtype is None:
        return total(find(row), x, axis, keepdims)
    return reduce(find(row), x.astype(dtype), axis, keepdims)


@public
def max(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The largest element along `axis`; NaN where there is one."""
    return as_tensor(x).max(axis, keepdims)


@public
def min(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The smallest element along `axis`; NaN where there is one."""
    return as_tensor(x).min(axis, keepdims)


@public
def mean(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The arithmetic mean along `axis`, in a float type."""
    return as_tensor(x).mean(axis, keepdims)


@public
def var(
    x: TensorLike,
    axis: Axis = None,
    ddof: float | None = None,
    keepdims: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """The variance along `axis`: squared deviations over `count - correction`.

    Args:
        x: any real tensor.
        axis: one axis, several, or all by default.
        ddof: NumPy's name of `correction`.
        keepdims: whether the axes stay with size 1.
        correction: 0 by default; 1 makes the estimate unbiased.

    Raises:
        UsageError: `ddof` and `correction` are both given.
    """
    if ddof is not None and correction is not None:
        raise UsageError("var, std: ddof and correction are two names of one argument")
    return variance(as_tensor(x), axis, ddof or correction or 0, keepdims)


@public
def std(
    x: TensorLike,
    axis: Axis = None,
    ddof: float | None = None,
    keepdims: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """The standard deviation along `axis`; arguments are as of `var`."""
    return apply_row(find("sqrt"), (var(x, axis, ddof, keepdims, correction=correction),))


@public
def any(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether some element along `axis` is true."""
    return reduce(find("logical_or"), as_tensor(x).astype("bool"), axis, keepdims)


@public
def all(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether every element along `axis` is true."""
    return reduce(find("logical_and"), as_tensor(x).astype("bool"), axis, keepdims)


@public
def argmax(x: TensorLike, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The position of the first largest element along `axis`, of all elements by default."""
    return as_tensor(x).argmax(axis, keepdims)


@public
def argmin(x: TensorLike, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The position of the first smallest element along `axis`, of all elements by default."""
    return as_tensor(x).argmin(axis, keepdims)


@public
def count_nonzero(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """How many elements along `axis` are not zero."""
    return as_tensor(x).astype("bool").sum(axis, keepdims)


@public
def average(
    x: TensorLike,
    axis: Axis = None,
    weights: TensorLike | None = None,
    returned: bool = False,
    *,
    keepdims: bool = False,
) -> Any:
    """The mean along `axis`, with weights.

    Args:
        x: any tensor.
        axis: one axis, several, or all by default.
        weights: like `x`, or `[n]` along the only axis.
        returned: also return the sum of the weights, in the shape of the result.
        keepdims: whether the axes stay with size 1.

    Raises:
        ShapeError: the weights fit neither.
    """
    tensor = inexact(x)
    axes = axes_of(axis, tensor.ndim)
    if weights is None:
        result = mean(tensor, axis, keepdims)
        count = dims.product(tuple(tensor.shape[a] for a in axes))
        scale = ops.broadcast_to(ops.size_of(result, count, result.dtype), result.shape)
        return (result, scale) if returned else result
    factor = inexact(weights)
    if factor.shape != tensor.shape:
        if factor.ndim != 1 or len(axes) != 1 or factor.shape[0] != tensor.shape[axes[0]]:
            facts = [("operand", tensor.type, f"axes {axes}"), ("weights", factor.type)]
            raise ShapeError("average: the weights do not fit the operand", facts=facts)
        sizes = tuple(size if a in axes else 1 for a, size in enumerate(tensor.shape))
        factor = ops.broadcast_to(ops.reshape(factor, sizes), tensor.shape)
    scale = factor.sum(axis, keepdims)
    result = (tensor * factor).sum(axis, keepdims) / scale
    return (result, scale) if returned else result


@public
def ptp(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The distance of the largest and the smallest element along `axis`."""
    tensor = as_tensor(x)
    return cast(Tensor, tensor.max(axis, keepdims) - tensor.min(axis, keepdims))


@public
def cov(
    m: TensorLike,
    y: TensorLike | None = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
) -> Tensor:
    """The covariances of variables.

    Args:
        m: one variable a row, `[variables, observations]`, or one variable `[observations]`.
        y: more variables, of the same form.
        rowvar: whether rows are variables; otherwise columns are.
        bias: divide by the number of observations, not one less.
        ddof: divide by the number less this, instead.

    Returns:
        `[variables, variables]`; `[]` for one variable.
    """
    rows = [_variables(inexact(v), rowvar) for v in (m, y) if v is not None]
    x = concatenate(rows, 0)
    less = ddof if ddof is not None else 0 if bias else 1
    deviation = x - mean(x, 1, keepdims=True)
    count = ops.size_of(x, x.shape[1] - less, dtypes.to_real(x.dtype))
    product = cast(Tensor, ops.matmul(deviation, ops.matrix_transpose(conj(deviation))))
    result = cast(Tensor, product / count)
    return cast(Tensor, ops.reshape(result, ())) if result.shape == (1, 1) else result


def _variables(x: Tensor, rowvar: bool) -> Tensor:
    if x.ndim > 2:
        raise ShapeError("cov: a matrix or a vector of observations", facts=[("operand", x.type)])
    if x.ndim < 2:
        return cast(Tensor, ops.reshape(x, (1, x.size)))
    return x if rowvar else x.T


@public
def corrcoef(x: TensorLike, y: TensorLike | None = None, rowvar: bool = True) -> Tensor:
    """The correlations of variables: `cov` over the product of standard deviations."""
    c = cov(x, y, rowvar)
    if c.ndim == 0:
        return cast(Tensor, c / c)
    deviation = apply_row(find("sqrt"), (real(diagonal(c)),))
    scaled = c / deviation.reshape(-1, 1) / deviation
    return scaled if is_complex(scaled) else clip(scaled, -1, 1)
