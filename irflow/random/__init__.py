"""Random numbers from explicit keys.

    key = irf.random.key(0)
    a, b = irf.random.split(key)
    irf.random.normal(a, (3, 4))

A key is a tensor of two u32 words. Use each key once: split it, or fold a number in, to get more.
The bits come from the counter-based generator Philox-4x32-10 (Salmon et al., 2011).

Bits, integers, uniform numbers and Booleans are the same on every backend, bit for bit. Normal
numbers agree to about 3 units in the last place, as the backends' logarithms differ.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from irflow import dims, dtypes, ops
from irflow.dtypes import DType, DTypeLike
from irflow.errors import UsageError
from irflow.frontend.boundary import public
from irflow.frontend.tensor import Tensor, TensorLike, as_tensor
from irflow.ops import distributions


@public
def key(seed: int) -> Tensor:
    """A key from a number of up to 64 bits."""
    if isinstance(seed, bool) or not -(2**63) <= int(seed) < 2**64:
        raise UsageError(f"the seed {seed} does not fit in 64 bits")
    words = int(seed) % 2**64
    return Tensor(np.array([words & 0xFFFFFFFF, words >> 32], np.uint32))


def _checked(key: TensorLike) -> Tensor:
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
    keys = cast(Tensor, distributions.split_key(_checked(key), count))
    return tuple(keys[i] for i in range(count))


@public
def fold_in(key: TensorLike, data: TensorLike) -> Tensor:
    """A new key from a key and a number, such as a step count."""
    return cast(Tensor, distributions.fold_in(_checked(key), as_tensor(data).astype("u32")))


@public
def bits(key: TensorLike, shape: Any = ()) -> Tensor:
    """Uniform u32 numbers."""
    return cast(Tensor, ops.random_bits(_checked(key), _shape(shape)))


def _draw(key: TensorLike, shape: Any, dtype: DType) -> Tensor:
    return bits(key, distributions.bits_shape(_shape(shape), dtype))


@public
def uniform(
    key: TensorLike,
    shape: Any = (),
    dtype: DTypeLike = dtypes.f32,
    low: float = 0.0,
    high: float = 1.0,
) -> Tensor:
    """Numbers uniform in `[low, high)`."""
    target = dtypes.as_dtype(dtype)
    unit = cast(Tensor, distributions.uniform01(_draw(key, shape, target), target))
    return unit if (low, high) == (0.0, 1.0) else cast(Tensor, unit * (high - low) + low)


@public
def normal(key: TensorLike, shape: Any = (), dtype: DTypeLike = dtypes.f32) -> Tensor:
    """Numbers of the standard normal distribution."""
    target = dtypes.as_dtype(dtype)
    return cast(Tensor, distributions.normal(_draw(key, shape, target), target))


@public
def bernoulli(key: TensorLike, p: TensorLike = 0.5, shape: Any = ()) -> Tensor:
    """Booleans that are true with probability `p`: a number, or a tensor of the shape drawn."""
    if isinstance(p, (int, float)):
        return cast(Tensor, distributions.bernoulli(bits(key, shape), float(p)))
    tensor = as_tensor(p).astype("f32")
    wanted = _shape(shape) or tensor.shape
    return cast(
        Tensor, distributions.bernoulli(bits(key, wanted), ops.broadcast_to(tensor, wanted))
    )


@public
def randint(
    key: TensorLike, low: int, high: int, shape: Any = (), dtype: DTypeLike = dtypes.i64
) -> Tensor:
    """Integers in `[low, high)`."""
    target = dtypes.as_dtype(dtype)
    return cast(Tensor, distributions.randint(_draw(key, shape, target), low, high, target))


def _shape(shape: Any) -> tuple[dims.Size, ...]:
    return (shape,) if isinstance(shape, (int, dims.Dim)) else tuple(shape)
