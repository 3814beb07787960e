"""What normalisations share: a learned scale and offset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from irflow.frontend.variable import Variable
from irflow.keras.layers.builtin import BuiltinLayer

AFFINE_NAMES = (
    "axis", "epsilon", "center", "scale", "beta_initializer", "gamma_initializer",
    "beta_regularizer", "gamma_regularizer", "beta_constraint", "gamma_constraint",
)  # fmt: skip


class Affine(BuiltinLayer):
    """The base of the layers with the weights `gamma` (the scale) and `beta` (the offset)."""

    gamma: Variable | None
    beta: Variable | None

    def affine(
        self,
        epsilon: float,
        center: bool,
        scale: bool,
        beta_rules: tuple[Any, Any, Any],
        gamma_rules: tuple[Any, Any, Any],
    ) -> None:
        """Keep the arguments; rules are initializer, regularizer and constraint."""
        self.epsilon = float(epsilon)
        self.center = center
        self.scale = scale
        self.settle("beta", *beta_rules)
        self.settle("gamma", *gamma_rules)
        self.supports_masking = True

    def make_affine(self, shape: Sequence[int]) -> None:
        """The two weights, in Keras's order; None for what is not wanted."""
        self.gamma = self.weight(shape, "gamma") if self.scale else None
        self.beta = self.weight(shape, "beta") if self.center else None
