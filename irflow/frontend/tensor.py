"""`Tensor`: the user's handle on an array, or on a value of a graph being traced.

Outside of tracing an op runs at once, by its NumPy meaning (with `IRFLOW_EAGER=jit`: compiled by
the selected backend). Inside, it becomes a node. Mixed element types are promoted and shapes
broadcast here, before a node is made: the nodes themselves take equal types.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, cast

import numpy as np

from irflow import dims, dtypes, ops
from irflow.dims import Dim, Size
from irflow.dtypes import DType, DTypeLike
from irflow.errors import DonatedTensorError, IrflowError
from irflow.frontend import eager, tracing
from irflow.frontend.arrays import as_array
from irflow.frontend.assignment import set_item
from irflow.frontend.at import At
from irflow.frontend.boundary import public
from irflow.frontend.indexing import get_item
from irflow.frontend.methods import Methods
from irflow.frontend.numbers import leaf_classes, list_array, literal, number, type_for
from irflow.frontend.numpy_methods import NumpyMethods
from irflow.frontend.products import matmul
from irflow.frontend.promotion import (
    broadcast_shapes,
    common_type,
    promote_all,
    require_same_shapes,
)
from irflow.frontend.tracing import Trace, current_trace
from irflow.frontend.values import Values
from irflow.ir import DenseArray, Op, TensorType
from irflow.ir.graph import Graph, Value
from irflow.location import user_location
from irflow.ops.operand import GraphOperand
from irflow.scalars import Scalar, find

TensorLike = Any
"""A Tensor, a Variable, what `as_array` takes, a Python number, or nested lists of them."""


class Tensor(Values, Methods, NumpyMethods, GraphOperand):
    """A multi-dimensional array of one element type.

    Make one with `irf.asarray`. Arithmetic, comparison, indexing and the methods below follow
    NumPy. A tensor is a handle: `x += y` makes `x` refer to a new value, other handles keep theirs.
    """

    __slots__ = (
        *("__weakref__", "_constant", "_data", "_is_donated", "_trace", "_type", "_value", "_weak"),
    )
    # `ndarray + tensor` asks the tensor; `np.exp(tensor)` takes its value and gives an array.
    __array_priority__ = 100

    def __init__(
        self, data: np.ndarray, *, weak: bool = False, type: TensorType | None = None
    ) -> None:
        self._data: np.ndarray | None = data
        self._type = type
        self._trace: Trace | None = None
        self._value: Value | None = None
        self._weak = weak
        self._is_donated = False
        self._constant: DenseArray | None = None

    @classmethod
    def traced(cls, trace: Trace, value: Value, *, weak: bool = False) -> Tensor:
        """The handle of a value of a trace."""
        tensor = cls.__new__(cls)
        tensor._data, tensor._type = None, value.type
        tensor._trace, tensor._value = trace, value
        tensor._weak, tensor._is_donated, tensor._constant = weak, False, None
        return tensor

    # ------------------------------------------------------------------------------ the handle

    @property
    def type(self) -> TensorType:
        found = self._type
        if found is None:
            data = self.data
            found = self._type = type_for(data.dtype, data.shape)
        return found

    @property
    def data(self) -> np.ndarray:
        """The array of a concrete tensor, not to be written to.

        Raises:
            DonatedTensorError: its memory was given to a compiled function.
            ConcretizationError: it is being traced and its value is not known.
        """
        found = self._data  # once, as another thread may hand it over meanwhile
        return found if found is not None else self.demand("this operation")

    def demand(self, wanted: str, hint: str | None = None) -> np.ndarray:
        """The array; `wanted` says in the error what needs it, `hint` what to do instead."""
        if self._constant is not None:
            restored = self._data = self._constant.array
            return restored
        if self._is_donated:
            raise DonatedTensorError(
                "this tensor was donated to a compiled function and has no memory any more",
                facts=[("tensor", self._type)],
                hint="use the function's result, or do not donate the argument",
            )
        array = self.concrete()
        if array is None:
            raise tracing.concretization_error(self, wanted, hint)
        return array

    def concrete(self) -> np.ndarray | None:
        """The array if it is known now, else None."""
        if self._trace is None:
            return self.data
        assert self._value is not None
        if not self._trace.is_alive:
            raise tracing.leaked(self)
        return self._trace.concrete(self._value)

    @property
    def trace(self) -> Trace | None:
        """The trace that the tensor belongs to, None for a concrete one."""
        return self._trace

    @property
    def value(self) -> Value | None:
        """The graph value of a traced tensor."""
        return self._value

    @property
    def is_weak(self) -> bool:
        """Whether the element type gives way to the other operand's, as a Python number's does."""
        return self._weak

    def weakened(self) -> Tensor:
        """The same value with an element type that gives way."""
        if self._trace is None or self._value is None:
            return Tensor(self.data, weak=True)
        return Tensor.traced(self._trace, self._value, weak=True)

    def donate(self) -> None:
        """Mark the memory as given away; reading the tensor raises from now on."""
        self._type = self.type
        self._data = self._constant = None
        self._is_donated = True

    def emit(
        self, op: Op, operands: Sequence[Any], regions: Sequence[Graph] = ()
    ) -> tuple[Tensor, ...]:
        return apply(op, operands, regions)

    def constant(self, array: np.ndarray) -> Tensor:
        return Tensor(np.asarray(array))

    def apply_row(self, row: Scalar, operands: Sequence[Any]) -> Tensor:
        return apply_row(row, operands)

    def __repr__(self) -> str:
        if self._trace is not None:
            return f"Tensor(traced, {self.type})"
        if self._is_donated:
            return f"Tensor(donated, {self.type})"
        body = np.array2string(self.data, separator=", ", prefix="Tensor(")
        return f"Tensor({body}, dtype={self.dtype})"

    def __hash__(self) -> int:
        return id(self)

    @public
    def __eq__(self, other: object) -> Any:
        return apply_row(find("equal"), (self, other)) if is_tensor_like(other) else NotImplemented

    @public
    def __ne__(self, other: object) -> Any:
        row = find("not_equal")
        return apply_row(row, (self, other)) if is_tensor_like(other) else NotImplemented

    @public
    def __matmul__(self, other: Any) -> Tensor:
        return matmul(self, as_tensor(other)) if is_tensor_like(other) else NotImplemented

    @public
    def __rmatmul__(self, other: Any) -> Tensor:
        return matmul(as_tensor(other), self) if is_tensor_like(other) else NotImplemented

    @public
    def __getitem__(self, key: Any) -> Tensor:
        parts = key if isinstance(key, tuple) else (key,)
        return get_item(self, [_index_part(part) for part in parts])

    @public
    def __setitem__(self, key: Any, value: TensorLike) -> None:
        parts = key if isinstance(key, tuple) else (key,)
        result = set_item(self, [_index_part(part) for part in parts], _written(self, value))
        self._data, self._type, self._constant = result._data, result._type, result._constant
        self._trace, self._value = result._trace, result._value

    @property
    def at(self) -> At:
        """Its elements at a key, to be changed in a copy: `x.at[key].add(value)`."""
        return At(self, _changed)

    def __irflow_alias__(self) -> Tensor:
        """Another handle on the same value, which `x[key] = value` does not change."""
        if self._trace is None or self._value is None:
            return Tensor(self.data, weak=self._weak, type=self._type)
        return Tensor.traced(self._trace, self._value, weak=self._weak)

    @public
    def astype(self, dtype: DTypeLike) -> Tensor:
        """The elements in another type."""
        return strong(ops.convert(self, dtypes.as_dtype(dtype)))


OPERATORS = (
    *("__neg__", "__pos__", "__abs__", "__invert__", "__lt__", "__le__", "__gt__", "__ge__"),
    *("__add__", "__sub__", "__mul__", "__truediv__", "__floordiv__", "__mod__", "__pow__"),
    *("__radd__", "__rsub__", "__rmul__", "__rtruediv__", "__rfloordiv__", "__rmod__", "__rpow__"),
    *("__and__", "__or__", "__xor__", "__lshift__", "__rshift__"),
    *("__rand__", "__ror__", "__rxor__", "__rlshift__", "__rrshift__"),
)


def _operator(name: str) -> Any:
    """An operator of `Operand`, which is written for three kinds of operands, as users meet it."""
    of_operands = getattr(GraphOperand, name)

    @public
    def method(self: Tensor, *others: Any) -> Any:
        return of_operands(self, *[_sized(self, o) if isinstance(o, Dim) else o for o in others])

    method.__name__ = name
    return method


def _sized(x: Tensor, size: Dim) -> Tensor:
    """A size as an operand beside `x`."""
    if dims.are_guarded() and x.dtype.is_integer and x.dtype.itemsize < 4:
        int(size)  # a number that does not fit raises, so that it must be known
    return as_tensor(size)


for _name in OPERATORS:
    setattr(Tensor, _name, _operator(_name))


# ---------------------------------------------------------------------------------- making tensors


def is_tensor_like(value: object) -> bool:
    """Whether `as_tensor` takes the value as one operand; lists are not meant by that."""
    kinds = (Tensor, np.ndarray, np.generic, bool, int, float, complex, Dim)
    is_known = isinstance(value, kinds)
    return is_known or hasattr(value, "__array__") or hasattr(value, "__dlpack__")


def _changed(x: Tensor, key: Any, value: TensorLike, kind: str) -> Tensor:
    parts = key if isinstance(key, tuple) else (key,)
    ready = _written(x, value)
    return set_item(x, [_index_part(part) for part in parts], ready, kind, "drop")


def _written(x: Tensor, value: TensorLike) -> Tensor:
    """A value to be written into `x`; a Python number is rounded once, to the type of `x`."""
    return Tensor(literal(value, x.dtype)) if type(value) in (int, float) else as_tensor(value)


def _index_part(part: object) -> object:
    """A part of an index; arrays and lists become tensors, an empty list one of integers."""
    if isinstance(part, list) and not part:
        return Tensor(np.zeros(0, np.int64))
    is_array = isinstance(part, (list, np.ndarray)) or hasattr(part, "__irflow_tensor__")
    return as_tensor(part) if is_array else part


def as_tensor(value: TensorLike) -> Tensor:
    """The value as a Tensor, without a copy where possible; Python numbers are weakly typed.

    Raises:
        DTypeError: it is not numeric, or has nulls; see `as_array`.
        ShapeError: ragged lists.
    """
    if isinstance(value, Tensor):
        return value
    kind = type(value)
    if kind is not np.ndarray:
        if kind in dtypes.PYTHON_NUMBERS:
            return Tensor(number(value), weak=kind is not bool)
        if hasattr(value, "__irflow_tensor__"):
            return cast(Tensor, value.__irflow_tensor__())
        if isinstance(value, (list, tuple)):
            return from_list(value)
        if isinstance(value, Dim):
            return apply(ops.SizeOf(value), (), weak=True)[0]
    is_ready = kind is np.ndarray and value.dtype in dtypes.NUMPY_TYPES
    array = value if is_ready else as_array(value)
    return Tensor(array, type=type_for(array.dtype, array.shape))


def from_list(value: Sequence[Any], dtype: DType | None = None) -> Tensor:
    """Nested lists as a Tensor; where there are tensors among the leaves, all promote."""
    kinds = set(leaf_classes(value))
    if any(issubclass(kind, Tensor) or hasattr(kind, "__irflow_tensor__") for kind in kinds):
        parts = promote_all([as_tensor(item) for item in value])
        require_same_shapes("a list of tensors", [part.type for part in parts])
        return cast(Tensor, ops.stack(parts, 0))
    return as_tensor(list_array(value, dtype))


def inexact(x: TensorLike) -> Tensor:
    """The tensor in a float type: itself, or converted to the default float."""
    tensor = as_tensor(x)
    return cast(Tensor, ops.convert(tensor, dtypes.to_inexact(tensor.dtype)))


def another(tensor: Tensor) -> Tensor:
    """Another handle on the same value, for results that may be an operand as it came.

    `public` does so for a first operand; this is for lists of results and operands in lists.
    """
    return tensor.__irflow_alias__()


def strong(tensor: Tensor) -> Tensor:
    """The tensor with an element type that does not give way."""
    if not tensor.is_weak:
        return tensor
    if tensor.trace is None:
        return Tensor(tensor.data)
    assert tensor.value is not None
    return Tensor.traced(tensor.trace, tensor.value)


# ------------------------------------------------------------------------------------- applying ops


def apply(
    op: Op, operands: Sequence[Tensor], regions: Sequence[Graph] = (), *, weak: bool = False
) -> tuple[Tensor, ...]:
    """Run an op at once, or record it when a trace is active."""
    trace = current_trace()
    try:
        if trace is not None:
            values = trace.builder.emit(op, [trace.lift(operand) for operand in operands], regions)
            return tuple([Tensor.traced(trace, value, weak=weak) for value in values])
        results = eager.apply(op, operands, regions)
        return tuple([Tensor(array, weak=weak, type=type) for array, type in results])
    except IrflowError as error:
        raise error.at(user_location()) from None


def apply_row(row: Scalar, operands: Sequence[TensorLike]) -> Tensor:
    """Apply a scalar function with NumPy's manners: promotion of types, broadcasting of shapes."""
    tensors = [as_tensor(operand) for operand in operands]
    first = 1 if row.selects else 0
    dtype, weak = common_type(tensors[first:], row)
    try:
        _require_alive(tensors)
        shape = broadcast_shapes(row.name, [tensor.type for tensor in tensors])
        ready = [
            _ready(operand, tensor, dtypes.bool_ if i < first else dtype, shape)
            for i, (operand, tensor) in enumerate(zip(operands, tensors, strict=True))
        ]
    except IrflowError as error:
        raise error.at(user_location()) from None
    return apply(_elementwise(row), ready, weak=weak and row.result == "same")[0]


def _require_alive(tensors: Sequence[Tensor]) -> None:
    """LeakedTracerError for a tensor whose trace has ended, before its sizes make trouble."""
    for tensor in tensors:
        if tensor.trace is not None and not tensor.trace.is_alive:
            raise tracing.leaked(tensor)


def _ready(operand: TensorLike, tensor: Tensor, dtype: DType, shape: tuple[Size, ...]) -> Tensor:
    """One operand of an elementwise op in the common type."""
    if tensor.dtype is not dtype:
        # A Python number is taken as it was written: f64 holds 0.1 better than f32 does.
        if type(operand) in dtypes.PYTHON_NUMBERS:
            tensor = Tensor(literal(operand, dtype))
        else:
            tensor = ops.convert(tensor, dtype)
    if tensor.shape == shape:
        return tensor
    if current_trace() is None and not eager.is_compiled():  # the same without making an op
        return Tensor(np.broadcast_to(tensor.data, cast(tuple[int, ...], shape)))
    return cast(Tensor, ops.broadcast_to(tensor, shape))


@lru_cache(maxsize=1024)
def _elementwise(row: Scalar) -> Op:
    return ops.Elementwise(row)
