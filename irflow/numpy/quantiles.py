"""Order statistics: medians, quantiles, percentiles."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from irflow import dims, dtypes, ops
from irflow.errors import UsageError
from irflow.frontend.boundary import public
from irflow.frontend.promotion import axes_of
from irflow.frontend.reductions import Axis
from irflow.frontend.tensor import Tensor, TensorLike, apply_row, as_tensor, inexact
from irflow.numpy.elementwise import clip, round, where
from irflow.numpy.manipulation import moveaxis
from irflow.scalars import find

METHODS = ("linear", "lower", "higher", "nearest", "midpoint")


@public
def quantile(
    x: TensorLike, q: TensorLike, axis: Axis = None, keepdims: bool = False, method: str = "linear"
) -> Tensor:
    """The values below which a part `q` of the elements along `axis` lies.

    Args:
        x: real numbers.
        q: from 0 to 1, of any shape.
        axis: one axis, several, or all by default.
        keepdims: whether these axes stay with size 1.
        method: what is taken between two elements: "linear", a point between them; "lower",
            "higher", "nearest", or "midpoint".

    Returns:
        The shape of `q`, then that of `x` without the axes; NaN where an element is NaN.

    Raises:
        UsageError: another method; a known `q` outside of 0 to 1.
    """
    return _quantiles("quantile", x, q, axis, keepdims, method, skips_nan=False)


@public
def nanquantile(
    x: TensorLike, q: TensorLike, axis: Axis = None, keepdims: bool = False, method: str = "linear"
) -> Tensor:
    """`quantile` of the elements that are not NaN; NaN where there are none."""
    return _quantiles("nanquantile", x, q, axis, keepdims, method, skips_nan=True)


@public
def percentile(
    x: TensorLike, q: TensorLike, axis: Axis = None, keepdims: bool = False, method: str = "linear"
) -> Tensor:
    """`quantile` with `q` from 0 to 100."""
    return _quantiles("percentile", x, _parts(q), axis, keepdims, method, skips_nan=False)


@public
def nanpercentile(
    x: TensorLike, q: TensorLike, axis: Axis = None, keepdims: bool = False, method: str = "linear"
) -> Tensor:
    """`nanquantile` with `q` from 0 to 100."""
    return _quantiles("nanpercentile", x, _parts(q), axis, keepdims, method, skips_nan=True)


@public
def median(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The middle element along `axis`, the mean of the two middle ones of an even number."""
    return _quantiles("median", x, 0.5, axis, keepdims, "linear", skips_nan=False)


@public
def nanmedian(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The median of the elements that are not NaN."""
    return _quantiles("nanmedian", x, 0.5, axis, keepdims, "linear", skips_nan=True)


def _parts(percent: TensorLike) -> Tensor:
    return cast(Tensor, _positions(percent) / 100)


def _positions(q: TensorLike) -> Tensor:
    """In f64: places in long axes need more digits than f32 has."""
    given = np.asarray(q, np.float64) if isinstance(q, (int, float, list, tuple)) else q
    return as_tensor(given).astype(dtypes.f64)


def _quantiles(
    name: str,
    x: TensorLike,
    q: TensorLike,
    axis: Axis,
    keepdims: bool,
    method: str,
    skips_nan: bool,
) -> Tensor:
    if method not in METHODS:
        raise UsageError(f"{name}: method {method!r}", facts=[("known", ", ".join(METHODS))])
    tensor, part = inexact(x), _positions(q)
    known = part.concrete()
    if known is not None and not np.all((known >= 0) & (known <= 1)):
        raise UsageError(f"{name}: there is no such part of the elements", facts=[("q", known)])
    axes = axes_of(axis, tensor.ndim)
    rows = _rows(tensor, axes)
    result = _pick(ops.sort([rows], rows.ndim - 1)[0], part.reshape(-1), method, skips_nan)
    kept = tuple(size for a, size in enumerate(tensor.shape) if a not in axes)
    if keepdims:
        kept = tuple(1 if a in axes else size for a, size in enumerate(tensor.shape))
    return cast(Tensor, ops.reshape(moveaxis(result, -1, 0), (*part.shape, *kept)))


def _rows(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """The axes joined to one at the end, the others in front of it."""
    others = tuple(a for a in range(x.ndim) if a not in axes)
    length = dims.product(tuple(x.shape[a] for a in axes))
    moved = ops.transpose(x, (*others, *axes))
    return cast(Tensor, ops.reshape(moved, (*(x.shape[a] for a in others), length)))


def _pick(ordered: Any, q: Tensor, method: str, skips_nan: bool) -> Tensor:
    """The quantiles `q[k]` of sorted rows `[*b, n]`, `[*b, k]`; NaN are sorted to the end."""
    is_nan = apply_row(find("isnan"), (ordered,))
    size = ops.size_of(ordered, ordered.shape[-1], dtypes.i64)
    if skips_nan:
        count = size - is_nan.astype("i64").sum(-1, keepdims=True)
    else:
        count = ops.broadcast_to(size, (*ordered.shape[:-1], 1))
    places = q * clip(count - 1, 0).astype(dtypes.f64)
    low = apply_row(find("floor"), (places,))
    high = apply_row(find("ceil"), (places,))
    if method == "nearest":
        low = high = round(places)
    first, last = (_take(ordered, i) for i in (low, high))
    if method in ("lower", "higher", "nearest"):
        result = last if method == "higher" else first
    else:
        part = (places - low).astype(ordered.dtype) if method == "linear" else 0.5
        is_same = apply_row(find("equal"), (first, last))  # infinities have no difference
        result = first + where(is_same, 0, last - first) * part
    if skips_nan:
        return cast(Tensor, result)
    return where(is_nan.max(-1, keepdims=True), float("nan"), result)


def _take(ordered: Any, places: Tensor) -> Any:
    return ops.take_along_axis(ordered, places.astype("i64"), ordered.ndim - 1)
