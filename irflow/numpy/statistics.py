"""Reductions: sums, means, extremes, positions of extremes, tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from irflow import dims
from irflow.frontend.tensor import (
    Tensor,
    TensorLike,
    as_tensor,
    axes_of,
    inexact,
    reduce,
    size_tensor,
)
from irflow.numpy.elementwise import function_of
from irflow.scalars import find

Axis = int | Sequence[int] | None


def sum(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The sum along `axis` (all axes by default); booleans and small integers are summed as 64-bit ones."""
    return as_tensor(x).sum(axis, keepdims)


def prod(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The product along `axis`."""
    return as_tensor(x).prod(axis, keepdims)


def max(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The largest element along `axis`; NaN where there is one."""
    return as_tensor(x).max(axis, keepdims)


def min(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The smallest element along `axis`; NaN where there is one."""
    return as_tensor(x).min(axis, keepdims)


def mean(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The arithmetic mean along `axis`, in a float type."""
    return as_tensor(x).mean(axis, keepdims)


def var(x: TensorLike, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Tensor:
    """The variance along `axis`: squared deviations over `count - ddof`."""
    tensor = inexact(x)
    deviation = tensor - tensor.mean(axis, keepdims=True)
    total = (deviation * deviation).sum(axis, keepdims)
    count = dims.product(tuple(tensor.shape[a] for a in axes_of(axis, tensor.ndim)))
    return total / (size_tensor(count, tensor.dtype) - ddof)


def std(x: TensorLike, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Tensor:
    """The standard deviation along `axis`."""
    return function_of(find("sqrt"), "sqrt")(var(x, axis, ddof, keepdims))


def any(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether some element along `axis` is true."""
    return reduce(find("logical_or"), as_tensor(x).astype("bool"), axis, keepdims)


def all(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether every element along `axis` is true."""
    return reduce(find("logical_and"), as_tensor(x).astype("bool"), axis, keepdims)


def argmax(x: TensorLike, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The position of the first largest element along `axis`, of all elements by default."""
    return _kept(as_tensor(x).argmax(axis), x, axis, keepdims)


def argmin(x: TensorLike, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The position of the first smallest element along `axis`, of all elements by default."""
    return _kept(as_tensor(x).argmin(axis), x, axis, keepdims)


def _kept(result: Tensor, x: TensorLike, axis: Axis, keepdims: bool) -> Tensor:
    if not keepdims:
        return result
    tensor = as_tensor(x)
    axes: Any = axes_of(axis, tensor.ndim)
    return result.reshape(tuple(1 if i in axes else size for i, size in enumerate(tensor.shape)))


def count_nonzero(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """How many elements along `axis` are not zero."""
    return as_tensor(x).astype("bool").sum(axis, keepdims)
