"""Values that an op may carry as attributes: what they are, how sizes in them are replaced.

An attribute is a bool, int, float, string, None, a `DType`, a scalar row, a symbolic size, a
`DenseArray`, or a tuple of attributes. Nothing else is printed, parsed or hashed.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from irflow import dims
from irflow.dims import Dim, Size
from irflow.ir.elements import Elements, copied

Attribute = Any

_BEGINNING = 16
"""So many elements of constants are looked at before all of them."""


class DenseArray:
    """An immutable array compared by content: the payload of a `Constant`.

    Attributes:
        dtype, shape: of the array.
        elements: where it is.

    Args:
        array: copied.
        digest: a name that no other content has, where one is known without reading it.
        is_fixed: whether nobody will ever write to the array; then it may be taken as it is.
    """

    def __init__(self, array: Any, digest: str | None = None, *, is_fixed: bool = False) -> None:
        value = np.asarray(array)
        if not value.dtype.isnative:
            value = value.astype(value.dtype.newbyteorder("="))
        value = value if is_fixed and value.flags.c_contiguous else copied(value)
        value.flags.writeable = False
        self.dtype: np.dtype[Any] = value.dtype
        self.shape: tuple[int, ...] = value.shape
        self.elements = Elements(value)
        self._beginning = value.reshape(-1)[:_BEGINNING].tobytes()
        if digest is not None:
            self.__dict__["digest"] = digest

    @property
    def array(self) -> np.ndarray:
        """The content, to be read only; made anew by each look where the elements have moved."""
        found = self.elements.array
        return found if found.shape == self.shape else found.reshape(self.shape)

    @property
    def size(self) -> int:
        """How many elements there are."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The bytes of all elements."""
        return self.size * self.dtype.itemsize

    def reshaped(self, shape: Sequence[int]) -> DenseArray:
        """The same elements, in memory once, under another shape."""
        assert math.prod(shape) == self.size, (shape, self.shape)
        result = DenseArray.__new__(DenseArray)
        result.dtype, result.shape, result.elements = self.dtype, tuple(shape), self.elements
        result._beginning = self._beginning
        return result

    @cached_property
    def digest(self) -> str:
        """sha256 of dtype, shape and elements."""
        head = f"{self.dtype.str}{self.dtype.name}{self.shape}".encode()
        return hashlib.sha256(head + self.elements.digest.encode()).hexdigest()

    @cached_property
    def is_uniform(self) -> bool:
        """Whether all elements are the same to the last bit, and there are any."""
        if not self.size:
            return False
        data = self.array.reshape(-1, 1).view(np.uint8)
        return bool((data[:: self.size - 1 or 1] == data[0]).all() and (data == data[0]).all())

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, DenseArray) or self._sign != other._sign:
            return False
        return self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self._sign)

    @property
    def _sign(self) -> tuple[object, ...]:
        """What tells most arrays apart: weights are too large to read all of them for that."""
        return self.dtype, self.shape, self._beginning

    def __repr__(self) -> str:
        return f"DenseArray({self.dtype}{list(self.shape)})"


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
