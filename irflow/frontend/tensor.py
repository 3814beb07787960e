"""`Tensor`: the user's handle on an array, or on a value of a graph being traced.

Outside of tracing an op runs at once, by its NumPy meaning (with `IRFLOW_EAGER=jit`: compiled by
the selected backend). Inside, it becomes a node. Mixed element types are promoted and shapes
broadcast here, before a node is made: the nodes themselves take equal types.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from types import ModuleType
from typing import Any, cast

import numpy as np

from irflow import dtypes, ops
from irflow.dims import Dim, Size
from irflow.dtypes import DType, DTypeLike
from irflow.errors import (
    DonatedTensorError,
    DTypeError,
    IrflowError,
    ShapeError,
    UnsupportedError,
    UsageError,
)
from irflow.frontend import eager, tracing
from irflow.frontend.assignment import set_item
from irflow.frontend.boundary import public
from irflow.frontend.indexing import get_item
from irflow.frontend.numbers import leaf_classes, list_array, literal, number, type_for
from irflow.frontend.products import matmul
from irflow.frontend.promotion import (
    broadcast_shapes,
    common_type,
    normalize_axes,
    promote_all,
    solve_shape,
)
from irflow.frontend.reductions import Axis, arg_extreme, extreme, mean, total
from irflow.frontend.tracing import Trace, current_trace
from irflow.ir import Op, TensorType
from irflow.ir.graph import Graph, Value
from irflow.ir.op import infer_types, run_op
from irflow.location import user_location
from irflow.ops.operand import GraphOperand
from irflow.scalars import Scalar, find

TensorLike = Any
"""A Tensor, a Variable, a NumPy array, a Python number, or nested lists of them."""


class Tensor(GraphOperand):
    """A multi-dimensional array of one element type.

    Make one with `irf.asarray`. Arithmetic, comparison, indexing and the methods below follow
    NumPy. A tensor is a handle: `x += y` makes `x` refer to a new value, other handles keep theirs.
    """

    __slots__ = ("__weakref__", "_data", "_is_donated", "_trace", "_type", "_value", "_weak")
    __array_ufunc__ = None  # so that `ndarray + tensor` asks the tensor

    def __init__(
        self, data: np.ndarray, *, weak: bool = False, type: TensorType | None = None
    ) -> None:
        self._data: np.ndarray | None = data
        self._type = type
        self._trace: Trace | None = None
        self._value: Value | None = None
        self._weak = weak
        self._is_donated = False

    @classmethod
    def traced(cls, trace: Trace, value: Value, *, weak: bool = False) -> Tensor:
        """The handle of a value of a trace."""
        tensor = cls.__new__(cls)
        tensor._data, tensor._type = None, value.type
        tensor._trace, tensor._value = trace, value
        tensor._weak, tensor._is_donated = weak, False
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
        return self._data if self._data is not None else self.demand("this operation")

    def demand(self, wanted: str) -> np.ndarray:
        """The array; `wanted` says in the error what needs it."""
        if self._is_donated:
            raise DonatedTensorError(
                "this tensor was donated to a compiled function and has no memory any more",
                facts=[("tensor", self._type)],
                hint="use the function's result, or do not donate the argument",
            )
        array = self.concrete()
        if array is None:
            raise tracing.concretization_error(self, wanted)
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
        self._data = None
        self._is_donated = True

    def emit(
        self, op: Op, operands: Sequence[Any], regions: Sequence[Graph] = ()
    ) -> tuple[Tensor, ...]:
        return apply(op, operands, regions)

    def constant(self, array: np.ndarray) -> Tensor:
        return Tensor(np.asarray(array))

    def apply_row(self, row: Scalar, operands: Sequence[Any]) -> Tensor:
        return apply_row(row, operands)

    # ----------------------------------------------------------------------- as Python and NumPy

    @public
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = self.demand("a NumPy function")
        if dtype is not None and array.dtype != dtype:
            return array.astype(dtype)
        if copy:
            return array.copy()
        view = array.view()
        view.flags.writeable = False  # other tensors may share the memory
        return view

    @public
    def __dlpack__(
        self,
        *,
        stream: object = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> object:
        """The elements for another library, as DLPack has it: shared, and not to be written to."""
        if stream is not None:
            raise UnsupportedError("__dlpack__: the cpu has no streams")
        array = self.demand("__dlpack__").view()
        # Only from version 1 on can a consumer be told not to write; an older one gets a copy.
        is_old = max_version is None or max_version < (1, 0)
        if copy or is_old:
            array = array.copy()
        else:
            array.flags.writeable = False
        return array.__dlpack__(max_version=max_version, dl_device=dl_device)

    def __dlpack_device__(self) -> tuple[int, int]:
        """DLPack's number of the cpu, and 0."""
        return (1, 0)

    @public
    def numpy(self) -> np.ndarray:
        """The value as a NumPy array; a copy, so that writing into it changes no tensor."""
        return self.demand("numpy()").copy()

    @public
    def item(self) -> Any:
        """The value of a tensor of one element as a Python number."""
        return self.demand("item()").item()

    @public
    def tolist(self) -> Any:
        """The values as nested lists."""
        return self.demand("tolist()").tolist()

    @public
    def __bool__(self) -> bool:
        return bool(self.demand("a branch ('if', 'while', 'and', 'or', 'not')"))

    @public
    def __int__(self) -> int:
        return int(self.demand("int()").item())

    @public
    def __float__(self) -> float:
        return float(self.demand("float()").item())

    @public
    def __complex__(self) -> complex:
        return complex(self.demand("complex()").item())

    @public
    def __index__(self) -> int:
        return int(self.demand("an index").__index__())

    @public
    def __len__(self) -> int:
        if not self.shape:
            raise DTypeError("len() of a tensor without axes")
        return int(self.shape[0])

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        if self._trace is not None:
            return f"Tensor(traced, {self.type})"
        if self._is_donated:
            return f"Tensor(donated, {self.type})"
        body = np.array2string(self.data, separator=", ", prefix="Tensor(")
        return f"Tensor({body}, dtype={self.dtype})"

    def __format__(self, spec: str) -> str:
        is_number = bool(spec) and not self.shape
        return format(self.item() if is_number else str(self), spec)

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
        result = set_item(self, [_index_part(part) for part in parts], as_tensor(value))
        self._data, self._type = result._data, result._type
        self._trace, self._value = result._trace, result._value

    def __irflow_alias__(self) -> Tensor:
        """Another handle on the same value, which `x[key] = value` does not change."""
        if self._trace is None or self._value is None:
            return Tensor(self.data, weak=self._weak, type=self._type)
        return Tensor.traced(self._trace, self._value, weak=self._weak)

    def __array_namespace__(self, *, api_version: str | None = None) -> ModuleType:
        """The array API standard's functions: `irflow.numpy`."""
        # By name and at run time: the namespace stands above this module, and imports it.
        namespace = importlib.import_module("irflow.numpy")
        if api_version is not None and api_version not in namespace.SUPPORTED_VERSIONS:
            raise UnsupportedError(
                f"version {api_version!r} of the array API standard",
                facts=[("supported", ", ".join(namespace.SUPPORTED_VERSIONS))],
            )
        return namespace

    # ---------------------------------------------------------------------------------- methods

    @property
    def size(self) -> Size:
        """The number of elements."""
        return self.type.size

    @property
    def device(self) -> str:
        """Where the elements are: `"cpu"`, the only device of eager tensors."""
        return CPU

    @public
    def to_device(self, device: str, /, *, stream: object = None) -> Tensor:
        """The tensor on a device, of which there is one, `"cpu"`, without streams."""
        require_cpu(device)
        if stream is not None:
            raise UnsupportedError("to_device: the cpu has no streams")
        return self

    @property
    def T(self) -> Tensor:
        """The axes in reverse order."""
        return self.transpose()

    @property
    @public
    def mT(self) -> Tensor:
        """The last two axes exchanged."""
        if self.ndim < 2:
            raise ShapeError("mT: a matrix has two axes", facts=[("operand", self.type)])
        return cast(Tensor, ops.matrix_transpose(self))

    @public
    def transpose(self, *axes: Any) -> Tensor:
        """The axes in the order given, reversed by default."""
        given = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
        order = range(self.ndim)[::-1] if given is None or not axes else given
        return cast(Tensor, ops.transpose(self, normalize_axes(tuple(order), self.ndim)))

    @public
    def reshape(self, *shape: Any) -> Tensor:
        """The same elements under another shape; one size may be -1."""
        sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
        return cast(Tensor, ops.reshape(self, solve_shape(self.type, sizes)))

    def flatten(self) -> Tensor:
        """All elements along one axis."""
        return self.reshape(-1)

    @public
    def astype(self, dtype: DTypeLike) -> Tensor:
        """The elements in another type."""
        return strong(ops.convert(self, dtypes.as_dtype(dtype)))

    @public
    def sum(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """The sum along `axis` (an int, several, or all by default)."""
        return total(find("add"), self, axis, keepdims)

    @public
    def prod(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """The product along `axis`."""
        return total(find("multiply"), self, axis, keepdims)

    @public
    def max(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """The largest element along `axis`; NaN where there is one."""
        return extreme(find("maximum"), self, axis, keepdims, "max")

    @public
    def min(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """The smallest element along `axis`; NaN where there is one."""
        return extreme(find("minimum"), self, axis, keepdims, "min")

    @public
    def mean(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """The arithmetic mean along `axis`, in a float type."""
        return mean(self, axis, keepdims)

    @public
    def argmax(self, axis: int | None = None, keepdims: bool = False) -> Tensor:
        """The index of the first largest element along `axis`, of all elements by default."""
        return arg_extreme("max", self, axis, keepdims)

    @public
    def argmin(self, axis: int | None = None, keepdims: bool = False) -> Tensor:
        """The index of the first smallest element along `axis`, of all elements by default."""
        return arg_extreme("min", self, axis, keepdims)


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
        return of_operands(self, *[as_tensor(o) if isinstance(o, Dim) else o for o in others])

    method.__name__ = name
    return method


for _name in OPERATORS:
    setattr(Tensor, _name, _operator(_name))


# ---------------------------------------------------------------------------------- making tensors


def is_tensor_like(value: object) -> bool:
    """Whether `as_tensor` takes the value as one operand; lists are not meant by that."""
    return isinstance(
        value, (Tensor, np.ndarray, np.generic, bool, int, float, complex, Dim)
    ) or hasattr(value, "__array__")


def _index_part(part: object) -> object:
    """A part of an index; arrays and lists become tensors, an empty list one of integers."""
    if isinstance(part, list) and not part:
        return Tensor(np.zeros(0, np.int64))
    is_array = isinstance(part, (list, np.ndarray)) or hasattr(part, "__irflow_tensor__")
    return as_tensor(part) if is_array else part


def as_tensor(value: TensorLike) -> Tensor:
    """The value as a Tensor, without a copy where possible; Python numbers are weakly typed.

    Raises:
        DTypeError: it is not numeric.
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
            return _from_list(value)
        if isinstance(value, Dim):
            return apply(ops.SizeOf(value), (), weak=True)[0]
    array = np.asarray(value)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return Tensor(array, type=type_for(array.dtype, array.shape))


def _from_list(value: Sequence[Any], dtype: DType | None = None) -> Tensor:
    kinds = set(leaf_classes(value))
    if any(issubclass(kind, Tensor) or hasattr(kind, "__irflow_tensor__") for kind in kinds):
        parts = promote_all([as_tensor(item) for item in value])
        shape = broadcast_shapes("a list of tensors", [part.type for part in parts])
        return cast(Tensor, ops.stack([ops.broadcast_to(part, shape) for part in parts], 0))
    return as_tensor(list_array(value, dtype))


CPU = "cpu"


def require_cpu(device: object) -> None:
    """UnsupportedError for a `device` argument other than None and `"cpu"`."""
    if device is not None and device != CPU:
        raise UnsupportedError(f"device {device!r}", facts=[("supported", CPU)])


def asarray(
    value: TensorLike,
    /,
    dtype: DTypeLike | None = None,
    *,
    device: str | None = None,
    copy: bool | None = None,
) -> Tensor:
    """A strongly typed tensor with its own copy of the data.

    Args:
        value: anything array-like. Python floats become f32, Python integers i64.
        dtype: another element type.
        device: None or `"cpu"`.
        copy: None hands a tensor of that type back as it is, True gives another handle, and
            False raises where the data has to be copied, that is for all but such tensors.

    Raises:
        UsageError: `copy=False`, and there is something to copy or convert.

    >>> asarray([1, 2], "f64")
    Tensor([1., 2.], dtype=f64)
    """
    found = _asarray(value, dtype, device, copy)
    is_itself = isinstance(value, Tensor) and not value.is_weak and found.dtype is value.dtype
    return value if is_itself and not copy else found


@public
def _asarray(
    value: TensorLike, dtype: DTypeLike | None, device: str | None, copy: bool | None
) -> Tensor:
    require_cpu(device)
    wanted = None if dtype is None else dtypes.as_dtype(dtype)
    if copy is False and not (isinstance(value, Tensor) and wanted in (None, value.dtype)):
        raise UsageError("asarray: copy=False, but the data has to be copied or converted")
    if isinstance(value, (list, tuple)):
        tensor = _from_list(value, wanted)
    elif wanted is not None and type(value) in dtypes.PYTHON_NUMBERS:
        tensor = Tensor(literal(value, wanted))
    else:
        tensor = strong(as_tensor(value))
    if wanted is not None and tensor.dtype is not wanted:
        return tensor.astype(wanted)
    is_shared = tensor.trace is None and not isinstance(value, Tensor)
    return Tensor(tensor.data.copy()) if is_shared else tensor


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
        return _run(op, operands, regions, weak)
    except IrflowError as error:
        raise error.at(user_location()) from None


def _run(
    op: Op, operands: Sequence[Tensor], regions: Sequence[Graph], weak: bool
) -> tuple[Tensor, ...]:
    arrays = [operand.data for operand in operands]
    if regions:
        return tuple(Tensor(array, weak=weak) for array in eager.run_op(op, arrays, regions))
    types = infer_types(op, [operand.type for operand in operands])
    if eager.is_compiled() and not _has_complex([*types, *(o.type for o in operands)]):
        return tuple(Tensor(array, weak=weak) for array in eager.run_op(op, arrays, regions))
    pairs = zip(run_op(op, arrays), types, strict=True)
    return tuple(Tensor(result, weak=weak, type=type) for result, type in pairs)


def _has_complex(types: Sequence[TensorType]) -> bool:
    """Whether complex numbers take part: they are computed eagerly, backends need not know them."""
    return any(type.dtype.kind == "complex" for type in types)


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
