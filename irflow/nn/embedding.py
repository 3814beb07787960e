"""Numbers of words, classes and places as vectors."""

from __future__ import annotations

from typing import cast

import numpy as np

from irflow import dtypes, ops
from irflow.dtypes import DTypeLike
from irflow.errors import ShapeError
from irflow.frontend.boundary import public
from irflow.frontend.tensor import Tensor, TensorLike, as_tensor, inexact
from irflow.nn.activations import row


@public
def one_hot(
    labels: TensorLike, depth: int, dtype: DTypeLike = dtypes.f32, *, axis: int = -1
) -> Tensor:
    """`depth` zeros with a one at each label, along a new axis; all zeros for a label outside."""
    hot = cast(Tensor, ops.one_hot(as_tensor(labels), depth, dtypes.as_dtype(dtype)))
    return hot if axis == -1 else cast(Tensor, ops.moveaxis(hot, -1, axis))


@public
def multi_hot(labels: TensorLike, depth: int, dtype: DTypeLike = dtypes.f32) -> Tensor:
    """One row a set of labels: `labels[..., k]` to `[..., depth]`, with a one at every label.

    For counts instead, sum `one_hot` along axis -2.
    """
    hot = one_hot(labels, depth, dtype)
    return hot.max(-2)


@public
def embedding(table: TensorLike, ids: TensorLike) -> Tensor:
    """The rows of `table[vocabulary, features]` at integer `ids`: `[*ids, features]`."""
    return as_tensor(table)[as_tensor(ids)]


@public
def rotary_embedding(
    x: TensorLike,
    positions: TensorLike | None = None,
    *,
    base: float = 10000.0,
    interleaved: bool = False,
) -> Tensor:
    """Pairs of features turned by an angle that grows with the position.

    Pair `j` of `d/2` turns by `position * base**(-2j/d)`, so that the product of a query and a key
    depends on their distance. Source: Su et al., "RoFormer", 2021.

    Args:
        x: `[..., length, heads, d]` with even `d`.
        positions: `[length]`, or `[n, length]` for one row an example; 0, 1, … by default.
        base: of the geometric series of wavelengths.
        interleaved: features `2j` and `2j + 1` make a pair, instead of `j` and `j + d/2`.

    Returns:
        The shape and type of `x`; angles are computed in f32 at least.

    Raises:
        ShapeError: `x` has fewer than three axes, or an odd number of features.
    """
    t = inexact(x)
    features = t.shape[-1] if t.ndim >= 3 else 0
    if not isinstance(features, int) or features < 2 or features % 2:
        raise ShapeError(
            "rotary_embedding: [..., length, heads, features] with even features is wanted",
            facts=[("x", t.type)],
        )
    wide = dtypes.compute_dtype(t.dtype)
    angles = _angles(t, positions, features, base)
    cosine, sine = row("cos", angles), row("sin", angles)
    pairs = (features // 2, 2) if interleaved else (2, features // 2)
    parted = t.astype(wide).reshape(*t.shape[:-1], *pairs)
    axis = -1 if interleaved else -2
    first, second = (ops.reshape(p, (*t.shape[:-1], features // 2)) for p in _halves(parted, axis))
    turned = ops.stack([first * cosine - second * sine, second * cosine + first * sine], axis)
    return cast(Tensor, ops.convert(ops.reshape(turned, t.shape), t.dtype))


def _halves(x: Tensor, axis: int) -> list[Tensor]:
    return ops.split(x, 2, axis)


def _angles(x: Tensor, positions: TensorLike | None, features: int, base: float) -> Tensor:
    """`[..., length, 1, features / 2]`."""
    wide = dtypes.compute_dtype(x.dtype)
    length = x.shape[-3]
    place = ops.iota(x, (length,)) if positions is None else as_tensor(positions)
    frequency = base ** (-np.arange(0, features, 2, dtype=np.float64) / features)
    turns = ops.convert(place, wide).reshape(*place.shape, 1, 1)
    return cast(Tensor, turns * as_tensor(frequency.astype(wide.numpy)))
