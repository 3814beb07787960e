"""Random numbers with Keras's names; their state is a `SeedGenerator`."""

from __future__ import annotations

import random as python_random
from typing import Any

import numpy as np

from irflow import nn, random
from irflow.errors import UsageError
from irflow.frontend import Tensor, Variable, as_tensor
from irflow.frontend.tracing import suspended
from irflow.keras import config
from irflow.keras.engine.naming import auto_name

_STEP = np.array([0, 1], np.uint32)


class SeedGenerator:
    """A source of random keys, a new one for each draw; also inside compiled functions.

    Args:
        seed: a number; one from Python's generator by default, which `set_random_seed` sets.
        name: unique by default.

    Attributes:
        state: a Variable `u32[2]`: the seed, and how many keys were taken.

    Raises:
        UsageError: the seed is no int.
    """

    def __init__(self, seed: int | None = None, name: str | None = None, **kwargs: Any) -> None:
        if seed is not None and not isinstance(seed, (int, np.integer)):
            raise UsageError(f"a seed is an int, not {seed!r}")
        self.name = name or auto_name(type(self).__name__)
        self._initial_seed = seed
        number = make_default_seed() if seed is None else int(seed) % 2**32
        with suspended():
            start = np.array([number, 0], np.uint32)
            self.state = Variable(start, name=f"{self.name}/state", trainable=False)

    def next(self, ordered: bool = True) -> Tensor:
        """The next key, `u32[2]`."""
        key = self.state.value
        self.state.assign(key + _STEP)
        return key

    def get_config(self) -> dict[str, Any]:
        """What makes an equal generator."""
        return {"seed": self._initial_seed, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SeedGenerator:
        """The generator that `get_config` describes."""
        return cls(**config)


_global: list[SeedGenerator] = []


def global_seed_generator() -> SeedGenerator:
    """The generator of draws without a seed."""
    if not _global:
        _global.append(SeedGenerator(name="global_seed_generator"))
    return _global[0]


def reset_global_seed_generator() -> None:
    """Let it be made anew when it is needed; used by `set_random_seed`."""
    _global.clear()


def make_default_seed() -> int:
    """A seed where none is given."""
    return python_random.randint(1, 10**9)


def draw_seed(seed: int | SeedGenerator | None) -> Tensor:
    """The key of one draw.

    Raises:
        UsageError: the seed is neither a number, a generator nor None.
    """
    if isinstance(seed, SeedGenerator):
        return seed.next()
    if seed is None:
        return global_seed_generator().next()
    if isinstance(seed, (int, np.integer)):
        return random.key(int(seed))
    raise UsageError(f"a seed is an int or a SeedGenerator, not {seed!r}")


def _dtype(dtype: Any) -> Any:
    return dtype or config.floatx()


def normal(
    shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: Any = None
) -> Tensor:
    """Normal numbers of a mean and a standard deviation."""
    drawn: Tensor = random.normal(draw_seed(seed), shape, _dtype(dtype)) * stddev + mean
    return drawn


def truncated_normal(
    shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: Any = None
) -> Tensor:
    """Normal numbers within two standard deviations."""
    drawn = random.truncated_normal(draw_seed(seed), shape, _dtype(dtype))
    scaled: Tensor = drawn * stddev + mean
    return scaled


def uniform(
    shape: Any, minval: float = 0.0, maxval: float = 1.0, dtype: Any = None, seed: Any = None
) -> Tensor:
    """Numbers from `minval` to below `maxval`."""
    drawn = random.uniform(draw_seed(seed), shape, _dtype(dtype))
    scaled: Tensor = drawn * (maxval - minval) + minval
    return scaled


def randint(shape: Any, minval: int, maxval: int, dtype: Any = "int32", seed: Any = None) -> Tensor:
    """Integers from `minval` to below `maxval`."""
    return random.randint(draw_seed(seed), minval, maxval, shape).astype(dtype)


def categorical(logits: Any, num_samples: int, dtype: Any = "int32", seed: Any = None) -> Tensor:
    """Class numbers `[batch, num_samples]` drawn by logits `[batch, classes]`."""
    rows = as_tensor(logits)
    key, shape = draw_seed(seed), (num_samples, rows.shape[0])
    return random.categorical(key, rows, shape=shape).T.astype(dtype)


def shuffle(x: Any, axis: int = 0, seed: Any = None) -> Tensor:
    """The slices along an axis in a random order."""
    return random.shuffle(draw_seed(seed), x, axis)


def dropout(inputs: Any, rate: float, noise_shape: Any = None, seed: Any = None) -> Tensor:
    """Elements set to zero at a rate, the others scaled up."""
    if noise_shape is not None:
        raise UsageError("keras.random.dropout takes no noise_shape; the Dropout layer does")
    return nn.dropout(as_tensor(inputs), rate, draw_seed(seed))


def gamma(shape: Any, alpha: Any, dtype: Any = None, seed: Any = None) -> Tensor:
    """Gamma numbers of shape parameter `alpha`."""
    return random.gamma(draw_seed(seed), alpha, shape).astype(_dtype(dtype))


def beta(shape: Any, alpha: Any, beta: Any, dtype: Any = None, seed: Any = None) -> Tensor:
    """Beta numbers."""
    return random.beta(draw_seed(seed), alpha, beta, shape).astype(_dtype(dtype))


def binomial(
    shape: Any, counts: Any, probabilities: Any, dtype: Any = None, seed: Any = None
) -> Tensor:
    """How many of `counts` trials succeed."""
    found = random.binomial(draw_seed(seed), counts, probabilities, shape)
    return found.astype(_dtype(dtype))


__all__ = [
    "SeedGenerator",
    "beta",
    "binomial",
    "categorical",
    "draw_seed",
    "dropout",
    "gamma",
    "make_default_seed",
    "normal",
    "randint",
    "shuffle",
    "truncated_normal",
    "uniform",
]
