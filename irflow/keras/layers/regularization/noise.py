"""Normal noise in training, and a penalty on results."""

from __future__ import annotations

from typing import Any

from irflow import nn
from irflow import numpy as inp
from irflow.errors import UsageError
from irflow.frontend.tensor import Tensor
from irflow.keras.layers.builtin import BuiltinLayer
from irflow.keras.layers.regularization.dropout import RandomLayer
from irflow.keras.random import SeedGenerator
from irflow.keras.regularizers import L1L2


class GaussianDropout(RandomLayer):
    """`x` times normal noise of mean 1 and variance `rate / (1 - rate)`, in training.

    Source: Srivastava et al., 2014.

    Args:
        rate: from 0 to below 1.
        seed: of the layer's own generator; one from the global generator by default.
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(rate, seed, **kwargs)
        if rate == 1:
            raise UsageError("GaussianDropout: at rate 1 the noise has no finite variance")

    def noisy(self, inputs: Tensor, key: Tensor) -> Tensor:
        return nn.gaussian_dropout(inputs, self.rate, key)


class GaussianNoise(BuiltinLayer):
    """`x` plus normal noise of mean 0, in training.

    Args:
        stddev: the standard deviation of the noise, from 0 to 1.
        seed: of the layer's own generator; one from the global generator by default.
    """

    config_names = ("stddev", "seed")

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 <= stddev <= 1:
            raise UsageError(f"GaussianNoise: stddev {stddev} is not in [0, 1]")
        self.stddev = stddev
        self.seed = seed
        if stddev > 0:
            self.seed_generator = SeedGenerator(seed)
        self.supports_masking = True

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        if not training or self.stddev == 0:
            return inputs
        return nn.gaussian_noise(inputs, self.stddev, self.seed_generator.next())


class ActivityRegularization(BuiltinLayer):
    """The input as it is; `l1 * sum(|x|) + l2 * sum(x²)`, divided by the batch, joins the loss."""

    config_names = ("l1", "l2")

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(activity_regularizer=L1L2(l1, l2), **kwargs)
        self.l1 = l1
        self.l2 = l2
        self.supports_masking = True

    def call(self, inputs: Tensor) -> Tensor:
        return inp.asarray(inputs)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.pop("activity_regularizer", None)
        return config
