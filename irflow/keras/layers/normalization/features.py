"""Normalisations of each example by itself: `LayerNormalization` and its relatives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from irflow import nn
from irflow.errors import ShapeError, UsageError
from irflow.frontend.promotion import axes_of
from irflow.frontend.tensor import Tensor, as_tensor
from irflow.frontend.variable import Variable
from irflow.keras.engine.input_spec import InputSpec
from irflow.keras.layers.builtin import BuiltinLayer, Shape
from irflow.keras.layers.normalization.base import AFFINE_NAMES, Affine

Axis = int | Sequence[int]


def along(weight: Tensor | Variable | None, axes: Sequence[int], rank: int) -> Tensor | None:
    """A weight with one axis for each of `axes`, so that it broadcasts against the input."""
    if weight is None:
        return None
    sizes = iter(weight.shape)
    return as_tensor(weight).reshape(
        [next(sizes) if i in axes else 1 for i in range(min(axes), rank)]
    )


def axes_in(axis: Axis, rank: int) -> tuple[int, ...]:
    """The axes as rising numbers from 0 on."""
    return tuple(sorted(axes_of(axis if isinstance(axis, int) else tuple(axis), rank)))


class LayerNormalization(Affine):
    """`(x - mean) / sqrt(variance + epsilon) * gamma + beta` along an axis, or several.

    Source: Ba et al., 2016.

    Args:
        axis: along which mean and variance are taken, and which the weights have.
        epsilon: added to the variance.
        center: whether there is `beta`.
        scale: whether there is `gamma`.
        beta_initializer: of `beta`.
        gamma_initializer: of `gamma`.
        beta_regularizer: a term of the loss.
        gamma_regularizer: a term of the loss.
        beta_constraint: what the offset is put through after each step.
        gamma_constraint: the same for the scale.
    """

    config_names = AFFINE_NAMES

    def __init__(
        self,
        axis: Axis = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.axis = axis if isinstance(axis, int) else list(axis)
        beta_rules = (beta_initializer, beta_regularizer, beta_constraint)
        gamma_rules = (gamma_initializer, gamma_regularizer, gamma_constraint)
        self.affine(epsilon, center, scale, beta_rules, gamma_rules)

    def build(self, input_shape: Shape) -> None:
        axes = axes_in(self.axis, len(input_shape))
        self.make_affine([self.known_size(input_shape, axis) for axis in axes])
        fixed = {axis: input_shape[axis] for axis in axes}
        self.input_spec = InputSpec(ndim=len(input_shape), axes=fixed)

    def call(self, inputs: Tensor) -> Tensor:
        axes = axes_in(self.axis, inputs.ndim)
        scale, offset = (along(w, axes, inputs.ndim) for w in (self.gamma, self.beta))
        return nn.layer_norm(inputs, scale, offset, axis=axes, epsilon=self.epsilon)


class GroupNormalization(Affine):
    """The channels of each example cut into groups, each of which is normalised.

    Source: Wu and He, 2018.

    Args:
        groups: how many; -1 for one a channel.
        axis: that of the channels.
        epsilon: added to the variance.
        center: whether there is `beta`.
        scale: whether there is `gamma`.
        beta_initializer: of `beta`, `[channels]`.
        gamma_initializer: of `gamma`, `[channels]`.
        beta_regularizer: a term of the loss.
        gamma_regularizer: a term of the loss.
        beta_constraint: what the offset is put through after each step.
        gamma_constraint: the same for the scale.

    Raises:
        UsageError: the number of groups is neither positive nor -1.
        ShapeError: the groups do not divide the channels.
    """

    config_names = ("groups", *AFFINE_NAMES)

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if groups < 1 and groups != -1:
            raise UsageError(f"GroupNormalization: groups is {groups!r}, neither positive nor -1")
        self.groups = groups
        self.axis = axis
        beta_rules = (beta_initializer, beta_regularizer, beta_constraint)
        gamma_rules = (gamma_initializer, gamma_regularizer, gamma_constraint)
        self.affine(epsilon, center, scale, beta_rules, gamma_rules)

    def build(self, input_shape: Shape) -> None:
        channels = self.known_size(input_shape, self.axis)
        if self.groups > 0 and channels % self.groups:
            raise ShapeError(
                f'layer "{self.name}": {self.groups} groups do not divide {channels} channels',
                facts=[("input", input_shape)],
            )
        self.make_affine((channels,))
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: channels})

    def call(self, inputs: Tensor) -> Tensor:
        groups = self.groups if self.groups > 0 else int(inputs.shape[self.axis])
        return nn.group_norm(
            inputs, groups, self.gamma, self.beta, axis=self.axis, epsilon=self.epsilon
        )


class RMSNormalization(BuiltinLayer):
    """`x / sqrt(mean(x²) + epsilon) * scale` along an axis, or several.

    Source: Zhang and Sennrich, 2019.
    """

    config_names = ("axis", "epsilon")

    def __init__(self, axis: Axis = -1, epsilon: float = 1e-6, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis if isinstance(axis, int) else list(axis)
        self.epsilon = epsilon
        self.supports_masking = True

    def build(self, input_shape: Shape) -> None:
        axes = axes_in(self.axis, len(input_shape))
        shape = [self.known_size(input_shape, axis) for axis in axes]
        self.scale = self.add_weight(shape=tuple(shape), initializer="ones", name="scale")

    def call(self, inputs: Tensor) -> Tensor:
        axes = axes_in(self.axis, inputs.ndim)
        scale = along(self.scale, axes, inputs.ndim)
        return nn.rms_norm(inputs, scale, axis=axes, epsilon=self.epsilon)


class UnitNormalization(BuiltinLayer):
    """Each example divided by its length along an axis, or several."""

    config_names = ("axis",)

    def __init__(self, axis: Axis = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis if isinstance(axis, int) else list(axis)
        self.supports_masking = True

    def call(self, inputs: Tensor) -> Tensor:
        return nn.normalize(inputs, axes_in(self.axis, inputs.ndim))
