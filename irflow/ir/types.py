"""The type of a tensor: its element type and its sizes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar

import numpy as np

from irflow import dims, dtypes
from irflow.dims import Size
from irflow.dtypes import DType
from irflow.records import dataclass

Shape = tuple[Size, ...]


@dataclass(frozen=True)
class TensorType:
    """`f32[n, 784]`: device and memory layout are no part of it; they belong to the program.

    Attributes:
        dtype: the element type.
        shape: one size an axis, an int or a symbolic `Dim`.
    """

    dtype: DType
    shape: Shape
    __tree_leaf__: ClassVar[bool] = True

    def __str__(self) -> str:
        return self._text

    @cached_property
    def _text(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"

    @cached_property
    def _hash(self) -> int:
        return hash((self.dtype, self.shape))

    def __hash__(self) -> int:
        return self._hash

    @property
    def rank(self) -> int:
        return len(self.shape)

    @cached_property
    def size(self) -> Size:
        """The number of elements."""
        return dims.product(self.shape)

    @property
    def nbytes(self) -> Size:
        """The bytes of the elements, without gaps."""
        return self.size * self.dtype.itemsize

    @cached_property
    def is_static(self) -> bool:
        """Whether every size is an int."""
        return all(isinstance(size, int) for size in self.shape)

    @property
    def static_shape(self) -> tuple[int, ...]:
        """The shape as ints; an error names the first symbolic size."""
        return tuple(size if isinstance(size, int) else int(size) for size in self.shape)

    def with_dtype(self, dtype: DType) -> TensorType:
        return TensorType(dtype, self.shape)

    def with_shape(self, shape: Shape) -> TensorType:
        return TensorType(self.dtype, shape)

    def substitute(self, sizes: Mapping[str, Size]) -> TensorType:
        """The type with symbolic sizes replaced."""
        if self.is_static:
            return self
        return TensorType(self.dtype, tuple(dims.substitute(size, sizes) for size in self.shape))


def type_of(array: np.ndarray) -> TensorType:
    """The type of a NumPy array."""
    return TensorType(dtypes.from_numpy(array.dtype), array.shape)
