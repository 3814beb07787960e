"""Running sums and products, sorting, the largest elements, places in sorted sequences."""

from __future__ import annotations

from typing import cast

from irflow import dtypes, ops
from irflow.dtypes import DTypeLike
from irflow.errors import ShapeError, UsageError
from irflow.frontend.boundary import public
from irflow.frontend.promotion import normalize_axis, promote_all
from irflow.frontend.tensor import Tensor, TensorLike, as_tensor
from irflow.scalars import Scalar, find

__all__ = [
    "argsort",
    "cumprod",
    "cumsum",
    "cumulative_prod",
    "cumulative_sum",
    "searchsorted",
    "sort",
    "top_k",
]


@public
def cumsum(x: TensorLike, axis: int | None = None, dtype: DTypeLike | None = None) -> Tensor:
    """The sums of the elements so far along `axis`, of all elements in one row by default.

    Args:
        x: `[...]`; bools and small integers are summed as 64-bit integers, 16-bit floats in f32.
        axis: along which to sum.
        dtype: the element type to sum in, instead.

    Returns:
        The shape of `x`, or one axis when `axis` is None.
    """
    return _scan("add", as_tensor(x), axis, dtype)


@public
def cumprod(x: TensorLike, axis: int | None = None, dtype: DTypeLike | None = None) -> Tensor:
    """The products of the elements so far along `axis`; arguments and types are as of `cumsum`."""
    return _scan("multiply", as_tensor(x), axis, dtype)


@public
def cumulative_sum(
    x: TensorLike,
    *,
    axis: int | None = None,
    dtype: DTypeLike | None = None,
    include_initial: bool = False,
) -> Tensor:
    """The array API standard's `cumsum`: `include_initial` puts a 0 in front.

    Raises:
        UsageError: no axis is named and `x` has not exactly one.
    """
    return _standard("cumulative_sum", "add", as_tensor(x), axis, dtype, include_initial)


@public
def cumulative_prod(
    x: TensorLike,
    *,
    axis: int | None = None,
    dtype: DTypeLike | None = None,
    include_initial: bool = False,
) -> Tensor:
    """The array API standard's `cumprod`: `include_initial` puts a 1 in front.

    Raises:
        UsageError: no axis is named and `x` has not exactly one.
    """
    return _standard("cumulative_prod", "multiply", as_tensor(x), axis, dtype, include_initial)


def _standard(
    name: str, row: str, x: Tensor, axis: int | None, dtype: DTypeLike | None, initial: bool
) -> Tensor:
    if axis is None and x.ndim != 1:
        raise UsageError(
            f"{name}: name the axis of a tensor that has not exactly one",
            facts=[("operand", x.type, f"rank {x.ndim}")],
        )
    place = normalize_axis(0 if axis is None else axis, x.ndim)
    result = _scan(row, x, place, dtype)
    if not initial:
        return result
    shape = tuple(1 if a == place else size for a, size in enumerate(x.shape))
    first = result.full(_identity(find(row), result), shape)
    return cast(Tensor, ops.concatenate([first, result], place))


def _identity(row: Scalar, like: Tensor) -> object:
    assert row.identity is not None
    return row.identity(like.dtype)


def _scan(row: str, x: Tensor, axis: int | None, dtype: DTypeLike | None) -> Tensor:
    wide = {"bool": dtypes.i64, "int": dtypes.i64, "uint": dtypes.u64}.get(x.dtype.kind, x.dtype)
    operand = ops.convert(x, wide if dtype is None else dtypes.as_dtype(dtype))
    if axis is None:
        operand = ops.reshape(operand, (x.size,))
    place = normalize_axis(axis or 0, operand.ndim)
    return cast(Tensor, ops.cumulative(find(row), operand, place))


@public
def sort(
    x: TensorLike,
    axis: int | None = -1,
    *,
    descending: bool = False,
    stable: bool = True,  # noqa: ARG001  the standard's argument: the order is always stable
) -> Tensor:
    """The elements in ascending order along `axis`; NaN comes last.

    Args:
        x: real numbers or bools, `[...]`.
        axis: along which to sort; None sorts all elements in one row.
        descending: the largest first, and NaN before them.
        stable: whether equal elements keep their order; they always do.
    """
    tensor, place = _in_one_row(as_tensor(x), axis)
    result = ops.sort([tensor], place)[0]
    return cast(Tensor, ops.flip(result, place) if descending else result)


@public
def argsort(
    x: TensorLike,
    axis: int | None = -1,
    *,
    descending: bool = False,
    stable: bool = True,  # noqa: ARG001  the standard's argument: the order is always stable
) -> Tensor:
    """The positions, `i64`, of the elements in the order of `sort`; equal ones keep theirs."""
    tensor, place = _in_one_row(as_tensor(x), axis)
    if not descending:
        return cast(Tensor, ops.argsort(tensor, place))
    # Of equal elements the last comes first when everything is reversed, so it is done twice.
    backwards = ops.flip(ops.argsort(ops.flip(tensor, place), place), place)
    last = ops.size_of(tensor, tensor.shape[place] - 1, dtypes.i64)
    return cast(Tensor, last - backwards)


def _in_one_row(x: Tensor, axis: int | None) -> tuple[Tensor, int]:
    if axis is None:
        return cast(Tensor, ops.reshape(x, (x.size,))), 0
    return x, normalize_axis(axis, x.ndim)


@public
def top_k(x: TensorLike, k: int, axis: int = -1) -> tuple[Tensor, Tensor]:
    """The `k` largest elements along `axis`, descending, and their positions.

    Args:
        x: real numbers or bools, `[..., n]`; NaN counts as larger than all numbers.
        k: at most `n`.
        axis: where to look.

    Returns:
        `[..., k]` twice: elements, and `i64` positions; of equal elements the first comes first.

    Raises:
        ShapeError: there are fewer than `k` elements.

    >>> top_k(np.array([3, 1, 4, 1, 5]), 2)
    (Tensor([5, 4], dtype=i64), Tensor([4, 2], dtype=i64))
    """
    tensor = as_tensor(x)
    values, order = ops.top_k(ops.moveaxis(tensor, axis, -1), k)
    return ops.moveaxis(values, -1, axis), ops.moveaxis(order, -1, axis)


@public
def searchsorted(
    x1: TensorLike, x2: TensorLike, side: str = "left", sorter: TensorLike | None = None
) -> Tensor:
    """Where the elements of `x2` would be put into `x1` so that it stays sorted.

    Args:
        x1: `[n]`, ascending, or made so by `sorter`.
        x2: `[...]`.
        side: "left" of equal elements, or "right".
        sorter: positions that sort `x1`, as `argsort` gives them.

    Returns:
        `i64[...]`, the shape of `x2`.
    """
    sequence, values = promote_all([as_tensor(x1), as_tensor(x2)])
    if sequence.ndim != 1:
        facts = [("x1", sequence.type, f"rank {sequence.ndim}")]
        raise ShapeError("searchsorted: x1 has one axis", facts=facts)
    if sorter is not None:
        sequence = ops.take(sequence, as_tensor(sorter), 0)
    return cast(Tensor, ops.search_sorted(sequence, values, side))
