"""`Variable`: state that lives outside graphs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from irflow.dtypes import DType, DTypeLike
from irflow.errors import ShapeError
from irflow.frontend.tensor import Tensor, TensorLike, as_tensor, asarray
from irflow.frontend.tracing import current_trace
from irflow.ir import TensorType
from irflow.location import user_location

_counter = itertools.count()


class Variable:
    """A named tensor that can be assigned, such as a weight, a step counter or a random key.

    Reading a variable inside a traced function adds an input to the graph, assigning adds an output; the runtime
    writes the new value back after each call.

    Args:
        value: the initial value; its shape and element type stay.
        name: used for saving and in graph signatures, unique by default.
        trainable: whether optimisers should change it.
        dtype: an element type other than that of `value`.

    >>> step = Variable(0, name="step")
    >>> step.assign(step.value + 1)
    >>> int(step.value)
    1
    """

    __slots__ = ("__weakref__", "_data", "name", "trainable", "type")

    def __init__(
        self,
        value: TensorLike,
        name: str | None = None,
        *,
        trainable: bool = True,
        dtype: DTypeLike | None = None,
    ) -> None:
        tensor = asarray(value, dtype)
        self._data: Tensor = Tensor(tensor.data)
        self.type: TensorType = tensor.type
        self.name = name if name is not None else f"variable_{next(_counter)}"
        self.trainable = trainable

    @property
    def value(self) -> Tensor:
        """The current value."""
        trace = current_trace()
        return self._data if trace is None else trace.read(self)

    @value.setter
    def value(self, new: TensorLike) -> None:
        self.assign(new)

    @property
    def shape(self) -> tuple[Any, ...]:
        return self.type.shape

    @property
    def dtype(self) -> DType:
        return self.type.dtype

    def assign(self, value: TensorLike) -> None:
        """Give the variable another value of the same shape; the element type is converted.

        Raises:
            ShapeError: the shape differs.
        """
        tensor = as_tensor(value)
        if tensor.shape != self.type.shape:
            raise ShapeError(
                f"variable {self.name}: a value of another shape is assigned",
                facts=[("variable", self.type), ("value", tensor.type)],
                location=user_location(),
            )
        if tensor.dtype is not self.type.dtype:
            tensor = tensor.astype(self.type.dtype)
        trace = current_trace()
        if trace is None:
            self._data = Tensor(tensor.data)
        else:
            trace.assign(self, tensor)

    def assign_add(self, delta: TensorLike) -> None:
        """Add to the value."""
        self.assign(self.value + delta)

    def assign_sub(self, delta: TensorLike) -> None:
        """Subtract from the value."""
        self.assign(self.value - delta)

    def numpy(self) -> np.ndarray:
        """The value as a NumPy array of its own."""
        return self.value.numpy()

    def concrete(self) -> np.ndarray | None:
        """The array held outside of any trace."""
        return self._data.data

    @property
    def data(self) -> np.ndarray:
        """The array held outside of any trace, as given to compiled functions."""
        return self._data.data

    def store(self, array: np.ndarray) -> None:
        """Take an array of the right type as the new value, without a copy; used by the runtime."""
        self._data = Tensor(array)

    def __irflow_tensor__(self) -> Tensor:
        return self.value

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.value.__array__(dtype, copy)

    def __repr__(self) -> str:
        return f"Variable({self.name!r}, {self.type})"

    def __getitem__(self, key: Any) -> Tensor:
        return self.value[key]


def _forward(name: str) -> Any:
    def method(self: Variable, *args: Any) -> Any:
        return getattr(self.value, name)(*args)

    method.__name__ = name
    return method


OPERATORS: Sequence[str] = tuple(
    f"__{prefix}{name}__"
    for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul")
    for prefix in ("", "r")
) + (
    "__neg__",
    "__abs__",
    "__lt__",
    "__le__",
    "__gt__",
    "__ge__",
    "__bool__",
    "__int__",
    "__float__",
    "__len__",
)
METHODS = ("sum", "mean", "max", "min", "reshape", "transpose", "astype", "item", "tolist")

for _name in (*OPERATORS, *METHODS):
    setattr(Variable, _name, _forward(_name))
