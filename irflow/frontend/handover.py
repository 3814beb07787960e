"""Arrays of tensors that are handed over to a graph or a call, as nobody else can reach them."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from irflow.ir.attributes import DenseArray

if TYPE_CHECKING:
    from irflow.frontend.tensor import Tensor

LARGE = 2**16
"""Arrays of fewer bytes are copied instead: that costs less than to see who has them."""


def held(tensor: Tensor) -> np.ndarray | DenseArray:
    """What a graph takes as a constant: the array, which is to be copied, or its successor.

    A large array that nobody else can reach is handed over for good, so that it is in memory once;
    then a program may even keep its elements in another order only. The tensor gets them from there
    when somebody asks for them.
    """
    if tensor._constant is None:
        if not _is_only_holder(tensor):
            return tensor.data
        tensor._type = tensor.type
        tensor._constant = DenseArray(tensor.data, is_fixed=True)
    tensor._data = None
    return tensor._constant


def spent(
    tensors: Sequence[Tensor], donated: Iterable[int], others: Sequence[Tensor]
) -> tuple[int, ...]:
    """Which arguments of a call may be overwritten by it, as nobody can read them afterwards.

    Args:
        tensors: the arguments.
        donated: the positions of those that become unreadable.
        others: what else the call reads.
    """
    counts = Counter(map(id, (*tensors, *others)))
    alone = (i for i in donated if counts[id(tensors[i])] == 1)
    return tuple(i for i in alone if _is_only_holder(tensors[i], least=0))


def _is_only_holder(tensor: Tensor, least: int = LARGE) -> bool:
    """Whether an array of so many bytes in row-major order is found by way of its tensor only.

    Views, exports of the buffer and other names are references; without them there are two, the
    slot of the tensor, and the argument of the function that counts.
    """
    array = tensor._data
    if type(array) is not np.ndarray or array.nbytes < least:
        return False
    flags = array.flags
    is_own = array.base is None and flags.owndata and flags.writeable and flags.c_contiguous
    del array, flags
    return is_own and sys.getrefcount(tensor._data) == 2
