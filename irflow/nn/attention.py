"""Attention: means of values, weighted by how well queries fit keys."""

from __future__ import annotations

import math
from typing import cast

from irflow import dims, dtypes, ops
from irflow.dims import Size
from irflow.errors import ShapeError, UsageError
from irflow.frontend.boundary import public
from irflow.frontend.promotion import promote_all
from irflow.frontend.tensor import Tensor, TensorLike, as_tensor, inexact
from irflow.nn.activations import row
from irflow.nn.dropout import dropout

_FEW_QUERIES = (0, 2)
"""So many have few scores, and products of rows go faster than blocks of queries; one query has a
form of its own."""


@public
def dot_product_attention(
    query: TensorLike,
    key: TensorLike,
    value: TensorLike,
    *,
    mask: TensorLike | None = None,
    bias: TensorLike | None = None,
    is_causal: bool = False,
    scale: TensorLike | None = None,
    dropout_rate: float = 0.0,
    dropout_key: TensorLike | None = None,
) -> Tensor:
    """`softmax(query keyᵀ * scale) value` for every head.

    Without dropout, compiled code keeps no array of `t` by `s` in memory, neither here nor in the
    gradient, unless that by a mask or bias of numbers is wanted.

    Args:
        query: `[n, t, heads, d]`, or without the batch axis.
        key: `[n, s, key_heads, d]`. Each of fewer heads than the query's serves a group of
            neighbouring ones.
        value: `[n, s, key_heads, e]`.
        mask: Booleans, false where a query must not see a key, or numbers that are added to the
            products: `[t, s]`, `[n, t, s]`, or what broadcasts to `[n, heads, t, s]`. A query that
            may see nothing gets the mean of all values.
        bias: numbers that are added to the products, in the shapes of `mask`.
        is_causal: query `i` sees keys `0 … i + s - t` only, so that the last one sees all.
        scale: of the products; `1 / sqrt(d)` by default.
        dropout_rate: the probability with which a weight is dropped.
        dropout_key: the random key for it.

    Returns:
        `[n, t, heads, e]`. Softmax is computed in f32 at least.

    Raises:
        ShapeError: ranks or numbers of heads do not fit.
    """
    q, k, v = promote_all([inexact(query), inexact(key), inexact(value)])
    if q.ndim == 3:
        q, k, v = (ops.expand_dims(x, 0) for x in (q, k, v))
    _check(q, k, v)
    terms = None if dropout_rate else _terms(q, k, v, bias, mask)
    if terms is not None:
        result = _attended(q, k, v, terms, scale, is_causal)
    else:
        weights = _weights(q, k, mask, bias, is_causal, scale)
        if dropout_rate:
            weights = dropout(weights, dropout_rate, _required(dropout_key))
        rows = _grouped(weights.astype(v.dtype), k.shape[2])
        found = ops.matmul(rows, _heads_first(v))
        result = ops.transpose(found.reshape(*weights.shape[:3], v.shape[-1]), (0, 2, 1, 3))
    return cast(
        Tensor, result if as_tensor(query).ndim == 4 else ops.reshape(result, result.shape[1:])
    )


def _attended(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    terms: list[Tensor],
    scale: TensorLike | None,
    is_causal: bool,
) -> Tensor:
    """Attention as one op, which backends compute without its scores in memory."""
    factor = _default_scale(q.shape[-1]) if scale is None else scale
    if not isinstance(factor, (int, float)):
        q, factor = q * factor, 1.0
    return cast(Tensor, ops.attention(q, k, v, terms, scale=factor, is_causal=is_causal))


def _terms(
    q: Tensor, k: Tensor, v: Tensor, bias: TensorLike | None, mask: TensorLike | None
) -> list[Tensor] | None:
    """What joins the scores, as the op takes it; None where the op does not serve."""
    if q.shape[1] in _FEW_QUERIES:
        return None
    known = (*q.shape[2:], *k.shape[2:], v.shape[-1])
    has_keys = (dims.bounds(k.shape[1])[0] or 0) >= 1
    if not has_keys or not all(isinstance(size, int) for size in known):
        return None
    given = [as_tensor(term) for term in (bias, mask) if term is not None]
    if [term.dtype is dtypes.bool_ for term in given] == [True, False]:
        return None  # The op adds numbers before it chooses.
    shape = (q.shape[0], q.shape[2], q.shape[1], k.shape[1])
    found = [_fitted(term, q) for term in given]
    return found if all(_broadcasts(term.shape, shape) for term in found) else None


def _fitted(term: Tensor, q: Tensor) -> Tensor:
    """A term with four axes: those of a rank of three are batch, queries and keys."""
    if term.ndim == 3:
        term = cast(Tensor, ops.expand_dims(term, 1))
    if term.ndim < 4:
        term = term.reshape(*(1,) * (4 - term.ndim), *term.shape)
    is_choice = term.dtype is dtypes.bool_
    return term if is_choice else term.astype(dtypes.compute_dtype(q.dtype))


def _broadcasts(shape: tuple[Size, ...], wanted: tuple[Size, ...]) -> bool:
    """Whether each size is known to be 1 or that wanted."""
    pairs = zip(shape, wanted, strict=False)
    return len(shape) == len(wanted) and all(a == 1 or a == b for a, b in pairs)


@public
def attention_weights(
    query: TensorLike,
    key: TensorLike,
    *,
    mask: TensorLike | None = None,
    bias: TensorLike | None = None,
    is_causal: bool = False,
    scale: TensorLike | None = None,
) -> Tensor:
    """The weights of `dot_product_attention` before dropout: `[n, heads, t, s]`, sums of 1."""
    q, k = promote_all([inexact(query), inexact(key)])
    if q.ndim == 3:
        q, k = (ops.expand_dims(x, 0) for x in (q, k))
    _check(q, k, k)
    return _weights(q, k, mask, bias, is_causal, scale).astype(q.dtype)


def _weights(
    q: Tensor,
    k: Tensor,
    mask: TensorLike | None,
    bias: TensorLike | None,
    is_causal: bool,
    scale: TensorLike | None,
) -> Tensor:
    batch, length, heads, features = q.shape
    factor = _default_scale(features) if scale is None else scale
    keys = ops.transpose(k, (0, 2, 3, 1))
    products = ops.matmul(_grouped(_heads_first(q) * factor, k.shape[2]), keys)
    shape = (batch, heads, length, k.shape[1])
    logits = ops.reshape(products, shape).astype(dtypes.compute_dtype(q.dtype))
    for term in (bias, mask):
        logits = logits if term is None else _joined(logits, as_tensor(term))
    if is_causal:
        logits = _joined(logits, causal_mask(length, k.shape[1]))
    return cast(Tensor, ops.softmax(logits, -1))


def _default_scale(features: Size) -> float:
    if not isinstance(features, int):
        raise ShapeError("attention: the number of features has to be known, or a scale given")
    return 1 / math.sqrt(features)


def _heads_first(x: Tensor) -> Tensor:
    return cast(Tensor, ops.transpose(x, (0, 2, 1, 3)))


def _grouped(x: Tensor, groups: Size) -> Tensor:
    """`[n, heads, t, d]` with the heads of a group under each other: `[n, groups, rows, d]`."""
    batch, heads, length, features = x.shape
    return x.reshape(batch, groups, heads // groups * length, features)


def _joined(logits: Tensor, term: Tensor) -> Tensor:
    """Products under a mask of Booleans, or with numbers added."""
    fitting = term
    if term.ndim == 3:
        fitting = ops.expand_dims(term, 1)
    if term.dtype is dtypes.bool_:
        return row("where", fitting, logits, -3e38)
    return cast(Tensor, logits + fitting.astype(logits.dtype))


@public
def causal_mask(length: Size, keys: Size | None = None) -> Tensor:
    """Booleans `[length, keys]`, true where query `i` may see key `j`: `j <= i + keys - length`."""
    columns = length if keys is None else keys
    here = as_tensor(False)
    i, j = (ops.iota(here, (length, columns), axis) for axis in (0, 1))
    offset = ops.size_of(here, columns - length, dtypes.i64)
    return cast(Tensor, j <= i + offset)


def _check(q: Tensor, k: Tensor, v: Tensor) -> None:
    facts = [("query", q.type), ("key", k.type), ("value", v.type)]
    if (q.ndim, k.ndim, v.ndim) != (4, 4, 4):
        raise ShapeError("attention: [batch, length, heads, features] is wanted", facts=facts)
    heads, groups = q.shape[2], k.shape[2]
    is_uneven = isinstance(heads, int) and isinstance(groups, int) and heads % groups != 0
    if is_uneven or groups != v.shape[2]:
        raise ShapeError("attention: the heads do not fit", facts=facts)


def _required(key: TensorLike | None) -> TensorLike:
    if key is None:
        raise UsageError("attention: dropout needs a random key, dropout_key")
    return key


@public
def additive_attention(
    query: TensorLike,
    key: TensorLike,
    value: TensorLike,
    *,
    scale: TensorLike | None = None,
    mask: TensorLike | None = None,
) -> Tensor:
    """Means of `value` weighted by `softmax(sum(scale * tanh(query + key)))`.

    Source: Bahdanau et al., 2015.

    Args:
        query: `[n, t, d]`.
        key: `[n, s, d]`.
        value: `[n, s, e]`.
        scale: `[d]`; ones by default.
        mask: as of `dot_product_attention`, `[t, s]` or `[n, t, s]`.

    Returns:
        `[n, t, e]`.
    """
    q, k, v = promote_all([inexact(query), inexact(key), inexact(value)])
    joined = row("tanh", ops.expand_dims(q, 2) + ops.expand_dims(k, 1))
    weighted = joined if scale is None else joined * as_tensor(scale)
    logits = cast(Tensor, weighted).sum(-1)
    if mask is not None:
        term = as_tensor(mask)
        is_choice = term.dtype is dtypes.bool_
        logits = row("where", term, logits, _lowest(logits)) if is_choice else logits + term
    return cast(Tensor, ops.matmul(ops.softmax(logits, -1), v))


def _lowest(x: Tensor) -> float:
    return -6e4 if x.dtype is dtypes.f16 else -3e38


@public
def multi_head_attention(
    query: TensorLike,
    key: TensorLike,
    value: TensorLike,
    kernels: tuple[TensorLike, TensorLike, TensorLike, TensorLike],
    biases: tuple[TensorLike | None, ...] = (None, None, None, None),
    *,
    mask: TensorLike | None = None,
    is_causal: bool = False,
    scale: TensorLike | None = None,
    dropout_rate: float = 0.0,
    dropout_key: TensorLike | None = None,
) -> Tensor:
    """Queries, keys and values projected to heads, attention, and the heads joined again.

    Args:
        query: `[n, t, features]`.
        key: `[n, s, features]`.
        value: `[n, s, features]`.
        kernels: for query `[features, heads, d]`, key and value (perhaps with fewer heads), and
            for the result `[heads, e, out]`.
        biases: `[heads, d]` for query, key and value, `[out]` for the result; None for none.
        mask: as of `dot_product_attention`, like the following.
        is_causal: query `i` sees keys `0 … i + s - t` only.
        scale: of the products.
        dropout_rate: the probability with which a weight is dropped.
        dropout_key: the random key for it.

    Returns:
        `[n, t, out]`.
    """
    q, k, v = (
        _projected(x, kernel, bias)
        for x, kernel, bias in zip((query, key, value), kernels[:3], biases[:3], strict=True)
    )
    found = dot_product_attention(
        q,
        k,
        v,
        mask=mask,
        is_causal=is_causal,
        scale=scale,
        dropout_rate=dropout_rate,
        dropout_key=dropout_key,
    )
    last = as_tensor(kernels[3])
    flat = ops.reshape(last, (last.shape[0] * last.shape[1], last.shape[2]))
    result = found.reshape(*found.shape[:2], flat.shape[0]) @ flat
    return cast(Tensor, result if biases[3] is None else result + biases[3])


def _projected(x: TensorLike, kernel: TensorLike, bias: TensorLike | None) -> Tensor:
    w = as_tensor(kernel)
    features, heads, size = w.shape
    found = inexact(x) @ ops.reshape(w, (features, heads * size))
    parted = found.reshape(*found.shape[:-1], heads, size)
    return cast(Tensor, parted if bias is None else parted + bias)
