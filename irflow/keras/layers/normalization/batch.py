"""`BatchNormalization`: each channel normalised over the batch."""

from __future__ import annotations

import math
from typing import Any

from irflow import nn
from irflow import numpy as inp
from irflow.errors import ShapeError, UsageError, nearest
from irflow.frontend import stop_gradient
from irflow.frontend.tensor import Tensor
from irflow.frontend.variable import Variable
from irflow.keras import initializers
from irflow.keras.engine.input_spec import InputSpec
from irflow.keras.layers.builtin import Shape
from irflow.keras.layers.normalization.base import AFFINE_NAMES, Affine
from irflow.nn.activations import row

LIMITS = ("rmin", "rmax", "dmax")


class BatchNormalization(Affine):
    """`(x - mean) / sqrt(variance + epsilon) * gamma + beta`, channel by channel.

    In training, mean and variance are those of the batch, and the moving ones go towards them:
    `moving = momentum * moving + (1 - momentum) * batch`. Otherwise, and where `trainable` is
    false, the moving ones are taken. Source: Ioffe and Szegedy, 2015.

    Args:
        axis: that of the channels.
        momentum: of the moving mean and variance.
        epsilon: added to the variance.
        center: whether there is `beta`.
        scale: whether there is `gamma`.
        beta_initializer: of `beta`, `[channels]`.
        gamma_initializer: of `gamma`, `[channels]`.
        moving_mean_initializer: of `moving_mean`, `[channels]`.
        moving_variance_initializer: of `moving_variance`, `[channels]`.
        beta_regularizer: a term of the loss.
        gamma_regularizer: a term of the loss.
        beta_constraint: what the offset is put through after each step.
        gamma_constraint: the same for the scale.
        renorm: whether a batch is brought near to what the moving mean and deviation would do
            (batch renormalization; Ioffe, 2017).
        renorm_clipping: limits `"rmin"`, `"rmax"` of the ratio and `"dmax"` of the shift by which
            that is done.
        renorm_momentum: of the mean and deviation that it goes by.
        synchronized: taken for Keras's sake; there is one device.

    Call:
        inputs: `[n, ..., channels]`; 16-bit floats are computed in f32.
        mask: Booleans `[n, ...]`: which elements the mean and variance of the batch are of.
    """

    config_names = (
        *AFFINE_NAMES, "momentum", "moving_mean_initializer", "moving_variance_initializer",
        "synchronized", "renorm", "renorm_clipping", "renorm_momentum",
    )  # fmt: skip

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: Any = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.axis = int(axis)
        self.momentum = float(momentum)
        self.synchronized = synchronized
        self.renorm = renorm
        self.renorm_clipping = _clipping(renorm_clipping) if renorm else renorm_clipping
        self.renorm_momentum = float(renorm_momentum)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        beta_rules = (beta_initializer, beta_regularizer, beta_constraint)
        gamma_rules = (gamma_initializer, gamma_regularizer, gamma_constraint)
        self.affine(epsilon, center, scale, beta_rules, gamma_rules)

    def build(self, input_shape: Shape) -> None:
        channels = self.known_size(input_shape, self.axis)
        self.make_affine((channels,))
        self.moving_mean = self._moving("moving_mean", channels)
        self.moving_variance = self._moving("moving_variance", channels)
        if self.renorm:
            deviation = row("sqrt", self.moving_variance.value)
            self.moving_stddev = self._moving("moving_stddev", channels, deviation)
            self.renorm_mean = self._moving("renorm_mean", channels, self.moving_mean.value)
            self.renorm_stddev = self._moving("renorm_stddev", channels, deviation)
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: channels})

    def _moving(self, name: str, channels: int, start: Tensor | None = None) -> Variable:
        return self.add_weight(
            shape=(channels,),
            initializer=getattr(self, f"{name}_initializer") if start is None else start,
            trainable=False,
            autocast=False,
            name=name,
        )

    def call(
        self, inputs: Tensor, training: bool | None = None, mask: Tensor | None = None
    ) -> Tensor:
        mean, variance = self.moving_mean.value, self.moving_variance.value
        scale: Tensor | Variable | None = self.gamma
        offset: Tensor | Variable | None = self.beta
        if training and self.trainable:
            mean, variance = self._statistics(inputs, mask)
            if self.renorm:
                scale, offset = self._renormalized(mean, variance)
                self._follow_renormalized(mean, variance)
            else:
                _follow(self.moving_mean, mean, self.momentum)
                _follow(self.moving_variance, variance, self.momentum)
        return nn.batch_norm(
            inputs, mean, variance, scale, offset, axis=self.axis, epsilon=self.epsilon
        )

    def _statistics(self, inputs: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Those of the batch."""
        if mask is not None and mask.ndim != inputs.ndim - 1:
            raise ShapeError(
                f'layer "{self.name}": a mask with one axis less than its input is wanted',
                facts=[("input", inputs.shape), ("mask", mask.shape)],
            )
        axes = [i for i in range(inputs.ndim) if i != self.axis % inputs.ndim]
        where = None if mask is None else inp.expand_dims(mask, -1)
        return nn.moments(inputs, axes, where=where)

    def _renormalized(self, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
        """Scale and offset that bring what the batch normalises near to what the moving ones do."""
        limits = self.renorm_clipping
        moving = row("maximum", self.renorm_stddev, math.sqrt(self.epsilon))
        ratio = row("sqrt", variance + self.epsilon) / moving
        shift = (mean - self.renorm_mean) / moving
        for name, bound in (("maximum", limits.get("rmin")), ("minimum", limits.get("rmax"))):
            ratio = ratio if bound is None else row(name, ratio, bound)
        if limits.get("dmax") is not None:
            shift = inp.clip(shift, -limits["dmax"], limits["dmax"])
        ratio, shift = stop_gradient(ratio), stop_gradient(shift)
        if self.gamma is not None:
            ratio, shift = ratio * self.gamma, shift * self.gamma
        return ratio, shift if self.beta is None else shift + self.beta

    def _follow_renormalized(self, mean: Tensor, variance: Tensor) -> None:
        deviation = row("sqrt", variance + self.epsilon)
        _follow(self.renorm_mean, mean, self.renorm_momentum)
        _follow(self.renorm_stddev, deviation, self.renorm_momentum)
        _follow(self.moving_mean, mean, self.momentum)
        _follow(self.moving_stddev, deviation, self.momentum)
        square = self.moving_stddev.value * self.moving_stddev.value
        self.moving_variance.assign(nn.relu(square - self.epsilon))


def _follow(moving: Variable, batch: Tensor, momentum: float) -> None:
    moving.assign(moving.value * momentum + batch * (1.0 - momentum))


def _clipping(limits: dict[str, float] | None) -> dict[str, float]:
    found = limits or {}
    for name in found:
        if name not in LIMITS:
            raise nearest(name, LIMITS, "limit of renorm_clipping")
    if found.get("rmin", 0) > found.get("rmax", math.inf) or found.get("dmax", 0) < 0:
        raise UsageError("BatchNormalization: renorm_clipping", facts=list(found.items()))
    return dict(found)
