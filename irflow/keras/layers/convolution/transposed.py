"""`Conv1DTranspose`, `Conv2DTranspose`, `Conv3DTranspose`."""

from __future__ import annotations

from typing import Any

from irflow import nn
from irflow.errors import UsageError
from irflow.frontend.tensor import Tensor
from irflow.keras.layers.builtin import Ints, Shape, positive, sizes
from irflow.keras.layers.convolution.base import Windowed


class _Transposed(Windowed):
    """The base of the three."""

    config_names = (
        "filters", "kernel_size", "strides", "padding", "output_padding", "data_format",
        "dilation_rate", "activation", "use_bias", "kernel_initializer", "bias_initializer",
        "kernel_regularizer", "bias_regularizer", "kernel_constraint", "bias_constraint",
    )  # fmt: skip

    def __init__(
        self,
        filters: int,
        kernel_size: Ints,
        strides: Ints = 1,
        padding: str = "valid",
        output_padding: Ints | None = None,
        data_format: str | None = None,
        dilation_rate: Ints = 1,
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
        self.window(kernel_size, strides, padding, data_format, dilation_rate)
        self.output_padding = None
        if output_padding is not None:
            self.output_padding = sizes(name, "output_padding", output_padding, self.rank, least=0)
            if any(p >= s for p, s in zip(self.output_padding, self.strides, strict=True)):
                raise UsageError(
                    f"{name}: output_padding has to be less than strides",
                    facts=[("output_padding", self.output_padding), ("strides", self.strides)],
                )
        self.outcome(activation, use_bias, bias_initializer, bias_regularizer, bias_constraint)
        self.settle("kernel", kernel_initializer, kernel_regularizer, kernel_constraint)

    def build(self, input_shape: Shape) -> None:
        shape = (*self.kernel_size, self.filters, self.channels(input_shape))
        self.kernel = self.weight(shape, "kernel")
        self.make_bias(self.filters)

    def call(self, inputs: Tensor) -> Tensor:
        result = nn.conv_transpose(
            inputs,
            self.kernel,
            self.bias,
            strides=self.strides,
            padding=self.padding,
            output_padding=self.output_padding,
            dilations=self.dilation_rate,
            data_format=self.data_format,
        )
        return self.activation(result)  # type: ignore[no-any-return]


class Conv1DTranspose(_Transposed):
    """What the gradient of `Conv1D` does to its input: sequences that grow with the strides.

    Args:
        filters: the number of channels of the result.
        kernel_size: the size of the window.
        strides: how far apart the windows are painted.
        padding: `"valid"`, or `"same"` so that `out` is `steps * strides`.
        output_padding: how much longer the result is at its end, less than the stride; by default
            so much that `padding` holds.
        data_format: `"channels_first"` for `[n, channels, steps]`, also of the result.
        dilation_rate: the step between the elements of the window.
        activation: a name or a function; none by default.
        use_bias: whether there is a bias.
        kernel_initializer: of `kernel`, `[window, filters, channels]`.
        bias_initializer: of `bias`, `[filters]`.
        kernel_regularizer: a term of the loss.
        bias_regularizer: a term of the loss.
        activity_regularizer: a term of the loss that depends on the result.
        kernel_constraint: what the weight is put through after each step.
        bias_constraint: the same for the bias.

    Returns:
        `[n, out, filters]`; the sizes are told at `irflow.nn.conv_transpose`.
    """

    rank = 1


class Conv2DTranspose(_Transposed):
    """The same for images `[n, rows, columns, channels]`; arguments as of `Conv1DTranspose`."""

    rank = 2


class Conv3DTranspose(_Transposed):
    """The same for volumes `[n, x, y, z, channels]`; arguments as of `Conv1DTranspose`.

    In Keras's order `data_format` stands before `output_padding` here.
    """

    rank = 3

    def __init__(
        self,
        filters: int,
        kernel_size: Ints,
        strides: Ints = 1,
        padding: str = "valid",
        data_format: str | None = None,
        output_padding: Ints | None = None,
        dilation_rate: Ints = 1,
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
        super().__init__(
            filters,
            kernel_size,
            strides,
            padding,
            output_padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            kernel_initializer,
            bias_initializer,
            kernel_regularizer,
            bias_regularizer,
            activity_regularizer,
            kernel_constraint,
            bias_constraint,
            **kwargs,
        )


Convolution1DTranspose = Conv1DTranspose
Convolution2DTranspose = Conv2DTranspose
Convolution3DTranspose = Conv3DTranspose
