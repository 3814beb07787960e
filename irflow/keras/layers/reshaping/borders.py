"""Zeros around images and sequences, and borders cut off."""

from __future__ import annotations

from typing import Any, ClassVar

from irflow import nn
from irflow.errors import ShapeError, UsageError
from irflow.frontend.tensor import Tensor
from irflow.keras import config
from irflow.keras.engine.input_spec import InputSpec
from irflow.keras.layers.builtin import BuiltinLayer

Border = Any
"""A number, one number or pair `(before, behind)` for each axis; for one axis also one pair."""


class _Border(BuiltinLayer):
    """The base of both.

    Attributes:
        rank: the number of spatial axes.
    """

    rank: ClassVar[int]

    def __init__(self, data_format: str | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = config.standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def get_config(self) -> dict[str, Any]:
        found, argument = super().get_config(), self.config_names[0]
        return {**found, argument: found[argument][0]} if self.rank == 1 else found

    def pairs(self, argument: str, value: Border) -> tuple[tuple[int, int], ...]:
        """`(before, behind)` for each axis."""
        try:
            found = _pairs(value, self.rank)
        except (TypeError, ValueError):
            found = ()
        if len(found) != self.rank or any(number < 0 for pair in found for number in pair):
            raise UsageError(
                f"{type(self).__name__}: {argument} is a number from 0 on, or a pair for each of "
                f"{self.rank} axes",
                facts=[(argument, value)],
            )
        return found


def _pairs(value: Border, rank: int) -> tuple[tuple[int, int], ...]:
    if isinstance(value, int):
        return ((value, value),) * rank
    if rank == 1 and all(isinstance(number, int) for number in value):
        low, high = value
        return ((low, high),)
    pairs = [(e, e) if isinstance(e, int) else tuple(map(int, e)) for e in value]
    return tuple((low, high) for low, high in pairs)


class _ZeroPadding(_Border):
    """The base of the three."""

    config_names = ("padding", "data_format")

    def __init__(self, padding: Border = 1, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.padding = self.pairs("padding", padding)

    def call(self, inputs: Tensor) -> Tensor:
        return nn.zero_pad(inputs, self.padding, data_format=self.data_format)


class ZeroPadding1D(_ZeroPadding):
    """Zeros before and behind a sequence `[n, steps, features]`.

    Args:
        padding: how many: one number, or `(before, behind)`.
        data_format: `"channels_first"` for `[n, features, steps]`.
    """

    rank = 1


class ZeroPadding2D(_ZeroPadding):
    """Zeros around images `[n, rows, columns, channels]`.

    Args:
        padding: a number, one number an axis, or `((top, bottom), (left, right))`.
        data_format: `"channels_first"` for `[n, channels, rows, columns]`.
    """

    rank = 2


class ZeroPadding3D(_ZeroPadding):
    """Zeros around volumes `[n, x, y, z, channels]`; arguments as of `ZeroPadding2D`."""

    rank = 3


class _Cropping(_Border):
    """The base of the three."""

    config_names = ("cropping", "data_format")

    def __init__(self, cropping: Border = 1, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.cropping = self.pairs("cropping", cropping)

    def call(self, inputs: Tensor) -> Tensor:
        first = 1 if self.data_format == "channels_last" else 2
        for size, (low, high) in zip(inputs.shape[first:], self.cropping, strict=False):
            if isinstance(size, int) and low + high >= size:
                raise ShapeError(
                    f'layer "{self.name}": nothing of an axis would be left',
                    facts=[("input", inputs.shape), ("cropping", self.cropping)],
                )
        return nn.crop(inputs, self.cropping, data_format=self.data_format)


class Cropping1D(_Cropping):
    """A sequence `[n, steps, features]` without its ends.

    Args:
        cropping: how many steps: one number, or `(before, behind)`.
        data_format: `"channels_first"` for `[n, features, steps]`.
    """

    rank = 1


class Cropping2D(_Cropping):
    """Images `[n, rows, columns, channels]` without their borders.

    Args:
        cropping: a number, one number an axis, or `((top, bottom), (left, right))`.
        data_format: `"channels_first"` for `[n, channels, rows, columns]`.
    """

    rank = 2

    def __init__(
        self, cropping: Border = ((0, 0), (0, 0)), data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(cropping, data_format, **kwargs)


class Cropping3D(_Cropping):
    """Volumes `[n, x, y, z, channels]` without their borders; arguments as of `Cropping2D`."""

    rank = 3
