"""`DepthwiseConv1D`, `DepthwiseConv2D`: each channel by itself."""

from __future__ import annotations

from typing import Any

from irflow import nn
from irflow.frontend.tensor import Tensor
from irflow.keras.layers.builtin import Ints, Shape, positive
from irflow.keras.layers.convolution.base import Windowed


class _Depthwise(Windowed):
    """The base of the two."""

    config_names = (
        "kernel_size", "strides", "padding", "depth_multiplier", "data_format", "dilation_rate",
        "activation", "use_bias", "depthwise_initializer", "bias_initializer",
        "depthwise_regularizer", "bias_regularizer", "depthwise_constraint", "bias_constraint",
    )  # fmt: skip

    def __init__(
        self,
        kernel_size: Ints,
        strides: Ints = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Ints = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        name = type(self).__name__
        self.depth_multiplier = positive(name, "depth_multiplier", depth_multiplier)
        self.window(kernel_size, strides, padding, data_format, dilation_rate)
        self.outcome(activation, use_bias, bias_initializer, bias_regularizer, bias_constraint)
        self.settle("depthwise", depthwise_initializer, depthwise_regularizer, depthwise_constraint)

    def build(self, input_shape: Shape) -> None:
        channels = self.channels(input_shape)
        self.check_window(input_shape)
        shape = (*self.kernel_size, channels, self.depth_multiplier)
        self.kernel = self.weight(shape, "depthwise", "kernel")
        self.make_bias(channels * self.depth_multiplier)

    def call(self, inputs: Tensor) -> Tensor:
        result = nn.depthwise_conv(
            inputs,
            self.kernel,
            self.bias,
            strides=self.strides,
            padding=self.padding,
            dilations=self.dilation_rate,
            data_format=self.data_format,
        )
        return self.activation(result)  # type: ignore[no-any-return]


class DepthwiseConv1D(_Depthwise):
    """A convolution of each channel of `[n, steps, channels]` by itself.

    Args:
        kernel_size: the size of the window.
        strides: the step of the window.
        padding: as of `Conv1D`.
        depth_multiplier: how many results a channel has.
        data_format: `"channels_first"` for `[n, channels, steps]`, also of the result.
        dilation_rate: the step between the elements of the window.
        activation: a name or a function; none by default.
        use_bias: whether there is a bias.
        depthwise_initializer: of `kernel`, `[window, channels, depth_multiplier]`.
        bias_initializer: of `bias`, `[channels * depth_multiplier]`.
        depthwise_regularizer: a term of the loss.
        bias_regularizer: a term of the loss.
        activity_regularizer: a term of the loss that depends on the result.
        depthwise_constraint: what the kernel is put through after each step.
        bias_constraint: the same for the bias.

    Returns:
        `[n, out, channels * depth_multiplier]`.
    """

    rank = 1
    paddings = ("valid", "same", "causal")


class DepthwiseConv2D(_Depthwise):
    """The same for images `[n, rows, columns, channels]`; padding is `"valid"` or `"same"`."""

    rank = 2
