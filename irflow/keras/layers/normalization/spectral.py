"""`SpectralNormalization`: a layer whose kernel is kept at a spectral norm of 1."""

from __future__ import annotations

from typing import Any

from irflow import nn
from irflow import numpy as inp
from irflow.errors import UsageError
from irflow.frontend import stop_gradient
from irflow.frontend.tensor import Tensor
from irflow.frontend.variable import Variable
from irflow.keras.initializers import TruncatedNormal
from irflow.keras.layers.builtin import positive
from irflow.keras.layers.core.wrapper import Wrapper
from irflow.keras.layers.layer import Layer
from irflow.nn.activations import row


class SpectralNormalization(Wrapper):
    """A layer whose `kernel` is divided by its largest singular value in each step of training.

    The value is followed by power iterations, whose vector is the weight `vector_u`.
    Source: Miyato et al., "Spectral normalization for generative adversarial networks", 2018.

    Args:
        layer: one with a weight `kernel` or `embeddings`.
        power_iterations: how many each step.

    Raises:
        UsageError: the layer has neither weight, or there is no iteration.
    """

    config_names = ("layer", "power_iterations")

    def __init__(self, layer: Layer, power_iterations: int = 1, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        self.power_iterations = positive(
            "SpectralNormalization", "power_iterations", power_iterations
        )

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        found = getattr(self.layer, "kernel", getattr(self.layer, "embeddings", None))
        if not isinstance(found, Variable):
            raise UsageError(f'layer "{self.layer.name}" has neither a kernel nor embeddings')
        self.kernel = found
        self.vector_u = self.add_weight(
            shape=(1, found.shape[-1]),
            initializer=TruncatedNormal(stddev=0.02),
            trainable=False,
            autocast=False,
            name="vector_u",
        )

    def call(self, inputs: Any, training: bool = False) -> Any:
        if training:
            self._normalize()
        return self.layer(inputs)

    def _normalize(self) -> None:
        matrix = self.weight_matrix()
        fixed = stop_gradient(matrix)
        u = self.vector_u.value
        for _ in range(self.power_iterations):
            v = nn.l2_normalize(inp.matmul(u, fixed.T), None)
            u = nn.l2_normalize(inp.matmul(v, fixed), None)
        norm = inp.matmul(inp.matmul(v, matrix), u.T)
        is_zero = row("equal", norm, 0)
        scaled = matrix / row("where", is_zero, 1.0, norm)
        self.kernel.assign(scaled.reshape(self.kernel.shape))
        self.vector_u.assign(row("where", is_zero, self.vector_u, u))

    def weight_matrix(self) -> Tensor:
        """The kernel with all axes but the last as one."""
        return self.kernel.value.reshape(-1, self.kernel.shape[-1])
