"""`Dense`: a matrix product, a bias and an activation function."""

from __future__ import annotations

from typing import Any

from irflow import numpy as inp
from irflow.frontend.tensor import Tensor
from irflow.keras import activations
from irflow.keras.engine.input_spec import InputSpec
from irflow.keras.layers.builtin import BuiltinLayer, Shape, positive


class Dense(BuiltinLayer):
    """`activation(x @ kernel + bias)` along the last axis.

    Args:
        units: the number of outputs.
        activation: a name or a function; none by default.
        use_bias: whether there is a bias.
        kernel_initializer: of `kernel`, `[features, units]`.
        bias_initializer: of `bias`, `[units]`.
        kernel_regularizer: a term of the loss.
        bias_regularizer: a term of the loss.
        activity_regularizer: a term of the loss that depends on the result.
        kernel_constraint: what the weight is put through after each step.
        bias_constraint: the same for the bias.

    Call:
        inputs: `[n, ..., features]`.

    Returns:
        `[n, ..., units]`.

    >>> import numpy as np
    >>> Dense(2, kernel_initializer="ones")(np.ones((1, 3), "float32")).tolist()
    [[3.0, 3.0]]
    """

    config_names = (
        "units", "activation", "use_bias", "kernel_initializer", "bias_initializer",
        "kernel_regularizer", "bias_regularizer", "kernel_constraint", "bias_constraint",
    )  # fmt: skip

    def __init__(
        self,
        units: int,
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
        self.units = positive("Dense", "units", units)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.settle("kernel", kernel_initializer, kernel_regularizer, kernel_constraint)
        self.settle("bias", bias_initializer, bias_regularizer, bias_constraint)
        self.input_spec = InputSpec(min_ndim=2)
        self.supports_masking = True

    def build(self, input_shape: Shape) -> None:
        features = self.known_size(input_shape, -1)
        self.kernel = self.weight((features, self.units), "kernel")
        self.bias = self.weight((self.units,), "bias") if self.use_bias else None
        self.input_spec = InputSpec(min_ndim=2, axes={-1: features})

    def call(self, inputs: Tensor) -> Tensor:
        result = inp.matmul(inputs, self.kernel)
        if self.bias is not None:
            result = result + self.bias
        return self.activation(result)  # type: ignore[no-any-return]
