"""Pooling over all spatial axes."""

from __future__ import annotations

from typing import Any, ClassVar

from irflow import nn
from irflow.frontend.tensor import Tensor
from irflow.keras import config
from irflow.keras.engine.input_spec import InputSpec
from irflow.keras.layers.builtin import BuiltinLayer


class _GlobalPooling(BuiltinLayer):
    """The base of all six.

    Attributes:
        rank: the number of spatial axes.
    """

    rank: ClassVar[int]
    config_names = ("data_format", "keepdims")

    def __init__(
        self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.data_format = config.standardize_data_format(data_format)
        self.keepdims = keepdims
        self.input_spec = InputSpec(ndim=self.rank + 2)


class _GlobalMaxPooling(_GlobalPooling):
    """The base of the three."""

    def call(self, inputs: Tensor) -> Tensor:
        return nn.global_max_pool(inputs, self.keepdims, data_format=self.data_format)


class _GlobalAveragePooling(_GlobalPooling):
    """The base of the three."""

    def call(self, inputs: Tensor) -> Tensor:
        return nn.global_avg_pool(inputs, self.keepdims, data_format=self.data_format)


class GlobalMaxPooling1D(_GlobalMaxPooling):
    """The largest element of each channel: `[n, steps, channels]` becomes `[n, channels]`.

    Args:
        data_format: `"channels_first"` for `[n, channels, steps]`.
        keepdims: leave the axis in place with size 1.
    """

    rank = 1


class GlobalMaxPooling2D(_GlobalMaxPooling):
    """The largest element of each channel of images; arguments as of `GlobalMaxPooling1D`."""

    rank = 2


class GlobalMaxPooling3D(_GlobalMaxPooling):
    """The largest element of each channel of volumes; arguments as of `GlobalMaxPooling1D`."""

    rank = 3


class GlobalAveragePooling1D(_GlobalAveragePooling):
    """The mean of each channel over the steps that are not masked.

    Arguments as of `GlobalMaxPooling1D`. Where no step counts the mean is 0.
    """

    rank = 1

    def __init__(
        self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(data_format, keepdims, **kwargs)
        self.supports_masking = True

    def call(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        return nn.global_avg_pool(inputs, self.keepdims, mask=mask, data_format=self.data_format)

    def compute_mask(self, inputs: Tensor, mask: Tensor | None = None) -> None:
        return None


class GlobalAveragePooling2D(_GlobalAveragePooling):
    """The mean of each channel of images; arguments as of `GlobalMaxPooling1D`."""

    rank = 2


class GlobalAveragePooling3D(_GlobalAveragePooling):
    """The mean of each channel of volumes; arguments as of `GlobalMaxPooling1D`."""

    rank = 3


GlobalMaxPool1D = GlobalMaxPooling1D
GlobalMaxPool2D = GlobalMaxPooling2D
GlobalMaxPool3D = GlobalMaxPooling3D
GlobalAvgPool1D = GlobalAveragePooling1D
GlobalAvgPool2D = GlobalAveragePooling2D
GlobalAvgPool3D = GlobalAveragePooling3D
