"""Where the elements of constants are: in an array of their own, or in another constant.

A constant that kernels read in another order, packed for their tiles, is in memory in that order
only. Whoever asks for the constant itself gets it put together again.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from irflow.records import dataclass

LINE_BYTES = 64
"""A line of the caches, where contents of arrays begin."""

Moves = Sequence[tuple[str, Sequence[int]]]
"""Steps from one array to another: `("reshape", sizes)`, `("transpose", axes)`, or
`("columns", (count,))`, which leaves the first ones of the last axis.
"""


@dataclass(frozen=True, slots=True)
class Moved:
    """Elements in the place of another constant.

    Attributes:
        place: has all of them, and maybe others.
        moves: from its array to the wanted one.
    """

    place: Elements
    moves: Moves

    @property
    def array(self) -> np.ndarray:
        """The elements in order again.

        Raises:
            ValueError: the moves are not for arrays of this shape.
        """
        found = self.place.array
        for kind, numbers in self.moves:
            match kind:
                case "reshape":
                    found = found.reshape(tuple(numbers))
                case "transpose":
                    found = found.transpose(tuple(numbers))
                case "columns":
                    found = found[..., : numbers[0]]
                case _:
                    raise ValueError(f"no move of elements is called {kind!r}")
        return found


class Elements:
    """The elements of constants, in row-major order; constants of several shapes may share them.

    Attributes:
        moved: where they are, if they have no array of their own.

    Args:
        array: taken as it is; nobody may write to it.
    """

    __slots__ = ("_array", "_digest", "_is_settled", "moved")

    def __init__(self, array: np.ndarray) -> None:
        self._array: np.ndarray | None = array
        self._digest: str | None = None
        self._is_settled = False
        self.moved: Moved | None = None

    @property
    def array(self) -> np.ndarray:
        """All of them, to be read only; made anew by each look where they have moved."""
        found = self._array  # once, as another thread may move the elements meanwhile
        if found is not None:
            return found
        assert self.moved is not None
        return self.moved.array

    @property
    def digest(self) -> str:
        """sha256 of their bytes."""
        if self._digest is None:
            content = self.array.reshape(-1).view(np.uint8).data
            self._digest = hashlib.sha256(content).hexdigest()
        return self._digest

    def move(self, moved: Moved) -> None:
        """Let go of the array for an equal one, unless a program uses it where it is."""
        if self._array is not None and not self._is_settled:
            # Constants that share the elements see them in shapes of their own.
            self.moved = Moved(moved.place, [*moved.moves, ("reshape", self._array.shape)])
            self._array = None

    def settle(self) -> None:
        """Have an array from now on, which starts where a line of the caches starts.

        Kernels read constants in vectors, and half as fast where each of them crosses two lines.
        """
        array = self.array
        self._array = array if _is_on_line(array) else copied(array)
        self._is_settled, self.moved = True, None


def _is_on_line(array: np.ndarray) -> bool:
    is_small = array.nbytes < LINE_BYTES
    return array.flags.c_contiguous and (is_small or array.ctypes.data % LINE_BYTES == 0)


def copied(array: np.ndarray) -> np.ndarray:
    """A copy in row-major order that starts where a line of the caches starts."""
    result = empty_on_line(array.shape, array.dtype)
    result[...] = array
    return result


def empty_on_line(shape: Sequence[int], dtype: np.dtype[Any]) -> np.ndarray:
    """An array whose elements are to be written, which starts where a line of the caches starts."""
    nbytes = math.prod(shape) * dtype.itemsize
    if nbytes < LINE_BYTES:
        return np.empty(tuple(shape), dtype)
    room = np.empty(nbytes + LINE_BYTES, np.uint8)
    first = -room.ctypes.data % LINE_BYTES
    return room[first : first + nbytes].view(dtype).reshape(tuple(shape))
