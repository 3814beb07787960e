"""Attention with all its scores in memory: in arrays, and in terms of simpler ops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from irflow import dtypes
from irflow.dims import Size
from irflow.ops.broadcast import broadcast, expand, reduce, reduce_sum, reshape
from irflow.ops.elementwise import convert
from irflow.ops.functions import iota, size_of, where
from irflow.ops.matmul import accumulator, matmul, matrix_transpose
from irflow.ops.shape import transpose
from irflow.scalars import find

BLOCKED = float(np.float32(-3e38))
"""The score of a key that a query may not see. Where a query sees none, all count the same."""

# ------------------------------------------------------------------------------------- in arrays

Array = np.ndarray


def probabilities(
    q: Array, k: Array, terms: Sequence[Array], scale: float, is_causal: bool
) -> tuple[Array, Array, Array]:
    """`exp(scores - top)` as `[*b, h, t, s]`, and the numbers `top` and their sum of each query."""
    scores = _scores(q, k, terms, scale, is_causal)
    top = scores.max(axis=-1)
    top = np.where(np.isfinite(top), top, scores.dtype.type(0))
    powers = np.exp(scores - top[..., None])
    return powers, top, powers.sum(axis=-1)


def attended(powers: Array, total: Array, v: Array) -> Array:
    """Means of the values: `[*b, t, h, e]`."""
    groups = v.shape[-2]
    rows = _under_each_other(powers * (1 / total)[..., None], groups)
    found = rows @ np.swapaxes(v.astype(powers.dtype, copy=False), -3, -2)
    whole = found.reshape(*powers.shape[:-1], v.shape[-1])
    return np.asarray(np.swapaxes(whole, -3, -2))


def gradients(
    q: Array,
    k: Array,
    v: Array,
    g: Array,
    numbers: tuple[Array, Array, Array],
    terms: Sequence[Array],
    scale: float,
    is_causal: bool,
) -> tuple[Array, Array, Array]:
    """The gradients by queries, keys and values; `numbers` are `delta`, `top` and `total`."""
    delta, top, total = numbers
    wide, groups = accumulator(q.dtype), k.shape[-2]
    q, k, v, g = (x.astype(wide, copy=False) for x in (q, k, v, g))
    weights = np.exp(_scores(q, k, terms, scale, is_causal) - top[..., None]) / total[..., None]
    rows, outer = _under_each_other(weights, groups), _rows(g, groups)
    by_weight = (outer @ np.moveaxis(v, -3, -1)).reshape(weights.shape)
    inner = weights * (by_weight - np.swapaxes(delta, -1, -2)[..., None])
    for mask in _masks(terms, inner.shape, is_causal):
        inner = np.where(mask, inner, wide.type(0))
    inner = _under_each_other(inner, groups)
    by_query = (inner @ np.swapaxes(k, -3, -2)).reshape(*weights.shape[:-1], q.shape[-1])
    by_key = np.swapaxes(inner, -1, -2) @ _rows(q, groups)
    by_value = np.swapaxes(rows, -1, -2) @ outer
    factor = wide.type(scale)
    found = by_query * factor, by_key * factor, by_value
    first, second, third = (np.swapaxes(x, -3, -2) for x in found)
    return first, second, third


def _scores(
    q: Array, k: Array, terms: Sequence[Array], scale: float, is_causal: bool
) -> np.ndarray:
    wide, (*batch, length, heads, _) = accumulator(q.dtype), q.shape
    rows = _rows(q.astype(wide, copy=False) * wide.type(scale), k.shape[-2])
    products = rows @ np.moveaxis(k.astype(wide, copy=False), -3, -1)
    scores = products.reshape(*batch, heads, length, k.shape[-3])
    for term in terms:
        if term.dtype != bool:
            scores = scores + term.astype(wide, copy=False)
    for mask in _masks(terms, scores.shape, is_causal):
        scores = np.where(mask, scores, wide.type(BLOCKED))
    return np.asarray(scores)


def _masks(terms: Sequence[Array], shape: tuple[int, ...], is_causal: bool) -> list[Array]:
    found = [term for term in terms if term.dtype == bool]
    if is_causal:
        length, keys = shape[-2:]
        found.append(np.arange(keys) <= np.arange(length)[:, None] + (keys - length))
    return found


def _rows(x: Array, groups: int) -> Array:
    """`[*b, t, h, d]` as rows: `[*b, groups, h / groups * t, d]`."""
    return _under_each_other(np.swapaxes(x, -3, -2), groups)


def _under_each_other(x: Array, groups: int) -> Array:
    """`[*b, h, t, d]` with the heads of a group under each other."""
    *batch, heads, length, size = x.shape
    return x.reshape(*batch, groups, heads // groups * length, size)


# ---------------------------------------------------------------------------- in terms of other ops


def composed(inputs: Sequence[Any], scale: float, is_causal: bool) -> tuple[Any, Any, Any]:
    """`Attention` with statistics, of `inputs` as that op takes them."""
    q, k, v, *terms = inputs
    scores = _joined_scores(q, k, terms, scale, is_causal)
    top = reduce(find("maximum"), scores, [scores.ndim - 1])
    top = where(find("isfinite")(top), top, 0)
    powers = find("exp")(scores - _spread(top, scores))
    total = reduce_sum(powers, [scores.ndim - 1])
    weights = powers * _spread(1 / total, scores)
    wide = convert(v, scores.dtype)
    rows = matmul(_stacked(weights, v.shape[-2]), _heads_first(wide))
    result = _heads_first(reshape(rows, (*scores.shape[:-1], v.shape[-1])))
    return convert(result, q.dtype), top, total


def composed_gradients(inputs: Sequence[Any], scale: float, is_causal: bool) -> tuple[Any, ...]:
    """`AttentionGradient`, of `inputs` as that op takes them."""
    q, k, _, g, *_ = inputs
    weights, inner = score_gradients(inputs, scale, is_causal)
    wide, groups = weights.dtype, k.shape[-2]
    rows = _stacked(inner, groups)
    whole = (*weights.shape[:-1], q.shape[-1])
    keys, queries, outer = (convert(x, wide) for x in (k, q, g))
    by_query = reshape(matmul(rows, _heads_first(keys)), whole) * scale
    stacked = _stacked(_heads_first(queries), groups)
    by_key = matmul(matrix_transpose(rows), stacked) * scale
    grown = _stacked(_heads_first(outer), groups)
    by_value = matmul(matrix_transpose(_stacked(weights, groups)), grown)
    return tuple(convert(_heads_first(x), q.dtype) for x in (by_query, by_key, by_value))


def score_gradients(inputs: Sequence[Any], scale: float, is_causal: bool) -> tuple[Any, Any]:
    """The weights, and the gradients by the scores, of what `AttentionGradient` takes."""
    q, k, v, g, delta, top, total, *terms = inputs
    scores = _joined_scores(q, k, terms, scale, is_causal)
    wide = scores.dtype
    weights = find("exp")(scores - _spread(top, scores)) / _spread(total, scores)
    outer = _stacked(_heads_first(convert(g, wide)), v.shape[-2])
    by_weight = matmul(outer, _features_first(convert(v, wide)))
    turned = transpose(delta, (*range(delta.ndim - 2), delta.ndim - 1, delta.ndim - 2))
    inner = weights * (reshape(by_weight, scores.shape) - _spread(turned, scores))
    for mask in _joined_masks(scores, terms, is_causal):
        inner = where(mask, inner, 0)
    return weights, inner


def _joined_scores(q: Any, k: Any, terms: Sequence[Any], scale: float, is_causal: bool) -> Any:
    wide = dtypes.compute_dtype(q.dtype)
    *batch, length, heads, _ = q.shape
    rows = _stacked(_heads_first(convert(q, wide) * scale), k.shape[-2])
    products = matmul(rows, _features_first(convert(k, wide)))
    scores = reshape(products, (*batch, heads, length, k.shape[-3]))
    for term in terms:
        if term.dtype is not dtypes.bool_:
            scores = scores + _fitted(convert(term, wide), scores.shape)
    for mask in _joined_masks(scores, terms, is_causal):
        scores = where(mask, scores, BLOCKED)
    return scores


def _joined_masks(scores: Any, terms: Sequence[Any], is_causal: bool) -> list[Any]:
    masks = [_fitted(term, scores.shape) for term in terms if term.dtype is dtypes.bool_]
    if is_causal:
        length, keys = scores.shape[-2:]
        here, there = (iota(scores, (length, keys), axis) for axis in (0, 1))
        offset = size_of(scores, keys - length, dtypes.i64)
        seen = find("less_equal")(there, here + broadcast(offset, (length, keys), ()))
        masks.append(_fitted(seen, scores.shape))
    return masks


def _fitted(term: Any, shape: Sequence[Size]) -> Any:
    """A term broadcast to the shape of the scores."""
    rank = len(shape)
    return broadcast(term, shape, range(rank - term.ndim, rank))


def _spread(numbers: Any, scores: Any) -> Any:
    """A number a query, for each of its scores."""
    return expand(numbers, scores.shape, [scores.ndim - 1])


def _heads_first(x: Any) -> Any:
    """Axes `[*b, t, h, d]` and `[*b, h, t, d]` exchanged."""
    rank = x.ndim
    return transpose(x, (*range(rank - 3), rank - 2, rank - 3, rank - 1))


def _features_first(x: Any) -> Any:
    """`[*b, s, g, d]` as `[*b, g, d, s]`."""
    rank = x.ndim
    return transpose(x, (*range(rank - 3), rank - 2, rank - 1, rank - 3))


def _stacked(x: Any, groups: int) -> Any:
    """`[*b, h, t, d]` with the heads of a group under each other: `[*b, groups, rows, d]`."""
    *batch, heads, length, size = x.shape
    return reshape(x, (*batch, groups, heads // groups * length, size))
