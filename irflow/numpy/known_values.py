"""What has a shape that depends on the values: for tensors of known value, not for traced ones.

The functions raise ConcretizationError inside of `irf.jit`, where `where`, masks and `top_k` with
a fixed size do the work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from irflow.errors import ShapeError
from irflow.frontend.boundary import public
from irflow.frontend.promotion import promote_all
from irflow.frontend.reductions import reduce
from irflow.frontend.tensor import Tensor, TensorLike, apply_row, as_tensor
from irflow.scalars import find


class UniqueAll(NamedTuple):
    """The result of `unique_all`."""

    values: Tensor
    indices: Tensor
    inverse_indices: Tensor
    counts: Tensor


class UniqueCounts(NamedTuple):
    """The result of `unique_counts`."""

    values: Tensor
    counts: Tensor


class UniqueInverse(NamedTuple):
    """The result of `unique_inverse`."""

    values: Tensor
    inverse_indices: Tensor


@public
def nonzero(x: TensorLike) -> tuple[Tensor, ...]:
    """The positions of the elements that are not zero, one `i64` tensor an axis.

    Raises:
        ConcretizationError: `x` is being traced.
        ShapeError: `x` has no axes.
    """
    array = as_tensor(x).demand("nonzero")
    if not array.ndim:
        raise ShapeError("nonzero: a tensor without axes has no positions")
    return tuple(Tensor(positions) for positions in np.nonzero(array))


@public
def flatnonzero(x: TensorLike) -> Tensor:
    """The positions in the flattened `x` of the elements that are not zero."""
    return Tensor(np.flatnonzero(as_tensor(x).demand("flatnonzero")))


@public
def argwhere(x: TensorLike) -> Tensor:
    """The positions of the elements that are not zero: `[count, rank]`."""
    return Tensor(np.argwhere(as_tensor(x).demand("argwhere")))


@public
def unique_values(x: TensorLike) -> Tensor:
    """The different elements of `x` in ascending order; every NaN counts as different.

    Raises:
        ConcretizationError: `x` is being traced.
    """
    return Tensor(np.unique_values(as_tensor(x).demand("unique_values")))


@public
def unique_counts(x: TensorLike) -> UniqueCounts:
    """The different elements, and how often each occurs."""
    found = np.unique_counts(as_tensor(x).demand("unique_counts"))
    return UniqueCounts(*(Tensor(array) for array in found))


@public
def unique_inverse(x: TensorLike) -> UniqueInverse:
    """The different elements, and for each element of `x` which of them it is."""
    found = np.unique_inverse(as_tensor(x).demand("unique_inverse"))
    return UniqueInverse(*(Tensor(array) for array in found))


@public
def unique_all(x: TensorLike) -> UniqueAll:
    """The different elements, where each occurs first, which is where, and how often."""
    found = np.unique_all(as_tensor(x).demand("unique_all"))
    return UniqueAll(*(Tensor(array) for array in found))


@public
def isin(x: TensorLike, values: TensorLike) -> Tensor:
    """Whether each element of `x` is among `values`; the shape is that of `x`, also when tracing.

    It compares every element with every value.
    """
    tensor, among = as_tensor(x), as_tensor(values).reshape(-1)
    is_equal = apply_row(find("equal"), (tensor.reshape(*tensor.shape, 1), among))
    return reduce(find("logical_or"), is_equal, -1, keepdims=False)


@public
def unique(
    x: TensorLike,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
) -> Any:
    """`numpy.unique` of a tensor of known value: the different elements, or slices, in order.

    Raises:
        ConcretizationError: `x` is being traced.
    """
    array = as_tensor(x).demand("unique")
    of_numpy: Callable[..., Any] = np.unique  # its overloads are by literal arguments
    found = of_numpy(array, return_index, return_inverse, return_counts, axis)
    return tuple(map(Tensor, found)) if isinstance(found, tuple) else Tensor(found)


def _of_sets(name: str, text: str) -> Any:
    of_numpy = getattr(np, name)

    @public
    def function(x: TensorLike, y: TensorLike) -> Tensor:
        a, b = promote_all([as_tensor(x), as_tensor(y)])
        return Tensor(of_numpy(a.demand(name), b.demand(name)))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The different elements {text}, in order, of tensors of known value."
    return function


union1d = _of_sets("union1d", "of two tensors")
intersect1d = _of_sets("intersect1d", "that two tensors have in common")
setdiff1d = _of_sets("setdiff1d", "of the first tensor that the second has not")
setxor1d = _of_sets("setxor1d", "that one of two tensors has and the other has not")
