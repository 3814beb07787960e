"""`Variable`: state that lives outside graphs."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from irflow.dims import Size
from irflow.dtypes import DType, DTypeLike
from irflow.errors import ShapeError
from irflow.frontend.at import At
from irflow.frontend.boundary import public
from irflow.frontend.conversion import asarray
from irflow.frontend.numpy_methods import NumpyMethods
from irflow.frontend.tensor import OPERATORS, Tensor, TensorLike, as_tensor
from irflow.frontend.tracing import current_trace
from irflow.ir import TensorType

if TYPE_CHECKING:
    from irflow.frontend.tracing import Trace
    from irflow.session import Operation

_counter = itertools.count()

HELD = operator.attrgetter("_data")
"""The tensor that a variable holds outside of any trace, as quickly as Python can tell."""


class Variable:
    """A named tensor that can be assigned, such as a weight, a step counter or a random key.

    Reading a variable inside a traced function adds an input to the graph, assigning adds an
    output; the runtime writes the new value back after each call. In arithmetic, and with the
    methods of tensors, a variable stands for its value.

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
    __array_priority__ = 100  # as that of `Tensor`

    @public
    def __init__(
        self,
        value: TensorLike,
        name: str | None = None,
        *,
        trainable: bool = True,
        dtype: DTypeLike | None = None,
    ) -> None:
        tensor = asarray(value, dtype)
        array = tensor.demand("the initial value of a variable")
        # An array of its own: the tensor given may be donated later.
        self._data = Tensor(array.copy() if isinstance(value, Tensor) else array)
        self.type: TensorType = tensor.type
        self.name = name if name is not None else f"variable_{next(_counter)}"
        self.trainable = trainable
        trace = current_trace()
        if trace is not None:
            trace.created(self)

    @property
    def value(self) -> Tensor:
        """The current value."""
        return self.value_in(current_trace())

    @value.setter
    def value(self, new: TensorLike) -> None:
        self.assign(new)

    def value_in(self, trace: Trace | None) -> Tensor:
        """The value at this point of a trace, or outside of any."""
        return self._data if trace is None else Tensor.traced(trace, trace.read(self))

    @property
    def shape(self) -> tuple[Size, ...]:
        return self.type.shape

    @property
    def ndim(self) -> int:
        return self.type.rank

    @property
    def dtype(self) -> DType:
        return self.type.dtype

    @public
    def assign(self, value: TensorLike) -> Operation | None:
        """Give the variable another value of the same shape; the element type is converted.

        Returns:
            None; in an explicit graph, the operation that assigns when a session runs it.

        Raises:
            ShapeError: the shape differs.
        """
        tensor = as_tensor(value)
        if tensor.shape != self.type.shape:
            raise ShapeError(
                f"variable {self.name}: a value of another shape is assigned",
                facts=[("variable", self.type), ("value", tensor.type)],
            )
        if tensor.dtype is not self.type.dtype:
            tensor = tensor.astype(self.type.dtype)
        trace = current_trace()
        if trace is not None:
            return trace.assign(self, tensor)
        self._data = Tensor(_own(tensor.data, value))
        return None

    def assign_add(self, delta: TensorLike) -> Operation | None:
        """Add to the value; as `assign`."""
        return self.assign(self.value + as_tensor(delta))

    def assign_sub(self, delta: TensorLike) -> Operation | None:
        """Subtract from the value; as `assign`."""
        return self.assign(self.value - as_tensor(delta))

    @public
    def numpy(self) -> np.ndarray:
        """The value as a NumPy array of its own."""
        return self.value.numpy()

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

    @property
    def T(self) -> Tensor:
        """The value with the axes in reverse order."""
        return self.value.T

    @property
    def at(self) -> At:
        """Its elements at a key, to be changed in a copy of the value: `v.at[key].add(1)`."""
        return self.value.at


def hold(variables: Sequence[Variable], tensors: Sequence[Tensor]) -> None:
    """Give variables the tensors of compiled functions, which have the right types."""
    for variable, tensor in zip(variables, tensors, strict=True):
        variable._data = tensor


def _own(array: np.ndarray, value: TensorLike) -> np.ndarray:
    """A copy where somebody else may write to the array that was assigned."""
    return array.copy() if not isinstance(value, Tensor) else array


def _forward(name: str) -> Any:
    def method(self: Variable, *args: Any, **kwargs: Any) -> Any:
        others = [arg.value if isinstance(arg, Variable) else arg for arg in args]
        return getattr(self.value, name)(*others, **kwargs)

    method.__name__ = name
    return method


CONVERSIONS = (
    *("__bool__", "__int__", "__float__", "__index__", "__round__", "__len__", "__iter__"),
)
NUMPY_METHODS = tuple(name for name in vars(NumpyMethods) if not name.startswith("_"))
METHODS = ("sum", "prod", "mean", "max", "min", "argmax", "argmin", "reshape", "transpose")

for _name in (
    *OPERATORS,
    "__matmul__",
    "__rmatmul__",
    "__getitem__",
    *CONVERSIONS,
    *METHODS,
    *NUMPY_METHODS,
):
    setattr(Variable, _name, _forward(_name))
for _name in ("flatten", "astype", "item", "tolist", "__dlpack__", "__dlpack_device__"):
    setattr(Variable, _name, _forward(_name))
