"""Statistics of the elements that are not NaN."""

from __future__ import annotations

from typing import cast

from irflow.dtypes import DTypeLike
from irflow.frontend.boundary import public
from irflow.frontend.reductions import Axis
from irflow.frontend.tensor import Tensor, TensorLike, apply_row, as_tensor, inexact
from irflow.numpy.complex_parts import magnitude_squared
from irflow.numpy.elementwise import where
from irflow.numpy.scans import cumprod, cumsum
from irflow.numpy.statistics import all, argmax, argmin, max, min, prod, sum
from irflow.scalars import find

__all__ = [
    "nanargmax",
    "nanargmin",
    "nancumprod",
    "nancumsum",
    "nanmax",
    "nanmean",
    "nanmin",
    "nanprod",
    "nanstd",
    "nansum",
    "nanvar",
]


def _is_nan(x: Tensor) -> Tensor | None:
    """Where elements are NaN; None for types that have none."""
    return apply_row(find("isnan"), (x,)) if x.dtype.is_inexact else None


def _replaced(x: TensorLike, value: float) -> Tensor:
    tensor = as_tensor(x)
    is_nan = _is_nan(tensor)
    return tensor if is_nan is None else where(is_nan, value, tensor)


@public
def nansum(
    x: TensorLike, axis: Axis = None, keepdims: bool = False, *, dtype: DTypeLike | None = None
) -> Tensor:
    """The sum along `axis` with 0 for NaN."""
    return sum(_replaced(x, 0), axis, keepdims, dtype=dtype)


@public
def nanprod(
    x: TensorLike, axis: Axis = None, keepdims: bool = False, *, dtype: DTypeLike | None = None
) -> Tensor:
    """The product along `axis` with 1 for NaN."""
    return prod(_replaced(x, 1), axis, keepdims, dtype=dtype)


@public
def nancumsum(x: TensorLike, axis: int | None = None, dtype: DTypeLike | None = None) -> Tensor:
    """`cumsum` with 0 for NaN."""
    return cumsum(_replaced(x, 0), axis, dtype)


@public
def nancumprod(x: TensorLike, axis: int | None = None, dtype: DTypeLike | None = None) -> Tensor:
    """`cumprod` with 1 for NaN."""
    return cumprod(_replaced(x, 1), axis, dtype)


@public
def nanmax(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The largest element along `axis` that is not NaN; NaN where there is none."""
    return _extreme(x, axis, keepdims, float("-inf"))


@public
def nanmin(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The smallest element along `axis` that is not NaN; NaN where there is none."""
    return _extreme(x, axis, keepdims, float("inf"))


def _extreme(x: TensorLike, axis: Axis, keepdims: bool, beyond: float) -> Tensor:
    tensor = as_tensor(x)
    is_nan = _is_nan(tensor)
    function = max if beyond < 0 else min
    if is_nan is None:
        return function(tensor, axis, keepdims)
    found = function(where(is_nan, beyond, tensor), axis, keepdims)
    return where(all(is_nan, axis, keepdims), float("nan"), found)


@public
def nanargmax(x: TensorLike, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The position of the first largest element along `axis` that is not NaN.

    0 where all elements are NaN, for which NumPy raises.
    """
    return argmax(_replaced(x, float("-inf")), axis, keepdims)


@public
def nanargmin(x: TensorLike, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The position of the first smallest element along `axis` that is not NaN.

    0 where all elements are NaN, for which NumPy raises.
    """
    return argmin(_replaced(x, float("inf")), axis, keepdims)


@public
def nanmean(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The mean along `axis` of what is not NaN; NaN where nothing is left."""
    tensor = inexact(x)
    total = nansum(tensor, axis, keepdims)
    return cast(Tensor, total / _count(tensor, axis, keepdims))


def _count(x: Tensor, axis: Axis, keepdims: bool) -> Tensor:
    """How many elements are not NaN, in the type of `x` or its parts."""
    is_number = cast(Tensor, ~cast(Tensor, _is_nan(x)))
    return is_number.sum(axis, keepdims).astype(magnitude_squared(x).dtype)


@public
def nanvar(x: TensorLike, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Tensor:
    """The variance along `axis` of what is not NaN: squared deviations over `count - ddof`."""
    tensor = inexact(x)
    is_nan = cast(Tensor, _is_nan(tensor))
    deviation = where(is_nan, 0, tensor - nanmean(tensor, axis, keepdims=True))
    total = sum(magnitude_squared(deviation), axis, keepdims)
    count = _count(tensor, axis, keepdims) - ddof
    return where(count > 0, total / where(count > 0, count, 1), float("nan"))


@public
def nanstd(x: TensorLike, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Tensor:
    """The standard deviation along `axis` of what is not NaN."""
    return apply_row(find("sqrt"), (nanvar(x, axis, ddof, keepdims),))
