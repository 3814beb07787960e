"""`asarray`: a tensor with its own copy of the data, in the element type asked for."""

from __future__ import annotations

import numpy as np

from irflow import dtypes
from irflow.dtypes import DType, DTypeLike
from irflow.errors import UsageError
from irflow.frontend.arrays import checked
from irflow.frontend.boundary import public
from irflow.frontend.device import require_cpu
from irflow.frontend.dlpack import array_from_dlpack
from irflow.frontend.numbers import literal, type_for
from irflow.frontend.tensor import Tensor, TensorLike, as_tensor, from_list, strong


def asarray(
    value: TensorLike,
    /,
    dtype: DTypeLike | None = None,
    *,
    device: str | None = None,
    copy: bool | None = None,
) -> Tensor:
    """A strongly typed tensor with its own copy of the data.

    Args:
        value: anything array-like. Python floats become f32, Python integers i64.
        dtype: another element type.
        device: None or `"cpu"`.
        copy: None hands a tensor of that type back as it is, True gives another handle, and
            False shares the memory of an array, which then must not be written to any more.

    Raises:
        UsageError: `copy=False`, and there is something to copy or convert; a ValueError.
        DTypeError: text, dates, objects, masked elements, or a column with nulls.
        ShapeError: ragged lists.

    >>> asarray([1, 2], "f64")
    Tensor([1., 2.], dtype=f64)
    """
    found = _asarray(value, dtype, device, copy)
    is_itself = isinstance(value, Tensor) and not value.is_weak and found.dtype is value.dtype
    return value if is_itself and not copy else found


@public
def _asarray(
    value: TensorLike, dtype: DTypeLike | None, device: str | None, copy: bool | None
) -> Tensor:
    require_cpu(device)
    wanted = None if dtype is None else dtypes.as_dtype(dtype)
    if copy is False:
        return _shared(value, wanted)
    if isinstance(value, (list, tuple)):
        tensor = from_list(value, wanted)
    elif wanted is not None and type(value) in dtypes.PYTHON_NUMBERS:
        tensor = Tensor(literal(value, wanted))
    else:
        tensor = strong(as_tensor(value))
    if wanted is not None and tensor.dtype is not wanted:
        return tensor.astype(wanted)
    is_shared = tensor.trace is None and not isinstance(value, Tensor)
    return Tensor(tensor.data.copy()) if is_shared else tensor


def _shared(value: TensorLike, wanted: DType | None) -> Tensor:
    """The value without a copy."""
    is_number = type(value) in dtypes.PYTHON_NUMBERS or isinstance(value, (list, tuple))
    tensor = None if is_number else strong(as_tensor(value))
    if tensor is not None and wanted in (None, tensor.dtype):
        # Of an object that copies at each conversion, two have no memory in common.
        again = tensor if isinstance(value, Tensor) else as_tensor(value)
        if again is tensor or not tensor.size or np.may_share_memory(again.data, tensor.data):
            return tensor
    raise UsageError(
        "asarray: copy=False, but the data has to be copied or converted",
        facts=[("given", type(value).__name__ if tensor is None else tensor.type)],
    )


@public
def from_dlpack(x: object, /, *, device: str | None = None, copy: bool | None = None) -> Tensor:
    """A tensor of the elements of anything that has `__dlpack__`: arrays of other libraries.

    Args:
        x: an array on the cpu.
        device: None or `"cpu"`.
        copy: True copies. None and False share the memory, which must not be written to as long
            as the tensor is in use; False raises where `x` would copy.

    Raises:
        UnsupportedError: the array is not on the cpu.
        DTypeError: an element type that irflow or NumPy do not know.
    """
    require_cpu(device)
    array = checked(array_from_dlpack(x, copy))
    return Tensor(array, type=type_for(array.dtype, array.shape))
