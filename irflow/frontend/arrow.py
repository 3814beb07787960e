"""Arrays of Apache Arrow by its C data interface, for objects that offer nothing else.

https://arrow.apache.org/docs/format/CDataInterface.html. Only what an array of numbers without
nulls needs is read: the format, the length, the offset and the buffer of values.
"""

from __future__ import annotations

import ctypes

import numpy as np

from irflow.errors import DTypeError

FORMATS = {
    b"c": np.int8,
    b"C": np.uint8,
    b"s": np.int16,
    b"S": np.uint16,
    b"i": np.int32,
    b"I": np.uint32,
    b"l": np.int64,
    b"L": np.uint64,
    b"e": np.float16,
    b"f": np.float32,
    b"g": np.float64,
}
BITS = b"b"
UNKNOWN = -1  # a number of nulls that has not been counted


class ArrowSchema(ctypes.Structure):
    """The beginning of the interface's description of a type."""

    _fields_ = (
        ("format", ctypes.c_char_p),
        ("name", ctypes.c_char_p),
    )


class ArrowArray(ctypes.Structure):
    """The beginning of the interface's description of an array."""

    _fields_ = (
        ("length", ctypes.c_int64),
        ("null_count", ctypes.c_int64),
        ("offset", ctypes.c_int64),
        ("n_buffers", ctypes.c_int64),
        ("n_children", ctypes.c_int64),
        ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    )


def from_capsules(schema: object, array: object) -> np.ndarray:
    """The values of an array of numbers; it shares the memory, but for bools, which are bits.

    Args:
        schema: the capsule `arrow_schema` that `__arrow_c_array__` returns first.
        array: the capsule `arrow_array`; it lives as long as the result.

    Raises:
        DTypeError: nulls, or a type other than numbers and bools.
    """
    kind = ArrowSchema.from_address(_address(schema, b"arrow_schema"))
    found = ArrowArray.from_address(_address(array, b"arrow_array"))
    name = (kind.name or b"").decode("utf-8", "replace")
    subject = f"column {name!r}" if name else "an Arrow array"
    if kind.format != BITS and kind.format not in FORMATS:
        facts = [("Arrow's format", kind.format.decode())]
        raise DTypeError(f"{subject} is not numeric", facts=facts)
    start, length = int(found.offset), int(found.length)
    nulls = int(found.null_count)
    if nulls == UNKNOWN and found.buffers[0]:
        valid = _bits(found.buffers[0], start, length, array)
        nulls = length - int(np.count_nonzero(valid))
    if nulls > 0:
        raise DTypeError(
            f"{subject} has nulls, which a tensor has no place for",
            facts=[("nulls", nulls)],
            hint="fill or drop them first",
        )
    if kind.format == BITS:
        return _bits(found.buffers[1], start, length, array)
    dtype = np.dtype(FORMATS[kind.format])
    return _values(found.buffers[1], start * dtype.itemsize, length, dtype, array)


def _values(
    address: int | None, start: int, length: int, dtype: np.dtype[np.generic], owner: object
) -> np.ndarray:
    if not length or address is None:
        return np.empty(0, dtype)
    memory = (ctypes.c_char * (length * dtype.itemsize)).from_address(address + start)
    memory.owner = owner  # type: ignore[attr-defined]
    array: np.ndarray = np.frombuffer(memoryview(memory), dtype)
    array.flags.writeable = False
    return array


def _bits(address: int | None, start: int, length: int, owner: object) -> np.ndarray:
    """Bools, which Arrow packs eight to a byte, the lowest bit first."""
    first = start // 8
    count = (start + length + 7) // 8 - first if length else 0
    packed = _values(address, first, count, np.dtype(np.uint8), owner)
    bits = np.unpackbits(packed, bitorder="little")
    return np.asarray(bits[start - 8 * first :][:length], bool)


def _address(capsule: object, name: bytes) -> int:
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    return int(get(capsule, name))
