"""`Conv1D`, `Conv2D`, `Conv3D`."""

from __future__ import annotations

from typing import Any

from irflow import nn
from irflow.errors import ShapeError, UsageError
from irflow.frontend.tensor import Tensor
from irflow.keras.layers.builtin import Ints, Shape, positive
from irflow.keras.layers.convolution.base import Windowed


class _Convolution(Windowed):
    """The base of the three."""

    config_names = (
        "filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "groups",
        "activation", "use_bias", "kernel_initializer", "bias_initializer", "kernel_regularizer",
        "bias_regularizer", "kernel_constraint", "bias_constraint",
    )  # fmt: skip

    def __init__(
        self,
        filters: int,
        kernel_size: Ints,
        strides: Ints = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Ints = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        name = type(self).__name__
        self.filters = positive(name, "filters", filters)
        self.groups = positive(name, "groups", groups)
        if self.filters % self.groups:
            raise UsageError(f"{name}: {groups} groups do not divide {filters} filters")
        self.window(kernel_size, strides, padding, data_format, dilation_rate)
        self.outcome(activation, use_bias, bias_initializer, bias_regularizer, bias_constraint)
        self.settle("kernel", kernel_initializer, kernel_regularizer, kernel_constraint)

    def build(self, input_shape: Shape) -> None:
        channels = self.channels(input_shape)
        if channels % self.groups:
            raise ShapeError(
                f'layer "{self.name}": {self.groups} groups do not divide {channels} channels',
                facts=[("input", input_shape)],
            )
        self.check_window(input_shape)
        shape = (*self.kernel_size, channels // self.groups, self.filters)
        self.kernel = self.weight(shape, "kernel")
        self.make_bias(self.filters)

    def call(self, inputs: Tensor) -> Tensor:
        result = nn.conv(
            inputs,
            self.kernel,
            self.bias,
            strides=self.strides,
            padding=self.padding,
            dilations=self.dilation_rate,
            groups=self.groups,
            data_format=self.data_format,
        )
        return self.activation(result)  # type: ignore[no-any-return]


class Conv1D(_Convolution):
    """A convolution along sequences `[n, steps, channels]`.

    Args:
        filters: the number of channels of the result.
        kernel_size: the size of the window.
        strides: the step of the window.
        padding: `"valid"` for none; `"same"` for zeros so that `out` is `ceil(steps / strides)`;
            `"causal"` so that no result depends on a later step.
        data_format: `"channels_first"` for `[n, channels, steps]`, also of the result.
        dilation_rate: the step between the elements of the window.
        groups: how many parts the channels are cut into.
        activation: a name or a function; none by default.
        use_bias: whether there is a bias.
        kernel_initializer: of `kernel`, `[window, channels / groups, filters]`.
        bias_initializer: of `bias`, `[filters]`.
        kernel_regularizer: a term of the loss.
        bias_regularizer: a term of the loss.
        activity_regularizer: a term of the loss that depends on the result.
        kernel_constraint: what the weight is put through after each step.
        bias_constraint: the same for the bias.

    Returns:
        `[n, out, filters]`.
    """

    rank = 1
    paddings = ("valid", "same", "causal")


class Conv2D(_Convolution):
    """A convolution over images `[n, rows, columns, channels]`.

    The arguments are those of `Conv1D`; sizes may be one number, or one an axis. Padding is
    `"valid"` or `"same"`.
    """

    rank = 2


class Conv3D(_Convolution):
    """A convolution over volumes `[n, x, y, z, channels]`; arguments as of `Conv2D`."""

    rank = 3


Convolution1D, Convolution2D, Convolution3D = Conv1D, Conv2D, Conv3D
