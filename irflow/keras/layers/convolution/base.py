"""What convolutions share: the geometry of a window, kernels, a bias, an activation function."""

from __future__ import annotations

from typing import Any, ClassVar

from irflow.errors import ShapeError, UsageError
from irflow.frontend.variable import Variable
from irflow.keras import activations, config
from irflow.keras.engine.input_spec import InputSpec
from irflow.keras.layers.builtin import BuiltinLayer, Ints, Shape, one_of, sizes


class Windowed(BuiltinLayer):
    """The base of all convolutions.

    Attributes:
        rank: the number of spatial axes.
        paddings: the names that `padding` may have.
    """

    rank: ClassVar[int]
    paddings: ClassVar[tuple[str, ...]] = ("valid", "same")
    bias: Variable | None

    def window(
        self,
        kernel_size: Ints,
        strides: Ints,
        padding: str,
        data_format: str | None,
        dilation_rate: Ints,
    ) -> None:
        """Keep the geometry.

        Raises:
            UsageError: a number below 1, another number of numbers, an unknown name, or both
                strides and dilation.
        """
        name = type(self).__name__
        self.kernel_size = sizes(name, "kernel_size", kernel_size, self.rank)
        self.strides = sizes(name, "strides", strides, self.rank)
        self.padding = one_of(name, "padding", padding, self.paddings)
        self.data_format = config.standardize_data_format(data_format)
        self.dilation_rate = sizes(name, "dilation_rate", dilation_rate, self.rank)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise UsageError(
                f"{name}: strides and dilation_rate cannot both be above 1",
                facts=[("strides", self.strides), ("dilation_rate", self.dilation_rate)],
            )
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def outcome(self, activation: Any, use_bias: bool, *rules: Any) -> None:
        """Keep what happens after the convolution; the rules are those of the bias."""
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.settle("bias", *rules)

    def channels(self, input_shape: Shape) -> int:
        """The number of channels of the input, which is fixed from now on.

        Raises:
            ShapeError: the number is not known, or the window is larger than the image.
        """
        axis = -1 if self.data_format == "channels_last" else 1
        count = self.known_size(input_shape, axis)
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={axis: count})
        return count

    def check_window(self, input_shape: Shape) -> None:
        """Refuse an image that is smaller than the window, where nothing is padded."""
        first = 1 if self.data_format == "channels_last" else 2
        spatial = input_shape[first : first + self.rank]
        rows = zip(spatial, self.kernel_size, self.dilation_rate, strict=True)
        too_small = any(s is not None and s < d * (k - 1) + 1 for s, k, d in rows)
        if self.padding == "valid" and too_small:
            raise ShapeError(
                f'layer "{self.name}": its window is larger than its input',
                facts=[
                    ("input", input_shape),
                    ("kernel_size", self.kernel_size),
                    ("dilation_rate", self.dilation_rate),
                ],
                hint='padding="same" keeps the size',
            )

    def make_bias(self, filters: int) -> None:
        """The weight `bias`, or None."""
        self.bias = self.weight((filters,), "bias") if self.use_bias else None
