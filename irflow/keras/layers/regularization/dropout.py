"""Elements dropped at random in training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from irflow import nn
from irflow import numpy as inp
from irflow.errors import ShapeError, UsageError
from irflow.frontend.tensor import Tensor
from irflow.keras import config
from irflow.keras.engine.input_spec import InputSpec
from irflow.keras.layers.builtin import BuiltinLayer
from irflow.keras.random import SeedGenerator

Noise = Sequence[int | None] | None


class RandomLayer(BuiltinLayer):
    """The base of the layers that draw random numbers in training, and pass masks on.

    Args:
        rate: the probability with which an element is dropped, from 0 to 1.
        seed: of the layer's own generator; one from the global generator by default.

    Raises:
        UsageError: the rate is not in [0, 1].
    """

    config_names: ClassVar[tuple[str, ...]] = ("rate", "seed")

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 <= rate <= 1:
            raise UsageError(f"{type(self).__name__}: rate {rate} is not in [0, 1]")
        self.rate = rate
        self.seed = seed
        if rate > 0:
            self.seed_generator = SeedGenerator(seed)
        self.supports_masking = True

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        if not training or self.rate == 0:
            return inputs
        if self.rate == 1:
            return inp.zeros_like(inputs)
        return self.noisy(inputs, self.seed_generator.next())

    def noisy(self, inputs: Tensor, key: Tensor) -> Tensor:
        """The result in training."""
        raise NotImplementedError(f"{type(self).__name__} defines no noisy")


class Dropout(RandomLayer):
    """Elements set to 0 with probability `rate` in training, the others divided by `1 - rate`.

    Args:
        rate: from 0 to 1.
        noise_shape: where it is 1, all elements along that axis are dropped or kept together;
            None, or the size itself, elsewhere: `(None, 1, None)` drops features of all steps.
        seed: of the layer's own generator; one from the global generator by default.
    """

    config_names = ("rate", "seed", "noise_shape")

    def __init__(
        self, rate: float, noise_shape: Noise = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(rate, seed, **kwargs)
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)

    def noisy(self, inputs: Tensor, key: Tensor) -> Tensor:
        shared = self.shared_axes(inputs)
        return nn.dropout(inputs, self.rate, key, shared_axes=shared)

    def shared_axes(self, inputs: Tensor) -> tuple[int, ...]:
        """The axes along which elements share their fate."""
        if self.noise_shape is None:
            return ()
        missing = inputs.ndim - len(self.noise_shape)
        noise = (*(1,) * missing, *self.noise_shape)
        pairs = list(zip(noise, inputs.shape, strict=False))
        if missing < 0 or any(want not in (None, 1, size) for want, size in pairs):
            raise ShapeError(
                f'layer "{self.name}": noise_shape does not broadcast to the input',
                facts=[("input", inputs.shape), ("noise_shape", self.noise_shape)],
            )
        return tuple(axis for axis, (want, _) in enumerate(pairs) if want == 1)


class AlphaDropout(Dropout):
    """Dropout that keeps mean 0 and variance 1, for `selu`; arguments as of `Dropout`."""

    def noisy(self, inputs: Tensor, key: Tensor) -> Tensor:
        return nn.alpha_dropout(inputs, self.rate, key, shared_axes=self.shared_axes(inputs))


class _SpatialDropout(RandomLayer):
    """The base of the three.

    Attributes:
        rank: the number of spatial axes.
    """

    rank: ClassVar[int]
    config_names: ClassVar[tuple[str, ...]] = ("rate", "seed", "data_format")

    def __init__(
        self,
        rate: float,
        data_format: str | None = None,
        seed: int | None = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(rate, seed, name=name, dtype=dtype, **kwargs)
        self.data_format = config.standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def noisy(self, inputs: Tensor, key: Tensor) -> Tensor:
        first = 1 if self.data_format == "channels_last" else 2
        return nn.dropout(inputs, self.rate, key, shared_axes=range(first, first + self.rank))


class SpatialDropout1D(_SpatialDropout):
    """Whole features of `[n, steps, features]` dropped in training; arguments as of `Dropout`."""

    rank = 1
    config_names = ("rate", "seed")

    def __init__(
        self,
        rate: float,
        seed: int | None = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(rate, "channels_last", seed, name, dtype, **kwargs)


class SpatialDropout2D(_SpatialDropout):
    """Whole channels of `[n, rows, columns, channels]` dropped in training.

    Args:
        rate: from 0 to 1.
        data_format: `"channels_first"` for `[n, channels, rows, columns]`.
        seed: of the layer's own generator; one from the global generator by default.
        name: of the layer.
        dtype: of the layer.
    """

    rank = 2


class SpatialDropout3D(_SpatialDropout):
    """Whole channels of volumes dropped in training; arguments as of `SpatialDropout2D`."""

    rank = 3
