"""Keys, and the shapes and bits that all draws begin with."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from irflow import dims, dtypes, ops
from irflow.dtypes import DType
from irflow.errors import UsageError
from irflow.frontend.boundary import public
from irflow.frontend.tensor import Tensor, TensorLike, as_tensor
from irflow.ops import distributions


@public
def key(seed: int) -> Tensor:
    """A key from a number of up to 64 bits."""
    if isinstance(seed, (bool, str, bytes)) or not hasattr(seed, "__int__"):
        raise UsageError(f"a seed is a whole number, not {seed!r}")
    if not -(2**63) <= int(seed) < 2**64:
        raise UsageError(f"the seed {seed} does not fit in 64 bits")
    words = int(seed) % 2**64
    return Tensor(np.array([words & 0xFFFFFFFF, words >> 32], np.uint32))


def checked(key: TensorLike) -> Tensor:
    """A key as a tensor; UsageError for what is none."""
    tensor = as_tensor(key)
    if tensor.dtype is not dtypes.u32 or tensor.shape != (2,):
        raise UsageError(
            f"a random key has type u32[2], not {tensor.type}",
            hint="make one with irf.random.key(seed)",
        )
    return tensor


@public
def split(key: TensorLike, count: int = 2) -> tuple[Tensor, ...]:
    """`count` new keys, independent of each other and of `key`'s own numbers."""
    keys = cast(Tensor, distributions.split_key(checked(key), count))
    return tuple(keys[i] for i in range(count))


@public
def fold_in(key: TensorLike, data: TensorLike) -> Tensor:
    """A new key from a key and a number, such as a step count."""
    return cast(Tensor, distributions.fold_in(checked(key), as_tensor(data).astype("u32")))


@public
def bits(key: TensorLike, shape: Any = ()) -> Tensor:
    """Uniform u32 numbers."""
    return cast(Tensor, ops.random_bits(checked(key), shape_of(shape)))


def draw(key: TensorLike, shape: Any, dtype: DType) -> Tensor:
    """The bits for numbers of an element type: two words each for f64 and integers."""
    return bits(key, distributions.bits_shape(shape_of(shape), dtype))


def shape_of(shape: Any) -> tuple[dims.Size, ...]:
    """A shape argument, which may be one size."""
    return (shape,) if isinstance(shape, (int, dims.Dim)) else tuple(shape)
