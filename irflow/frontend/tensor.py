"""`Tensor`: the user's handle on an array, or on a value of a graph being traced.

Outside of tracing an op runs at once, by its NumPy meaning (with `IRFLOW_EAGER=jit`: compiled by the default
backend). Inside, it becomes a node. Mixed element types are promoted and shapes broadcast here, before a
node is made: the nodes themselves take equal types.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np

from irflow import dims, dtypes, ops
from irflow.dims import Size
from irflow.dtypes import DType, DTypeLike
from irflow.errors import DonatedTensorError, DTypeError, IrflowError, ShapeError
from irflow.frontend import tracing
from irflow.frontend.tracing import Trace, current_trace
from irflow.ir import Op, TensorType
from irflow.ir.graph import Graph, Value
from irflow.ir.op import infer_types
from irflow.ir.types import type_of
from irflow.location import user_location
from irflow.ops.operand import GraphOperand
from irflow.scalars import KINDS, Scalar, find

TensorLike = Any
"""A Tensor, a NumPy array, a Python number, or nested lists of numbers."""


class Tensor(GraphOperand):
    """A multi-dimensional array of one element type.

    Make one with `irf.asarray`. Arithmetic, comparison, indexing and the methods below follow NumPy. A
    tensor is a handle: `x += y` makes `x` refer to a new value, other handles keep theirs.
    """

    __slots__ = ("__weakref__", "_data", "_is_donated", "_trace", "_type", "_value", "_weak")
    __array_ufunc__ = None  # so that `ndarray + tensor` asks the tensor
    __array_priority__ = 100.0

    def __init__(self, data: np.ndarray, *, weak: bool = False) -> None:
        self._data: np.ndarray | None = data
        self._type: TensorType | None = None
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
        if self._type is None:
            self._type = type_of(self.data)
        return self._type

    @property
    def data(self) -> np.ndarray:
        """The array of a concrete tensor.

        Raises:
            DonatedTensorError: its memory was given to a compiled function.
            ConcretizationError: it is being traced and its value is not known.
        """
        if self._data is not None:
            return self._data
        if self._is_donated:
            raise DonatedTensorError(
                "this tensor was donated to a compiled function and has no memory any more",
                facts=[("tensor", self._type)],
                location=user_location(),
                hint="use the function's result, or do not donate the argument",
            )
        return self._demand("this")

    def _demand(self, wanted: str) -> np.ndarray:
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
        """Whether the element type gives way to that of the other operand, as a Python number's does."""
        return self._weak

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

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = self._demand("numpy")
        if dtype is not None and array.dtype != dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    def numpy(self) -> np.ndarray:
        """The value as a NumPy array; a copy, so that writing into it changes no tensor."""
        return self._demand("numpy()").copy()

    def item(self) -> Any:
        """The value of a tensor of one element as a Python number."""
        return self._demand("item()").item()

    def tolist(self) -> Any:
        """The values as nested lists."""
        return self._demand("tolist()").tolist()

    def __bool__(self) -> bool:
        return bool(self._demand("a branch ('if', 'while', 'and', 'or', 'not')"))

    def __int__(self) -> int:
        return int(self._demand("int()"))

    def __float__(self) -> float:
        return float(self._demand("float()"))

    def __index__(self) -> int:
        return int(self._demand("an index").__index__())

    def __len__(self) -> int:
        if not self.shape:
            raise DTypeError("len() of a tensor without axes", location=user_location())
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
        return format(self.item(), spec) if not self.shape else format(str(self), spec)

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> Any:
        return apply_row(find("equal"), (self, other)) if is_tensor_like(other) else NotImplemented

    def __ne__(self, other: object) -> Any:
        return (
            apply_row(find("not_equal"), (self, other)) if is_tensor_like(other) else NotImplemented
        )

    def __matmul__(self, other: Any) -> Tensor:
        from irflow.frontend.products import matmul

        return matmul(self, as_tensor(other))

    def __rmatmul__(self, other: Any) -> Tensor:
        return as_tensor(other) @ self

    def __getitem__(self, key: Any) -> Tensor:
        from irflow.frontend.indexing import get_item

        return get_item(self, key)

    # ---------------------------------------------------------------------------------- methods

    @property
    def size(self) -> Size:
        """The number of elements."""
        return self.type.size

    @property
    def T(self) -> Tensor:
        """The axes in reverse order."""
        return self.transpose()

    @property
    def mT(self) -> Tensor:
        """The last two axes exchanged."""
        order = list(range(self.ndim))
        order[-2:] = order[:-3:-1]
        return self.transpose(order)

    def transpose(self, *axes: Any) -> Tensor:
        """The axes in the order given, reversed by default."""
        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
        order = tuple(order) if order else tuple(reversed(range(self.ndim)))
        return cast(Tensor, ops.transpose(self, normalize_axes(order, self.ndim)))

    def reshape(self, *shape: Any) -> Tensor:
        """The same elements under another shape; one size may be -1."""
        sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
        return cast(Tensor, ops.reshape(self, solve_shape(self.type, tuple(sizes))))

    def flatten(self) -> Tensor:
        """All elements along one axis."""
        return self.reshape(-1)

    def astype(self, dtype: DTypeLike) -> Tensor:
        """The elements in another type."""
        return strong(ops.convert(self, dtypes.as_dtype(dtype)))

    def sum(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """The sum along `axis` (an int, several, or all by default)."""
        return reduce(find("add"), _countable(self), axis, keepdims)

    def prod(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """The product along `axis`."""
        return reduce(find("multiply"), _countable(self), axis, keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """The largest element along `axis`; NaN where there is one."""
        return reduce(find("maximum"), _not_empty(self, axis, "max"), axis, keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """The smallest element along `axis`; NaN where there is one."""
        return reduce(find("minimum"), _not_empty(self, axis, "min"), axis, keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """The arithmetic mean along `axis`, in a float type."""
        x = inexact(self)
        axes = axes_of(axis, x.ndim)
        total = reduce(find("add"), x, axis, keepdims)
        count = dims.product(tuple(x.shape[a] for a in axes))
        return total / size_tensor(count, x.dtype)

    def argmax(self, axis: int | None = None) -> Tensor:
        """The index of the first largest element along `axis`, of all elements by default."""
        return _arg_reduce(self, "max", axis)

    def argmin(self, axis: int | None = None) -> Tensor:
        """The index of the first smallest element along `axis`, of all elements by default."""
        return _arg_reduce(self, "min", axis)


# ------------------------------------------------------------------------------------ making tensors


def is_tensor_like(value: object) -> bool:
    """Whether `as_tensor` takes the value."""
    return isinstance(
        value, (Tensor, np.ndarray, np.generic, bool, int, float, complex)
    ) or hasattr(value, "__array__")


def as_tensor(value: TensorLike) -> Tensor:
    """The value as a Tensor, without a copy where possible; Python numbers are weakly typed.

    Raises:
        DTypeError: it is not numeric.
    """
    if isinstance(value, Tensor):
        return value
    if hasattr(value, "__irflow_tensor__"):
        return cast(Tensor, value.__irflow_tensor__())
    if isinstance(value, (bool, int, float, complex)):
        return Tensor(_number(value), weak=not isinstance(value, bool))
    if isinstance(value, (list, tuple)):
        return _from_list(value)
    array = np.asarray(value)
    dtypes.from_numpy(array.dtype)
    return Tensor(array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("=")))


def _number(value: complex) -> np.ndarray:
    if isinstance(value, bool):
        return np.asarray(value, np.bool_)
    if isinstance(value, int):
        if not -(2**63) <= value < 2**64:
            raise DTypeError(
                f"the integer {value} does not fit in 64 bits", location=user_location()
            )
        return np.asarray(value, np.int64 if value < 2**63 else np.uint64)
    return np.asarray(value, np.float32 if isinstance(value, float) else np.complex64)


def _from_list(value: Sequence[Any]) -> Tensor:
    if any(isinstance(item, (Tensor, list, tuple)) for item in value) and _holds_tensor(value):
        parts = promote_all([as_tensor(item) for item in value])
        return cast(Tensor, ops.stack(parts, 0))
    array = np.asarray(value)
    has_own_dtype = any(isinstance(item, (np.ndarray, np.generic)) for item in value)
    if array.dtype == np.float64 and not has_own_dtype:
        array = array.astype(np.float32)
    dtypes.from_numpy(array.dtype)
    return Tensor(array)


def _holds_tensor(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(_holds_tensor(item) for item in value)
    return isinstance(value, Tensor)


def asarray(value: TensorLike, dtype: DTypeLike | None = None) -> Tensor:
    """A strongly typed tensor with its own copy of the data.

    Args:
        value: anything array-like. Python floats become f32, Python integers i64.
        dtype: another element type.
    """
    tensor = strong(as_tensor(value))
    if dtype is not None and tensor.dtype is not dtypes.as_dtype(dtype):
        return tensor.astype(dtype)
    return (
        Tensor(tensor.data.copy())
        if tensor.trace is None and not isinstance(value, Tensor)
        else tensor
    )


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
            return tuple(Tensor.traced(trace, value, weak=weak) for value in values)
        return _run(op, operands, regions, weak)
    except IrflowError as error:
        raise error.at(user_location()) from None


def _run(
    op: Op, operands: Sequence[Tensor], regions: Sequence[Graph], weak: bool
) -> tuple[Tensor, ...]:
    arrays = [operand.data for operand in operands]
    if regions or os.environ.get("IRFLOW_EAGER") == "jit":
        from irflow.frontend.eager import run_compiled

        return tuple(Tensor(array, weak=weak) for array in run_compiled(op, arrays, regions))
    infer_types(op, [operand.type for operand in operands])
    results = op.numpy(*arrays)
    return tuple(
        Tensor(r, weak=weak) for r in (results if isinstance(results, tuple) else (results,))
    )


def apply_row(row: Scalar, operands: Sequence[TensorLike]) -> Tensor:
    """Apply a scalar function with NumPy's manners: promotion of types, broadcasting of shapes."""
    tensors = [as_tensor(operand) for operand in operands]
    first = 1 if row.selects else 0
    dtype, weak = common_type(tensors[first:], row)
    try:
        shape = broadcast_shapes(row.name, [tensor.type for tensor in tensors])
        parts = [dtypes.bool_] * first + [dtype] * (len(tensors) - first)
        ready = [
            ops.broadcast_to(ops.convert(t, d), shape) for t, d in zip(tensors, parts, strict=True)
        ]
    except IrflowError as error:
        raise error.at(user_location()) from None
    return apply(ops.Elementwise(row), ready, weak=weak and row.result == "same")[0]


def common_type(tensors: Sequence[Tensor], row: Scalar | None = None) -> tuple[DType, bool]:
    """The type that operands promote to, and whether it stays weak; floats where `row` wants floats."""
    dtype, weak = dtypes.promote(*((t.dtype, t.is_weak) for t in tensors))
    if row is None or dtype.kind in KINDS[row.accepts]:
        return dtype, weak
    if dtype.kind == "bool" and "int" in KINDS[row.accepts]:
        return dtypes.DEFAULT_INT, weak
    if dtype.kind in ("bool", "int", "uint") and "float" in KINDS[row.accepts]:
        return dtypes.DEFAULT_FLOAT, weak
    return dtype, weak


def promote_all(tensors: Sequence[Tensor]) -> list[Tensor]:
    """All tensors in their common element type."""
    dtype, _ = common_type(tensors)
    return [ops.convert(tensor, dtype) for tensor in tensors]


def broadcast_shapes(name: str, types: Sequence[TensorType]) -> tuple[Size, ...]:
    """NumPy's broadcasting of shapes; ShapeError naming the op and the sizes that clash."""
    shape = types[0].shape
    for other in types[1:]:
        if other.shape != shape:
            shape = _broadcast_two(name, types, shape, other.shape)
    return shape


def _broadcast_two(
    name: str, types: Sequence[TensorType], a: tuple[Size, ...], b: tuple[Size, ...]
) -> tuple[Size, ...]:
    rank = max(len(a), len(b))
    left = (1,) * (rank - len(a)) + a
    right = (1,) * (rank - len(b)) + b
    result: list[Size] = []
    for axis, (p, q) in enumerate(zip(left, right, strict=True)):
        if p != q and p != 1 and q != 1 and not dims.decide_equal(p, q):
            raise ShapeError(
                f"{name}: shapes do not broadcast",
                facts=[
                    (f"operand {i}", t, _axis_fact(t, axis - rank)) for i, t in enumerate(types)
                ],
            )
        result.append(q if p == 1 else p)
    return tuple(result)


def _axis_fact(type: TensorType, axis: int) -> str:
    return f"axis {type.rank + axis} = {type.shape[axis]}" if type.rank >= -axis else ""


# ------------------------------------------------------------------------------------------ helpers


def normalize_axis(axis: int, rank: int) -> int:
    """An axis counted from 0; ShapeError when the tensor has no such axis."""
    if not -rank <= axis < rank:
        raise ShapeError(f"axis {axis} of a tensor of rank {rank}", location=user_location())
    return axis % rank if rank else 0


def normalize_axes(axes: Sequence[int], rank: int) -> tuple[int, ...]:
    """Axes counted from 0, in the order given."""
    found = tuple(normalize_axis(int(axis), rank) for axis in axes)
    if len(set(found)) != len(found):
        raise ShapeError(f"axes {tuple(axes)} name one axis twice", location=user_location())
    return found


def axes_of(axis: int | Sequence[int] | None, rank: int) -> tuple[int, ...]:
    """The axes that an `axis` argument means, ascending."""
    if axis is None:
        return tuple(range(rank))
    given = (axis,) if isinstance(axis, (int, np.integer)) else tuple(axis)
    return tuple(sorted(normalize_axes(given, rank)))


def reduce(row: Scalar, x: Tensor, axis: Any, keepdims: bool) -> Tensor:
    """Combine along axes, keeping them with size 1 on request."""
    axes = axes_of(axis, x.ndim)
    result = ops.reduce(row, strong(x), axes)
    if keepdims:
        shape = tuple(1 if i in axes else size for i, size in enumerate(x.shape))
        result = ops.reshape(result, shape)
    return cast(Tensor, result)


def _countable(x: Tensor) -> Tensor:
    """Booleans are counted as integers, small integers are summed as 64-bit ones, as NumPy does."""
    if x.dtype.kind in ("bool", "int"):
        return cast(Tensor, ops.convert(x, dtypes.i64))
    return cast(Tensor, ops.convert(x, dtypes.u64)) if x.dtype.kind == "uint" else x


def _not_empty(x: Tensor, axis: Any, name: str) -> Tensor:
    empty = [a for a in axes_of(axis, x.ndim) if x.shape[a] == 0]
    if empty:
        raise ShapeError(
            f"{name}: no largest or smallest element along an empty axis",
            facts=[("operand", x.type, f"axis {empty[0]} = 0")],
            location=user_location(),
        )
    return x


def _arg_reduce(x: Tensor, kind: str, axis: int | None) -> Tensor:
    flat = x.reshape(-1) if axis is None else x
    position = 0 if axis is None else normalize_axis(axis, x.ndim)
    _not_empty(flat, position, f"arg{kind}")
    return cast(Tensor, (ops.argmax if kind == "max" else ops.argmin)(strong(flat), position))


def inexact(x: TensorLike) -> Tensor:
    """The tensor in a float type: itself, or converted to the default float."""
    tensor = as_tensor(x)
    return cast(Tensor, ops.convert(tensor, dtypes.to_inexact(tensor.dtype)))


def size_tensor(size: Size, dtype: DType) -> Tensor:
    """A size as a scalar tensor, also when it is symbolic."""
    if isinstance(size, int):
        return Tensor(np.asarray(size, dtype.numpy))
    return cast(Tensor, ops.convert(apply(ops.SizeOf(size), ())[0], dtype))


def solve_shape(type: TensorType, shape: tuple[Any, ...]) -> tuple[Size, ...]:
    """A shape argument with its -1 replaced by the size that makes the element counts agree."""
    sizes = tuple(size if isinstance(size, dims.Dim) else int(size) for size in shape)
    holes = [i for i, size in enumerate(sizes) if isinstance(size, int) and size == -1]
    if not holes:
        return sizes
    known = dims.product(tuple(size for i, size in enumerate(sizes) if i not in holes))
    if (
        len(holes) > 1
        or known == 0
        or (isinstance(type.size, int) and isinstance(known, int) and type.size % known)
    ):
        raise ShapeError(
            "reshape: the size written as -1 has no solution",
            facts=[("operand", type), ("shape", sizes)],
            location=user_location(),
        )
    rest = type.size // known
    return tuple(rest if i in holes else size for i, size in enumerate(sizes))
