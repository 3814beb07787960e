"""`SeparableConv1D`, `SeparableConv2D`: each channel by itself, then all channels of a place."""

from __future__ import annotations

from typing import Any

from irflow import nn
from irflow.frontend.tensor import Tensor
from irflow.keras.layers.builtin import Ints, Shape, positive
from irflow.keras.layers.convolution.base import Windowed


class _Separable(Windowed):
    """The base of the two."""

    config_names = (
        "filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate",
        "depth_multiplier", "activation", "use_bias", "depthwise_initializer",
        "pointwise_initializer", "bias_initializer", "depthwise_regularizer",
        "pointwise_regularizer", "bias_regularizer", "depthwise_constraint",
        "pointwise_constraint", "bias_constraint",
    )  # fmt: skip

    def __init__(
        self,
        filters: int,
        kernel_size: Ints,
        strides: Ints = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Ints = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        name = type(self).__name__
        self.filters = positive(name, "filters", filters)
        self.depth_multiplier = positive(name, "depth_multiplier", depth_multiplier)
        self.window(kernel_size, strides, padding, data_format, dilation_rate)
        self.outcome(activation, use_bias, bias_initializer, bias_regularizer, bias_constraint)
        self.settle("depthwise", depthwise_initializer, depthwise_regularizer, depthwise_constraint)
        self.settle("pointwise", pointwise_initializer, pointwise_regularizer, pointwise_constraint)

    def build(self, input_shape: Shape) -> None:
        channels = self.channels(input_shape)
        self.check_window(input_shape)
        depthwise = (*self.kernel_size, channels, self.depth_multiplier)
        pointwise = (*(1,) * self.rank, channels * self.depth_multiplier, self.filters)
        self.depthwise_kernel = self.weight(depthwise, "depthwise", "depthwise_kernel")
        self.pointwise_kernel = self.weight(pointwise, "pointwise", "pointwise_kernel")
        self.make_bias(self.filters)

    def call(self, inputs: Tensor) -> Tensor:
        result = nn.separable_conv(
            inputs,
            self.depthwise_kernel,
            self.pointwise_kernel,
            self.bias,
            strides=self.strides,
            padding=self.padding,
            dilations=self.dilation_rate,
            data_format=self.data_format,
        )
        return self.activation(result)  # type: ignore[no-any-return]


class SeparableConv1D(_Separable):
    """A convolution of each channel of `[n, steps, channels]`, then one over the channels.

    Args:
        filters: the number of channels of the result.
        kernel_size: the size of the window of the first.
        strides: its step.
        padding: of the first, as of `Conv1D`.
        data_format: `"channels_first"` for `[n, channels, steps]`, also of the result.
        dilation_rate: of the first.
        depth_multiplier: how many results a channel has in between.
        activation: a name or a function; none by default.
        use_bias: whether there is a bias.
        depthwise_initializer: of `depthwise_kernel`, `[window, channels, depth_multiplier]`.
        pointwise_initializer: of `pointwise_kernel`, `[1, channels * depth_multiplier, filters]`.
        bias_initializer: of `bias`, `[filters]`.
        depthwise_regularizer: a term of the loss.
        pointwise_regularizer: a term of the loss.
        bias_regularizer: a term of the loss.
        activity_regularizer: a term of the loss that depends on the result.
        depthwise_constraint: what the first kernel is put through after each step.
        pointwise_constraint: the same for the second.
        bias_constraint: the same for the bias.

    Returns:
        `[n, out, filters]`.
    """

    rank = 1
    paddings = ("valid", "same", "causal")


class SeparableConv2D(_Separable):
    """The same for images `[n, rows, columns, channels]`; padding is `"valid"` or `"same"`."""

    rank = 2


SeparableConvolution1D, SeparableConvolution2D = SeparableConv1D, SeparableConv2D
