"""Reductions over segments: rows that carry the same number are joined."""

from __future__ import annotations

from typing import cast

from irflow import dtypes, ops
from irflow.dims import Size
from irflow.errors import DTypeError, ShapeError
from irflow.frontend.boundary import public
from irflow.frontend.tensor import Tensor, TensorLike, as_tensor, inexact
from irflow.nn.activations import row
from irflow.scalars import find


@public
def segment_sum(data: TensorLike, segment_ids: TensorLike, num_segments: Size) -> Tensor:
    """The sum of the rows of each segment; 0 for one without rows.

    Args:
        data: `[n, ...]`.
        segment_ids: `[n]`, integers in any order; a row whose number is not in
            `0 … num_segments - 1` belongs nowhere.
        num_segments: how many there are.

    Returns:
        `[num_segments, ...]`.
    """
    return _joined("add", as_tensor(data), segment_ids, num_segments)


@public
def segment_prod(data: TensorLike, segment_ids: TensorLike, num_segments: Size) -> Tensor:
    """The product of the rows of each segment; 1 for one without rows. Arguments as above."""
    return _joined("multiply", as_tensor(data), segment_ids, num_segments)


@public
def segment_max(data: TensorLike, segment_ids: TensorLike, num_segments: Size) -> Tensor:
    """The largest element of each segment, the least number of the type for one without rows.

    The gradient is shared evenly among equal elements. Arguments as of `segment_sum`.
    """
    return _joined("max", as_tensor(data), segment_ids, num_segments)


@public
def segment_min(data: TensorLike, segment_ids: TensorLike, num_segments: Size) -> Tensor:
    """The least element of each segment, the largest number of the type for one without rows.

    The gradient is shared evenly among equal elements. Arguments as of `segment_sum`.
    """
    return _joined("min", as_tensor(data), segment_ids, num_segments)


@public
def segment_mean(data: TensorLike, segment_ids: TensorLike, num_segments: Size) -> Tensor:
    """The mean of the rows of each segment; 0 for one without rows. Arguments as above."""
    t = inexact(data)
    total = _joined("add", t, segment_ids, num_segments)
    ones = t.full(1, t.shape[:1], dtypes.compute_dtype(t.dtype))
    count = row("maximum", _joined("add", ones, segment_ids, num_segments), 1)
    divisor = count.reshape(num_segments, *(1,) * (t.ndim - 1))
    return cast(Tensor, ops.convert(total / divisor, t.dtype))


IDENTITIES = {"add": "add", "multiply": "multiply", "max": "maximum", "min": "minimum"}


def _joined(kind: str, data: Tensor, segment_ids: TensorLike, num_segments: Size) -> Tensor:
    ids = as_tensor(segment_ids)
    facts = [("data", data.type), ("segment_ids", ids.type)]
    if not ids.dtype.is_integer:
        raise DTypeError("segments: their numbers are integers", facts=facts)
    if ids.ndim != 1 or not data.ndim or ids.shape != data.shape[:1]:
        raise ShapeError("segments: one number a row is wanted", facts=facts)
    identity = find(IDENTITIES[kind]).identity
    assert identity is not None
    start = data.full(identity(data.dtype), (num_segments, *data.shape[1:]))
    return cast(Tensor, ops.scatter(start, ops.expand_dims(ids, -1), data, kind))
