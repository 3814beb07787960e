"""Reductions: sums, means, extremes, positions of extremes, tests."""

from __future__ import annotations

from irflow.dtypes import DTypeLike
from irflow.errors import UsageError
from irflow.frontend.boundary import public
from irflow.frontend.reductions import Axis, reduce, total, variance
from irflow.frontend.tensor import Tensor, TensorLike, apply_row, as_tensor
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
