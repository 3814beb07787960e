"""Initializers that draw random numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from irflow import random
from irflow.dtypes import DTypeLike
from irflow.errors import ShapeError, UsageError
from irflow.frontend.conversion import asarray
from irflow.frontend.tensor import Tensor
from irflow.keras.initializers.initializer import Initializer, Shape, element_type
from irflow.keras.random import SeedGenerator, make_default_seed


class RandomInitializer(Initializer):
    """The base of the initializers that draw.

    Args:
        seed: a number, with which every call gives the same values; a `keras.random.SeedGenerator`,
            with which each call gives new ones; or None for a number from the global generator.
    """

    def __init__(self, seed: int | SeedGenerator | None = None) -> None:
        if seed is not None and not isinstance(seed, (int, np.integer, SeedGenerator)):
            raise UsageError(
                f"{type(self).__name__}: seed {seed!r}",
                hint="a number or a keras.random.SeedGenerator is wanted",
            )
        self._given = seed if isinstance(seed, SeedGenerator) or seed is None else int(seed)
        self.seed = make_default_seed() if self._given is None else self._given

    def key(self) -> Tensor:
        """The random key of the next call."""
        return self.seed.next() if isinstance(self.seed, SeedGenerator) else random.key(self.seed)

    def get_config(self) -> dict[str, Any]:
        return {"seed": self._given if isinstance(self._given, int) else None}


def _scaled(draw: Tensor, deviation: float, mean: float) -> Tensor:
    return asarray(draw * deviation + mean, draw.dtype)


class RandomNormal(RandomInitializer):
    """Normal numbers.

    Args:
        mean: theirs.
        stddev: their standard deviation.
        seed: as of `RandomInitializer`.
    """

    def __init__(
        self, mean: float = 0.0, stddev: float = 0.05, seed: int | SeedGenerator | None = None
    ) -> None:
        super().__init__(seed)
        self.mean = mean
        self.stddev = stddev

    def __call__(self, shape: Shape, dtype: DTypeLike | None = None) -> Tensor:
        drawn = random.normal(self.key(), tuple(shape), element_type(dtype))
        return _scaled(drawn, self.stddev, self.mean)

    def get_config(self) -> dict[str, Any]:
        return {"mean": self.mean, "stddev": self.stddev, **super().get_config()}


class TruncatedNormal(RandomNormal):
    """Normal numbers within two standard deviations of the mean; arguments as of `RandomNormal`."""

    def __call__(self, shape: Shape, dtype: DTypeLike | None = None) -> Tensor:
        drawn = random.truncated_normal(self.key(), tuple(shape), element_type(dtype))
        return _scaled(drawn, self.stddev, self.mean)


class RandomUniform(RandomInitializer):
    """Numbers uniform in `[minval, maxval)`; `seed` as of `RandomInitializer`."""

    def __init__(
        self, minval: float = -0.05, maxval: float = 0.05, seed: int | SeedGenerator | None = None
    ) -> None:
        super().__init__(seed)
        self.minval = minval
        self.maxval = maxval

    def __call__(self, shape: Shape, dtype: DTypeLike | None = None) -> Tensor:
        return random.uniform(
            self.key(), tuple(shape), element_type(dtype), self.minval, self.maxval
        )

    def get_config(self) -> dict[str, Any]:
        return {"minval": self.minval, "maxval": self.maxval, **super().get_config()}


class Orthogonal(RandomInitializer):
    """A matrix with orthogonal columns, or rows where these are fewer, of length `gain`.

    A weight of more axes is seen as a matrix whose columns are its last axis.
    Source: Saxe et al., "Exact solutions to the nonlinear dynamics of learning", 2014.

    Raises:
        ShapeError: the weight has fewer than two axes.
    """

    def __init__(self, gain: float = 1.0, seed: int | SeedGenerator | None = None) -> None:
        super().__init__(seed)
        self.gain = gain

    def __call__(self, shape: Shape, dtype: DTypeLike | None = None) -> Tensor:
        if len(shape) < 2:
            raise ShapeError(
                "Orthogonal: a weight of two or more axes is wanted",
                facts=[("shape", tuple(shape))],
            )
        rows, columns = math.prod(shape[:-1]), shape[-1]
        tall = (max(rows, columns), min(rows, columns))
        q, r = np.linalg.qr(np.asarray(random.normal(self.key(), tall), np.float64))
        q *= np.where(np.diagonal(r) < 0, -1.0, 1.0)
        matrix = q if rows >= columns else q.T
        return asarray(self.gain * matrix.reshape(tuple(shape)), element_type(dtype))

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain, **super().get_config()}
