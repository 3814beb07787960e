"""`PReLU`: a leaky relu whose slopes are learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from irflow import nn
from irflow.frontend.tensor import Tensor
from irflow.keras.engine.input_spec import InputSpec
from irflow.keras.layers.builtin import BuiltinLayer, Shape


class PReLU(BuiltinLayer):
    """`x` where positive, `alpha * x` elsewhere.

    Args:
        alpha_initializer: of `alpha`, which has the shape of the input without the batch.
        alpha_regularizer: a term of the loss.
        alpha_constraint: what the slopes are put through after each step.
        shared_axes: along these axes there is one slope: `[1, 2]` for one a channel of images.
    """

    config_names = ("alpha_initializer", "alpha_regularizer", "alpha_constraint", "shared_axes")

    def __init__(
        self,
        alpha_initializer: Any = "Zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: int | Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.settle("alpha", alpha_initializer, alpha_regularizer, alpha_constraint)
        axes = (shared_axes,) if isinstance(shared_axes, int) else shared_axes
        self.shared_axes = None if axes is None else list(axes)
        self.supports_masking = True

    def build(self, input_shape: Shape) -> None:
        shared = [axis % len(input_shape) for axis in self.shared_axes or ()]
        axes = range(1, len(input_shape))
        shape = [1 if i in shared else self.known_size(input_shape, i) for i in axes]
        self.alpha = self.weight(shape, "alpha")
        fixed = {i: input_shape[i] for i in axes if i not in shared}
        self.input_spec = InputSpec(ndim=len(input_shape), axes=fixed)

    def call(self, inputs: Tensor) -> Tensor:
        return nn.prelu(inputs, self.alpha)
