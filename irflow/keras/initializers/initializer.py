"""What all initializers share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from irflow import dtypes
from irflow.dtypes import DType, DTypeLike
from irflow.frontend.tensor import Tensor
from irflow.keras import config as settings

Shape = Sequence[int]


class Initializer:
    """The base of the initializers: a call gives the first value of a weight.

    A subclass defines `__call__(shape, dtype=None)`, and `get_config` where it has arguments.
    """

    def __call__(self, shape: Shape, dtype: DTypeLike | None = None) -> Tensor:
        """The first value.

        Args:
            shape: of the weight.
            dtype: its element type; `keras.config.floatx()` by default.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no __call__")

    def get_config(self) -> dict[str, Any]:
        """The arguments of the initializer, as JSON knows them."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The initializer with the arguments that `get_config` gave."""
        return cls(**config)

    def clone(self) -> Self:
        """Another initializer with the same arguments."""
        return type(self).from_config(self.get_config())


def element_type(dtype: DTypeLike | None) -> DType:
    """The element type that an initializer is asked for."""
    return dtypes.as_dtype(settings.floatx() if dtype is None else dtype)
