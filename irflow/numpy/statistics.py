"""Reductions: sums, means, extremes, positions of extremes, tests."""

from __future__ import annotations

from irflow.frontend.boundary import public
from irflow.frontend.reductions import Axis, reduce, variance
from irflow.frontend.tensor import Tensor, TensorLike, apply_row, as_tensor
from irflow.scalars import find


@public
def sum(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The sum along `axis`, all axes by default; bools and small integers give 64-bit integers."""
    return as_tensor(x).sum(axis, keepdims)


@public
def prod(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The product along `axis`, in the same types as `sum`."""
    return as_tensor(x).prod(axis, keepdims)


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
def var(x: TensorLike, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Tensor:
    """The variance along `axis`: squared deviations over `count - ddof`."""
    return variance(as_tensor(x), axis, ddof, keepdims)


@public
def std(x: TensorLike, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Tensor:
    """The standard deviation along `axis`."""
    return apply_row(find("sqrt"), (var(x, axis, ddof, keepdims),))


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
