"""Element types, and the one lattice by which mixed types promote.

The lattice is the one JAX documents, with 64-bit types on. Python scalars are *weak*: they take
part with their kind only, so `f32 array + 1.0` stays f32. The default float is f32 and the
default integer i64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import field
from functools import cache
from typing import Any

import ml_dtypes
import numpy as np

from irflow.errors import DTypeError, nearest
from irflow.records import dataclass

# ml_dtypes' own `finfo` knows bf16 too, but is not typed.
_finfo: Callable[..., Any] = ml_dtypes.finfo


@dataclass(frozen=True, eq=False, slots=True)
class DType:
    """One element type. There is a single instance of each, so `is` and `==` agree."""

    name: str
    kind: str  # "bool", "int", "uint", "float" or "complex"
    bits: int
    numpy: np.dtype[np.generic] = field(repr=False)

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"irflow.{self.name}"

    def __reduce__(self) -> tuple[object, ...]:
        return (parse, (self.name,))

    @property
    def itemsize(self) -> int:
        """Bytes of one element in memory."""
        return self.numpy.itemsize

    @property
    def is_float(self) -> bool:
        return self.kind == "float"

    @property
    def is_integer(self) -> bool:
        return self.kind in ("int", "uint")

    @property
    def is_inexact(self) -> bool:
        return self.kind in ("float", "complex")

    @property
    def epsilon(self) -> float:
        """The spacing of floats just above 1; 0.0 for exact types."""
        if not self.is_inexact:
            return 0.0
        return float(_finfo(self.numpy).eps)


bool_ = DType("bool", "bool", 8, np.dtype(np.bool_))
i8 = DType("i8", "int", 8, np.dtype(np.int8))
i16 = DType("i16", "int", 16, np.dtype(np.int16))
i32 = DType("i32", "int", 32, np.dtype(np.int32))
i64 = DType("i64", "int", 64, np.dtype(np.int64))
u8 = DType("u8", "uint", 8, np.dtype(np.uint8))
u16 = DType("u16", "uint", 16, np.dtype(np.uint16))
u32 = DType("u32", "uint", 32, np.dtype(np.uint32))
u64 = DType("u64", "uint", 64, np.dtype(np.uint64))
f16 = DType("f16", "float", 16, np.dtype(np.float16))
bf16 = DType("bf16", "float", 16, np.dtype(ml_dtypes.bfloat16))
f32 = DType("f32", "float", 32, np.dtype(np.float32))
f64 = DType("f64", "float", 64, np.dtype(np.float64))
complex64 = DType("complex64", "complex", 64, np.dtype(np.complex64))
complex128 = DType("complex128", "complex", 128, np.dtype(np.complex128))

ALL = (bool_, i8, i16, i32, i64, u8, u16, u32, u64, f16, bf16, f32, f64, complex64, complex128)
DEFAULT_FLOAT = f32
DEFAULT_INT = i64

_BY_NAME = {dtype.name: dtype for dtype in ALL}
_BY_NUMPY = {dtype.numpy: dtype for dtype in ALL}
NUMPY_TYPES = frozenset(_BY_NUMPY)
PYTHON_NUMBERS: dict[type, DType] = {bool: bool_, int: i64, float: f32, complex: complex64}
_ALIASES = {"float": f32, "int": i64, "bfloat16": bf16, "half": f16, "double": f64}

DTypeLike = DType | str | type | np.dtype[np.generic]


def parse(name: str) -> DType:
    """The element type called `name` in graph text, e.g. `"f32"`."""
    if name not in _BY_NAME:
        raise nearest(name, _BY_NAME, "dtype")
    return _BY_NAME[name]


def is_name(name: str) -> bool:
    """Whether graph text calls an element type so."""
    return name in _BY_NAME


def from_numpy(dtype: np.dtype[np.generic]) -> DType:
    """The element type of a NumPy dtype; DTypeError for strings, objects and the like."""
    found = _BY_NUMPY.get(dtype) or _BY_NUMPY.get(dtype.newbyteorder("="))
    if found is None:
        raise DTypeError(
            f"arrays of dtype {dtype} have no place in a graph",
            facts=[("supported", ", ".join(_BY_NAME))],
            hint="convert to numbers first; object arrays often come from ragged nested lists",
        )
    return found


def as_dtype(spec: DTypeLike) -> DType:
    """An element type as users write it: `"f32"`, `"float32"`, `np.float32`, `float`, a DType."""
    if isinstance(spec, DType):
        return spec
    if isinstance(spec, str) and (spec in _BY_NAME or spec in _ALIASES):
        return _BY_NAME.get(spec) or _ALIASES[spec]
    if isinstance(spec, type) and spec in PYTHON_NUMBERS:
        return PYTHON_NUMBERS[spec]
    try:
        return from_numpy(np.dtype(spec))
    except TypeError:
        raise nearest(str(spec), [*_BY_NAME, *_ALIASES], "dtype") from None


# ---------------------------------------------------------------------------------------- promotion

_WEAK = {"bool": "bool", "int": "int*", "float": "float*", "complex": "complex*"}

# Each name with the names directly above it; a join is the least name above both.
_ABOVE: dict[str, tuple[str, ...]] = {
    "bool": ("int*",),
    "int*": ("u8", "i8"),
    "u8": ("u16", "i16"),
    "u16": ("u32", "i32"),
    "u32": ("u64", "i64"),
    "u64": ("float*",),
    "i8": ("i16",),
    "i16": ("i32",),
    "i32": ("i64",),
    "i64": ("float*",),
    "float*": ("bf16", "f16", "complex*"),
    "bf16": ("f32",),
    "f16": ("f32",),
    "f32": ("f64", "complex64"),
    "f64": ("complex128",),
    "complex*": ("complex64",),
    "complex64": ("complex128",),
    "complex128": (),
}


@cache
def _upper(name: str) -> frozenset[str]:
    return frozenset({name}).union(*(_upper(above) for above in _ABOVE[name]))


@cache
def _join(names: frozenset[str]) -> str:
    common = frozenset.intersection(*(_upper(name) for name in names))
    least = [name for name in common if common <= _upper(name)]
    assert len(least) == 1, (names, least)
    return least[0]


def promote(*types: tuple[DType, bool]) -> tuple[DType, bool]:
    """The common type of operands given as `(dtype, is_weak)`; weak only when all operands are.

    >>> promote((f32, False), (i64, False))
    (irflow.f32, False)
    """
    return _promote(frozenset(types))


@cache
def _promote(types: frozenset[tuple[DType, bool]]) -> tuple[DType, bool]:
    if len(types) == 1:
        return next(iter(types))
    name = _join(frozenset(_WEAK[_weak_kind(d)] if weak else d.name for d, weak in types))
    if name == "bool":
        return bool_, False
    if name in _BY_NAME:
        return _BY_NAME[name], False
    return {"int*": i64, "float*": f32, "complex*": complex64}[name], all(weak for _, weak in types)


def _weak_kind(dtype: DType) -> str:
    return "int" if dtype.is_integer else dtype.kind


def promote_types(dtypes: Iterable[DType]) -> DType:
    """The common type of strongly typed operands."""
    return promote(*((dtype, False) for dtype in dtypes))[0]


def to_inexact(dtype: DType) -> DType:
    """The type in which `mean`, `exp` or `/` of `dtype` is done: itself, or the default float."""
    return dtype if dtype.is_inexact else DEFAULT_FLOAT


def to_real(dtype: DType) -> DType:
    """The type of the real and the imaginary part of `dtype`; a real type itself."""
    return {complex64: f32, complex128: f64}.get(dtype, dtype)


def to_complex(dtype: DType) -> DType:
    """The complex type whose parts hold all numbers of `dtype`; complex64 for all but f64."""
    return complex128 if dtype in (f64, complex128) else complex64


def to_wide(dtype: DType) -> DType:
    """The type of most digits: f64 for floats, complex128 for complex types, else `dtype`."""
    return {"float": f64, "complex": complex128}.get(dtype.kind, dtype)


def compute_dtype(dtype: DType) -> DType:
    """The type in which kernels hold values of `dtype`: f32 for the 16-bit floats."""
    return f32 if dtype in (f16, bf16) else dtype
