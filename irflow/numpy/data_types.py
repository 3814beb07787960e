"""What the standard asks about element types: limits, kinds, what converts into what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ml_dtypes

from irflow import dtypes
from irflow.dtypes import DType, DTypeLike
from irflow.errors import DTypeError, nearest
from irflow.frontend.boundary import public
from irflow.frontend.tensor import TensorLike, as_tensor, is_tensor_like
from irflow.records import dataclass

# ml_dtypes' own `finfo` knows bf16 too, but is not typed.
_finfo: Callable[..., Any] = ml_dtypes.finfo

KINDS = {
    "bool": ("bool",),
    "signed integer": ("int",),
    "unsigned integer": ("uint",),
    "integral": ("int", "uint"),
    "real floating": ("float",),
    "complex floating": ("complex",),
    "numeric": ("int", "uint", "float", "complex"),
}
"""The standard's names of kinds, as the kinds of `DType`."""


@dataclass(frozen=True, slots=True)
class IntegerInfo:
    """The limits of an integer type."""

    bits: int
    max: int
    min: int
    dtype: DType


@dataclass(frozen=True, slots=True)
class FloatInfo:
    """The limits of a float type; of a complex type, those of its parts.

    Attributes:
        bits: the width of a number.
        eps: the spacing of numbers just above 1.
        max: the largest finite number.
        min: the smallest one, `-max`.
        smallest_normal: the smallest positive number of full precision.
        dtype: the type.
    """

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: DType


def _dtype_of(x: Any) -> DType:
    return as_tensor(x).dtype if hasattr(x, "shape") else dtypes.as_dtype(x)


@public
def iinfo(type: Any, /) -> IntegerInfo:
    """The limits of an integer type, given as such or by a tensor.

    Raises:
        DTypeError: the type is not one of integers.
    """
    dtype = _dtype_of(type)
    if not dtype.is_integer:
        raise DTypeError(f"iinfo: {dtype} is not an integer type", hint="use finfo for floats")
    bits = dtype.bits - (dtype.kind == "int")
    low = -(2**bits) if dtype.kind == "int" else 0
    return IntegerInfo(dtype.bits, 2**bits - 1, low, dtype)


@public
def finfo(type: Any, /) -> FloatInfo:
    """The limits of a float type, given as such or by a tensor; of complex types, of the parts.

    Raises:
        DTypeError: the type is exact.
    """
    dtype = _dtype_of(type)
    if not dtype.is_inexact:
        raise DTypeError(f"finfo: {dtype} is not a float type", hint="use iinfo for integers")
    part = {dtypes.complex64: dtypes.f32, dtypes.complex128: dtypes.f64}.get(dtype, dtype)
    info = _finfo(part.numpy)
    largest = float(info.max)
    return FloatInfo(part.bits, part.epsilon, largest, -largest, float(info.smallest_normal), part)


@public
def isdtype(dtype: DTypeLike, kind: DTypeLike | tuple[DTypeLike, ...]) -> bool:
    """Whether an element type is another one, is of a kind, or is one of several.

    Args:
        dtype: the type asked about.
        kind: a type, a key of `KINDS` such as `"real floating"`, or a tuple of these.
    """
    if isinstance(kind, tuple):
        return any(isdtype(dtype, one) for one in kind)
    found = dtypes.as_dtype(dtype)
    if isinstance(kind, str) and kind in KINDS:
        return found.kind in KINDS[kind]
    if isinstance(kind, str) and " " in kind:
        raise nearest(kind, KINDS, "kind of element types")
    return found is dtypes.as_dtype(kind)


@public
def can_cast(from_: Any, to: DTypeLike, /) -> bool:
    """Whether promotion takes elements of one type, or of a tensor's type, into another.

    It is the lattice of `result_type`: integers go into every float type.
    """
    target = dtypes.as_dtype(to)
    return dtypes.promote_types([_dtype_of(from_), target]) is target


@public
def result_type(*arrays: Any) -> DType:
    """The element type that tensors, Python numbers and types promote to.

    Raises:
        DTypeError: nothing is given.
    """
    if not arrays:
        raise DTypeError("result_type: nothing to promote")
    return dtypes.promote(*(_operand_type(x) for x in arrays))[0]


def _operand_type(x: Any) -> tuple[DType, bool]:
    if isinstance(x, (Sequence, type)) or not is_tensor_like(x):
        return (as_tensor(x).dtype if isinstance(x, (list, tuple)) else dtypes.as_dtype(x)), False
    tensor = as_tensor(x)
    return tensor.dtype, tensor.is_weak


@public
def promote_types(a: DTypeLike, b: DTypeLike) -> DType:
    """The element type that two types promote to."""
    return dtypes.promote_types([dtypes.as_dtype(a), dtypes.as_dtype(b)])


@public
def iscomplexobj(x: TensorLike) -> bool:
    """Whether the element type is complex."""
    return _dtype_of(x).kind == "complex"


@public
def isrealobj(x: TensorLike) -> bool:
    """Whether the element type is not complex."""
    return not iscomplexobj(x)
