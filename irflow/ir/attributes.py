"""Values that an op may carry as attributes: what they are, how sizes in them are replaced.

An attribute is a bool, int, float, string, None, a `DType`, a scalar row, a symbolic size, a
`DenseArray`, or a tuple of attributes. Nothing else is printed, parsed or hashed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from irflow import dims
from irflow.dims import Dim, Size

Attribute = Any

LINE_BYTES = 64
"""A line of the caches, where contents of arrays begin."""


class DenseArray:
    """An immutable array compared by content: the payload of a `Constant`.

    Args:
        array: copied.
        digest: a name that no other content has, where one is known without reading it.
        is_fixed: whether nobody will ever write to the array; then it may be taken as it is.
    """

    def __init__(self, array: Any, digest: str | None = None, *, is_fixed: bool = False) -> None:
        value = np.asarray(array)
        if not value.dtype.isnative:
            value = value.astype(value.dtype.newbyteorder("="))
        value = value if is_fixed and _is_in_place(value) else _copied(value)
        value.flags.writeable = False
        self.array: np.ndarray = value
        if digest is not None:
            self.__dict__["digest"] = digest

    @cached_property
    def digest(self) -> str:
        """sha256 of dtype, shape and bytes."""
        dtype = self.array.dtype
        hasher = hashlib.sha256(f"{dtype.str}{dtype.name}{self.array.shape}".encode())
        hasher.update(self.array.reshape(-1).view(np.uint8).data)
        return hasher.hexdigest()

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, DenseArray) or self.array.shape != other.array.shape:
            return False
        return self.array.dtype == other.array.dtype and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"DenseArray({self.array.dtype}{list(self.array.shape)})"


def _is_in_place(array: np.ndarray) -> bool:
    return array.flags.c_contiguous and array.ctypes.data % LINE_BYTES == 0


def _copied(array: np.ndarray) -> np.ndarray:
    """A copy in row-major order that starts where a line of the caches starts.

    Products read constants in vectors, and half as fast where each of them crosses two lines.
    """
    if array.nbytes < LINE_BYTES:
        return np.array(array, order="C", copy=True)
    room = np.empty(array.nbytes + LINE_BYTES, np.uint8)
    first = -room.ctypes.data % LINE_BYTES
    result = room[first : first + array.nbytes].view(array.dtype).reshape(array.shape)
    result[...] = array
    return result


def has_symbols(value: Attribute) -> bool:
    """Whether a symbolic size stands anywhere in `value`."""
    if isinstance(value, tuple):
        return any(has_symbols(item) for item in value)
    return isinstance(value, Dim)


def substitute(value: Attribute, sizes: Mapping[str, Size]) -> Attribute:
    """`value` with symbolic sizes replaced."""
    if isinstance(value, tuple):
        return tuple(substitute(item, sizes) for item in value)
    return dims.substitute(value, sizes) if isinstance(value, Dim) else value
