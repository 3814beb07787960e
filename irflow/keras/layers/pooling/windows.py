"""Pooling over windows: the largest element of each, or the mean."""

from __future__ import annotations

from typing import Any, ClassVar

from irflow import nn
from irflow.frontend.tensor import Tensor
from irflow.keras import config
from irflow.keras.engine.input_spec import InputSpec
from irflow.keras.layers.builtin import BuiltinLayer, Ints, one_of, sizes

PADDINGS = ("valid", "same")


class _Pooling(BuiltinLayer):
    """The base of all six.

    Attributes:
        rank: the number of spatial axes.
    """

    rank: ClassVar[int]
    config_names = ("pool_size", "strides", "padding", "data_format")

    def __init__(
        self,
        pool_size: Ints = 2,
        strides: Ints | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        own = type(self).__name__
        self.pool_size = sizes(own, "pool_size", pool_size, self.rank)
        self.strides = sizes(own, "strides", pool_size if strides is None else strides, self.rank)
        self.padding = one_of(own, "padding", padding, PADDINGS)
        self.data_format = config.standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)


class _MaxPooling(_Pooling):
    """The base of the three."""

    def call(self, inputs: Tensor) -> Tensor:
        geometry = (self.pool_size, self.strides, self.padding)
        return nn.max_pool(inputs, *geometry, data_format=self.data_format)


class _AveragePooling(_Pooling):
    """The base of the three."""

    def call(self, inputs: Tensor) -> Tensor:
        geometry = (self.pool_size, self.strides, self.padding)
        return nn.avg_pool(inputs, *geometry, data_format=self.data_format)


class MaxPooling1D(_MaxPooling):
    """The largest element of each window of `[n, steps, channels]`.

    Args:
        pool_size: the size of the window.
        strides: its step; its size by default.
        padding: `"valid"`, or `"same"` so that `out` is `ceil(steps / strides)`; what is padded
            never wins.
        data_format: `"channels_first"` for `[n, channels, steps]`, also of the result.
        name: of the layer.

    Returns:
        `[n, out, channels]`.
    """

    rank = 1


class MaxPooling2D(_MaxPooling):
    """The largest element of each window of images `[n, rows, columns, channels]`.

    Arguments as of `MaxPooling1D`, with one number or one an axis.
    """

    rank = 2


class MaxPooling3D(_MaxPooling):
    """The largest element of each window of volumes; arguments as of `MaxPooling2D`."""

    rank = 3


class AveragePooling1D(_AveragePooling):
    """The mean of each window of `[n, steps, channels]`; what is padded does not count.

    Arguments as of `MaxPooling1D`.
    """

    rank = 1


class AveragePooling2D(_AveragePooling):
    """The mean of each window of images; what is padded does not count.

    Arguments as of `MaxPooling2D`.
    """

    rank = 2


class AveragePooling3D(_AveragePooling):
    """The mean of each window of volumes; arguments as of `MaxPooling2D`."""

    rank = 3


MaxPool1D, MaxPool2D, MaxPool3D = MaxPooling1D, MaxPooling2D, MaxPooling3D
AvgPool1D, AvgPool2D, AvgPool3D = AveragePooling1D, AveragePooling2D, AveragePooling3D
