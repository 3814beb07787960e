"""Arrays of tensors that are handed over to a graph, as nobody else can reach them."""

from __future__ import annotations

import sys
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


def _is_only_holder(tensor: Tensor) -> bool:
    """Whether an array, a large one in row-major order, is found by way of its tensor only.

    Views, exports of the buffer and other names are references; without them there are two, the
    slot of the tensor, and the argument of the function that counts.
    """
    array = tensor._data
    if type(array) is not np.ndarray or array.nbytes < LARGE:
        return False
    is_own = array.base is None and array.flags.owndata and array.flags.c_contiguous
    del array
    return is_own and sys.getrefcount(tensor._data) == 2
