"""The text of numbers and constant arrays, in both directions and without loss.

A float is written with the fewest digits that read back as the same value of its dtype. Arrays of
up to 16 elements are written as `dense(f32[2], [1.0, 2.0])`, longer ones, and those with a NaN that
`nan` does not stand for, as `data(f32[64], "...")`: base64 of the little-endian bytes in row-major
order.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Sequence

import numpy as np

from irflow import dtypes
from irflow.dtypes import DType
from irflow.errors import TextError
from irflow.ir.attributes import DenseArray

INLINE_LIMIT = 16
"""Arrays of more elements are not written out element by element."""

MAX_RANK = 64
"""NumPy's limit for concrete arrays."""

Number = bool | int | float | tuple["Number", ...]


# --- Printing -------------------------------------------------------------------------------------


def format_array(array: DenseArray) -> str:
    """`dense(...)` or `data(...)`, whichever is readable and exact."""
    values = array.array
    dtype = dtypes.from_numpy(values.dtype)
    if values.size > INLINE_LIMIT or _has_unusual_nan(values, dtype):
        text = base64.b64encode(_little_endian(values).tobytes()).decode("ascii")
        return f'data({format_array_type(array)}, "{text}")'
    return f"dense({format_array_type(array)}, {_format_elements(values, dtype)})"


def format_array_type(array: DenseArray) -> str:
    """`f32[2, 3]`."""
    return f"{dtypes.from_numpy(array.dtype)}[{', '.join(map(str, array.shape))}]"


def format_float(value: np.generic, dtype: DType) -> str:
    """The shortest text that `decode_elements` turns into `value` again.

    Example:
        >>> format_float(np.float32(0.1), dtypes.f32)
        '0.1'
    """
    with np.errstate(all="ignore"):
        exact = float(value.astype(np.float64))
        if dtype is dtypes.f64 or not math.isfinite(exact):
            return repr(exact)
        for digits in range(1, 18):
            short = float(f"{exact:.{digits}g}")
            if np.float64(short).astype(dtype.numpy) == value:
                return repr(short)
    return repr(exact)


def _format_elements(values: np.ndarray, dtype: DType) -> str:
    if values.ndim == 0:
        return _format_element(values.reshape(1)[0], dtype)
    if values.size == 0:
        return "[]"
    return f"[{', '.join(_format_elements(np.asarray(row), dtype) for row in values)}]"


def _format_element(value: np.generic, dtype: DType) -> str:
    if dtype.kind == "bool":
        return "true" if value else "false"
    if dtype.is_integer:
        return str(int(value))
    if dtype.kind == "float":
        return format_float(value, dtype)
    part = _component(dtype)
    return f"({format_float(value.real, part)}, {format_float(value.imag, part)})"


def _component(dtype: DType) -> DType:
    """The dtype of the real and imaginary part; a real dtype itself."""
    return {dtypes.complex64: dtypes.f32, dtypes.complex128: dtypes.f64}.get(dtype, dtype)


def _has_unusual_nan(values: np.ndarray, dtype: DType) -> bool:
    if not dtype.is_inexact or values.size == 0:
        return False
    component = _component(dtype).numpy
    parts = np.ascontiguousarray(values, dtype.numpy).reshape(-1).view(component)
    usual = np.array(math.nan).astype(component).tobytes()
    return any(part.tobytes() != usual for part in parts[np.isnan(parts)])


def _little_endian(values: np.ndarray) -> np.ndarray:
    return values.astype(values.dtype.newbyteorder("<"), order="C")


# --- Reading --------------------------------------------------------------------------------------


def decode_elements(dtype: DType, shape: tuple[int, ...], elements: Sequence[Number]) -> DenseArray:
    """The array of `dtype` and `shape` with `elements` in row-major order.

    Raises:
        TextError: their number does not fit the shape, or one of them has no place in the dtype.
    """
    if len(elements) != math.prod(shape):
        raise TextError(f"{len(elements)} elements do not fill the shape {list(shape)}")
    values = [_decode_element(dtype, element) for element in elements]
    wide = {"float": np.float64, "complex": np.complex128}.get(dtype.kind, dtype.numpy)
    with np.errstate(all="ignore"):
        array = np.array(values, wide).astype(dtype.numpy)
    if dtype.is_inexact and np.any(np.isinf(array) & np.isfinite(np.array(values, wide))):
        raise TextError(f"a number is too large for {dtype}")
    return DenseArray(_shaped(array, shape))


def _decode_element(dtype: DType, element: Number) -> Number | complex:
    if dtype.kind == "bool" and isinstance(element, bool):
        return element
    if dtype.is_integer and isinstance(element, int) and not isinstance(element, bool):
        low, high = _integer_range(dtype)
        if low <= element <= high:
            return element
        raise TextError(f"{element} is outside of {dtype}", facts=[("range", low, high)])
    if dtype.kind == "float" and isinstance(element, int | float) and not isinstance(element, bool):
        return _float(element)
    if dtype.kind == "complex" and isinstance(element, tuple) and len(element) == 2:
        real, imaginary = (_decode_element(dtypes.f64, part) for part in element)
        if isinstance(real, float) and isinstance(imaginary, float):
            return complex(real, imaginary)
    raise TextError(f"an element is no {dtype}: {element!r}")


def _integer_range(dtype: DType) -> tuple[int, int]:
    count = 2**dtype.bits
    return (-count // 2, count // 2 - 1) if dtype.kind == "int" else (0, count - 1)


def _float(number: int | float) -> float:
    try:
        return float(number)
    except OverflowError:
        raise TextError("an integer is too large for a float") from None


def decode_base64(dtype: DType, shape: tuple[int, ...], text: str) -> DenseArray:
    """The array of `dtype` and `shape` whose little-endian bytes `text` encodes.

    Raises:
        TextError: the text is no base64, or its length or content does not fit the type.
    """
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise TextError(f"malformed base64: {error}") from None
    expected = math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        raise TextError(f"{len(content)} bytes of data, but the type takes {expected}")
    if dtype.kind == "bool" and content.strip(b"\0\1"):
        raise TextError("a bool is stored as a byte other than 0 and 1")
    array = np.frombuffer(content, dtype.numpy.newbyteorder("<")).astype(dtype.numpy)
    return DenseArray(_shaped(array, shape))


def _shaped(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if len(shape) > MAX_RANK:
        raise TextError(f"an array has {len(shape)} axes, more than {MAX_RANK}")
    try:
        return array.reshape(shape)
    except (ValueError, OverflowError):
        raise TextError(f"no array has the shape {list(shape)}") from None
