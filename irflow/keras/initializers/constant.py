"""Initializers without chance."""

from __future__ import annotations

from typing import Any

import numpy as np

from irflow.dtypes import DTypeLike
from irflow.errors import ShapeError
from irflow.frontend.conversion import asarray
from irflow.frontend.tensor import Tensor
from irflow.keras.initializers.initializer import Initializer, Shape, element_type


class Constant(Initializer):
    """One value everywhere.

    Args:
        value: a number, or an array that broadcasts to the weight.
    """

    def __init__(self, value: Any = 0.0) -> None:
        self.value = value

    def __call__(self, shape: Shape, dtype: DTypeLike | None = None) -> Tensor:
        values = np.broadcast_to(np.asarray(self.value), tuple(shape))
        return asarray(values, element_type(dtype))

    def get_config(self) -> dict[str, Any]:
        value = self.value
        return {"value": value if isinstance(value, (int, float)) else np.asarray(value).tolist()}


class Zeros(Initializer):
    """Zeros."""

    def __call__(self, shape: Shape, dtype: DTypeLike | None = None) -> Tensor:
        return Tensor(np.zeros(tuple(shape), element_type(dtype).numpy))


class Ones(Initializer):
    """Ones."""

    def __call__(self, shape: Shape, dtype: DTypeLike | None = None) -> Tensor:
        return Tensor(np.ones(tuple(shape), element_type(dtype).numpy))


class Identity(Initializer):
    """A matrix with `gain` on its diagonal and zeros elsewhere; it need not be square.

    Raises:
        ShapeError: the weight is no matrix.
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def __call__(self, shape: Shape, dtype: DTypeLike | None = None) -> Tensor:
        if len(shape) != 2:
            raise ShapeError("Identity: a matrix is wanted", facts=[("shape", tuple(shape))])
        rows, columns = shape
        return asarray(self.gain * np.eye(rows, columns), element_type(dtype))

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain}


class Values(Initializer):
    """An array as the first value of a weight of its shape.

    Args:
        value: the array.

    Raises:
        ShapeError: the weight has another shape.
    """

    def __init__(self, value: Any) -> None:
        self.value = np.asarray(value)

    def __call__(self, shape: Shape, dtype: DTypeLike | None = None) -> Tensor:
        if tuple(shape) != self.value.shape:
            raise ShapeError(
                "an array initializes a weight of another shape",
                facts=[("weight", tuple(shape)), ("array", self.value.shape)],
            )
        return asarray(self.value, element_type(dtype), copy=True)

    def get_config(self) -> dict[str, Any]:
        return {"value": self.value.tolist()}
