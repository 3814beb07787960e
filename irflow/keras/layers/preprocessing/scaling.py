"""`Rescaling` and `Normalization`: other units for numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from irflow import numpy as inp
from irflow.errors import ShapeError, UsageError
from irflow.frontend.tensor import Tensor
from irflow.keras import config
from irflow.keras.layers.builtin import BuiltinLayer, Shape
from irflow.keras.layers.preprocessing.batches import batches
from irflow.keras.saving import registry
from irflow.nn.activations import row


class Rescaling(BuiltinLayer):
    """`inputs * scale + offset`.

    Args:
        scale: a number, or one for each channel.
        offset: the same.

    >>> Rescaling(1 / 4, offset=-1)(np.array([0, 6], "uint8")).tolist()
    [-1.0, 0.5]
    """

    config_names = ("scale", "offset")

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale, self.offset = scale, offset
        self.supports_masking = True

    def call(self, inputs: Tensor) -> Tensor:
        scale, offset = (np.asarray(x, np.float64) for x in (self.scale, self.offset))
        if scale.ndim and config.image_data_format() == "channels_first":
            scale = scale.reshape(*scale.shape, *(1,) * (3 - scale.ndim))
        found = inp.astype(inputs, self.compute_dtype)
        factors = [inp.asarray(x).astype(self.compute_dtype) for x in (scale, offset)]
        return found * factors[0] + factors[1]  # type: ignore[no-any-return]

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Rescaling:
        """The layer that `get_config` describes."""
        return cls(**registry.deserialize_keras_object(config))


class Normalization(BuiltinLayer):
    """`(inputs - mean) / sqrt(variance)`, with moments of data that it saw in `adapt`.

    Args:
        axis: the axes that have moments of their own; None for one pair of moments for all.
        mean: a number, or one for each place of these axes; then `adapt` is not needed.
        variance: the same.
        invert: back from normalized numbers.

    Raises:
        UsageError: only one of the moments is given, or the layer has none yet.
        ShapeError: an axis that is kept is not there, or not known.
    """

    config_names = ("axis", "mean", "variance", "invert")

    def __init__(
        self,
        axis: int | Sequence[int] | None = -1,
        mean: Any = None,
        variance: Any = None,
        invert: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if (mean is None) != (variance is None):
            raise UsageError("Normalization: mean and variance belong together")
        if np.shape(mean) != np.shape(variance):
            raise UsageError(
                "Normalization: mean and variance have other shapes",
                facts=[("mean", np.shape(mean)), ("variance", np.shape(variance))],
            )
        self.axis = () if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
        self.mean, self.variance, self.invert = mean, variance, invert
        self.supports_masking = True

    def build(self, input_shape: Shape) -> None:
        rank = len(input_shape)
        if any(not -rank <= axis < rank for axis in self.axis):
            raise ShapeError(
                f'layer "{self.name}": axis {self.axis} is not in its input',
                facts=[("given", input_shape)],
            )
        self._kept = tuple(sorted(axis % rank for axis in self.axis))
        shape = tuple(self.known_size(input_shape, axis) for axis in self._kept)
        self._wide = tuple(
            size if axis in self._kept else 1 for axis, size in enumerate(input_shape)
        )
        if self.mean is None:
            self.adapt_mean = self.add_weight(shape, "zeros", trainable=False, name="mean")
            self.adapt_variance = self.add_weight(shape, "ones", trainable=False, name="variance")
            self.count = self.add_weight((), "zeros", "int32", trainable=False, name="count")

    def adapt(self, data: Any) -> None:
        """Take the moments of data.

        Args:
            data: an array, or an iterable of batches.

        Raises:
            UsageError: there is no data, or the moments were given.
            ShapeError: batches of other sizes.
        """
        if self.mean is not None:
            raise UsageError(f'layer "{self.name}" was given its moments; it cannot adapt')
        total, mean, variance = 0.0, np.zeros(()), np.zeros(())
        for batch in batches(data, self.name):
            rows = np.asarray(batch, np.float64)
            if not self.built:
                self.build((None, *rows.shape[1:]) if 0 not in self._axes(rows) else rows.shape)
                self.built = True
            self._check(rows.shape)
            others = tuple(axis for axis in range(rows.ndim) if axis not in self._kept)
            size = float(np.prod([rows.shape[axis] for axis in others]))
            total += size
            share = size / total
            own, change = rows.var(others), rows.mean(others) - mean
            variance = (1 - share) * variance + share * own + share * (1 - share) * change**2
            mean = mean + share * change
        self.adapt_mean.assign(mean)
        self.adapt_variance.assign(variance)

    def _axes(self, rows: np.ndarray) -> list[int]:
        return [axis % rows.ndim for axis in self.axis]

    def _check(self, shape: tuple[int, ...]) -> None:
        expected = tuple(self._wide[axis] for axis in self._kept)
        if len(shape) != len(self._wide) or tuple(shape[a] for a in self._kept) != expected:
            raise ShapeError(
                f'layer "{self.name}": data of another shape than before',
                facts=[("axes", self._kept), ("expected", expected), ("given", shape)],
            )

    def call(self, inputs: Tensor) -> Tensor:
        given = (self.adapt_mean, self.adapt_variance) if self.mean is None else self._told()
        mean, variance = (
            inp.reshape(inp.astype(inp.asarray(x), self.compute_dtype), self._wide) for x in given
        )
        x = inp.astype(inputs, self.compute_dtype)
        deviation = row("maximum", row("sqrt", variance), config.epsilon())
        return mean + x * deviation if self.invert else (x - mean) / deviation  # type: ignore[no-any-return]

    def _told(self) -> list[np.ndarray]:
        """The moments that were given, one for each place of the axes that are kept."""
        shape = tuple(self._wide[axis] or 1 for axis in self._kept)
        return [
            np.broadcast_to(np.asarray(x, np.float64), shape) for x in (self.mean, self.variance)
        ]

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Normalization:
        """The layer that `get_config` describes."""
        return cls(**registry.deserialize_keras_object(config))
