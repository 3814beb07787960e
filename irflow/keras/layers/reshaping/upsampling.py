"""Sequences, images and volumes enlarged by whole factors."""

from __future__ import annotations

from typing import Any, ClassVar

from irflow import nn
from irflow.frontend.tensor import Tensor
from irflow.keras import config
from irflow.keras.engine.input_spec import InputSpec
from irflow.keras.layers.builtin import BuiltinLayer, Ints, one_of, sizes

METHODS = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")


class _UpSampling(BuiltinLayer):
    """The base of the three.

    Attributes:
        rank: the number of spatial axes.
    """

    rank: ClassVar[int]
    config_names: ClassVar[tuple[str, ...]] = ("size", "data_format")
    interpolation = "nearest"

    def __init__(self, size: Ints = 2, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = sizes(type(self).__name__, "size", size, self.rank)
        self.data_format = config.standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def call(self, inputs: Tensor) -> Tensor:
        return nn.upsample(inputs, self.size, self.interpolation, data_format=self.data_format)


class UpSampling1D(_UpSampling):
    """Each step of `[n, steps, features]` `size` times.

    Args:
        size: how often.
    """

    rank = 1
    config_names = ("size",)

    def __init__(self, size: int = 2, **kwargs: Any) -> None:
        super().__init__(size, "channels_last", **kwargs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size[0]}


class UpSampling2D(_UpSampling):
    """Larger images `[n, rows, columns, channels]`.

    Args:
        size: how many times larger: one number, or one an axis.
        data_format: `"channels_first"` for `[n, channels, rows, columns]`.
        interpolation: `"nearest"`, `"bilinear"`, `"bicubic"`, `"lanczos3"` or `"lanczos5"`.
    """

    rank = 2
    config_names = ("size", "data_format", "interpolation")

    def __init__(
        self,
        size: Ints = (2, 2),
        data_format: str | None = None,
        interpolation: str = "nearest",
        **kwargs: Any,
    ) -> None:
        super().__init__(size, data_format, **kwargs)
        self.interpolation = one_of("UpSampling2D", "interpolation", interpolation, METHODS)


class UpSampling3D(_UpSampling):
    """Each element of `[n, x, y, z, channels]` several times; arguments as of `UpSampling2D`."""

    rank = 3
