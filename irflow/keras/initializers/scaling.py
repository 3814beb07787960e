"""Initializers whose scale follows from the number of inputs and outputs of a weight."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from irflow import random
from irflow.dtypes import DTypeLike
from irflow.errors import UsageError
from irflow.frontend.conversion import asarray
from irflow.frontend.tensor import Tensor
from irflow.keras.initializers.draws import RandomInitializer
from irflow.keras.initializers.initializer import Shape, element_type
from irflow.keras.random import SeedGenerator

MODES = ("fan_in", "fan_out", "fan_avg")
DISTRIBUTIONS = ("truncated_normal", "untruncated_normal", "uniform")

# The standard deviation of a standard normal number that lies in [-2, 2].
TRUNCATED_DEVIATION = 0.8796256610342398

Seed = int | SeedGenerator | None
Axes = Sequence[int] | None


def compute_fans(
    shape: Shape, input_axes: Axes = None, output_axes: Axes = None
) -> tuple[int, int]:
    """How many inputs an output of a weight has, and how many outputs an input.

    Args:
        shape: `[inputs, outputs]`, or the kernel of a convolution `[*window, inputs, outputs]`.
        input_axes: which axes count as inputs, where it is neither.
        output_axes: which count as outputs; given together with `input_axes`.
    """
    if input_axes is not None and output_axes is not None:
        return math.prod(shape[i] for i in input_axes), math.prod(shape[i] for i in output_axes)
    if len(shape) < 2:
        return (shape[0], shape[0]) if shape else (1, 1)
    window = math.prod(shape[:-2])
    return shape[-2] * window, shape[-1] * window


class VarianceScaling(RandomInitializer):
    """Numbers of mean 0 and variance `scale / n`.

    Args:
        scale: positive.
        mode: what `n` is: `"fan_in"` the number of inputs, `"fan_out"` of outputs, `"fan_avg"`
            their mean.
        distribution: `"truncated_normal"` (also `"normal"`), `"untruncated_normal"` or `"uniform"`.
        seed: as of `RandomInitializer`.
        input_axes: as of `compute_fans`.
        output_axes: as of `compute_fans`.

    Raises:
        UsageError: the scale is not positive, or mode or distribution have an unknown name.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: Seed = None,
        input_axes: Axes = None,
        output_axes: Axes = None,
    ) -> None:
        super().__init__(seed)
        name = distribution.lower()
        self.scale = scale
        self.mode = mode
        self.distribution = "truncated_normal" if name == "normal" else name
        self.input_axes = input_axes
        self.output_axes = output_axes
        if scale <= 0:
            raise UsageError(f"VarianceScaling: scale {scale} is not positive")
        for value, known in [(mode, MODES), (self.distribution, DISTRIBUTIONS)]:
            if value not in known:
                raise UsageError(f"VarianceScaling: {value!r}", facts=[("known", ", ".join(known))])

    def __call__(self, shape: Shape, dtype: DTypeLike | None = None) -> Tensor:
        fan_in, fan_out = compute_fans(shape, self.input_axes, self.output_axes)
        number = dict(zip(MODES, (fan_in, fan_out, (fan_in + fan_out) / 2), strict=True))[self.mode]
        variance = self.scale / max(1.0, number)
        key, sizes, target = self.key(), tuple(shape), element_type(dtype)
        if self.distribution == "uniform":
            limit = math.sqrt(3 * variance)
            return random.uniform(key, sizes, target, -limit, limit)
        if self.distribution == "untruncated_normal":
            return asarray(random.normal(key, sizes, target) * math.sqrt(variance), target)
        deviation = math.sqrt(variance) / TRUNCATED_DEVIATION
        return asarray(random.truncated_normal(key, sizes, target) * deviation, target)

    def get_config(self) -> dict[str, Any]:
        return {
            "scale": self.scale,
            "mode": self.mode,
            "distribution": self.distribution,
            **self._place(),
        }

    def _place(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "input_axes": self.input_axes,
            "output_axes": self.output_axes,
        }


class _Named(VarianceScaling):
    """The base of the members of the family that have names of their own."""

    _arguments: tuple[float, str, str]

    def __init__(
        self, seed: Seed = None, input_axes: Axes = None, output_axes: Axes = None
    ) -> None:
        super().__init__(*self._arguments, seed, input_axes, output_axes)

    def get_config(self) -> dict[str, Any]:
        return self._place()


class GlorotUniform(_Named):
    """Uniform numbers of variance 2 / (inputs + outputs). Source: Glorot and Bengio, 2010."""

    _arguments = (1.0, "fan_avg", "uniform")


class GlorotNormal(_Named):
    """Truncated normal numbers of variance 2 / (inputs + outputs)."""

    _arguments = (1.0, "fan_avg", "truncated_normal")


class HeUniform(_Named):
    """Uniform numbers of variance 2 / inputs. Source: He et al., 2015."""

    _arguments = (2.0, "fan_in", "uniform")


class HeNormal(_Named):
    """Truncated normal numbers of variance 2 / inputs."""

    _arguments = (2.0, "fan_in", "truncated_normal")


class LecunUniform(_Named):
    """Uniform numbers of variance 1 / inputs. Source: LeCun et al., 1998."""

    _arguments = (1.0, "fan_in", "uniform")


class LecunNormal(_Named):
    """Truncated normal numbers of variance 1 / inputs."""

    _arguments = (1.0, "fan_in", "truncated_normal")
