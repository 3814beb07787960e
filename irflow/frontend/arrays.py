"""What users hand over in the place of an array, as a NumPy array: without a copy where possible.

Libraries are known by the methods that their objects have; none is imported.
"""

from __future__ import annotations

import numpy as np

from irflow import dtypes
from irflow.errors import DTypeError, IrflowError
from irflow.frontend.arrow import from_capsules
from irflow.frontend.dlpack import array_from_dlpack
from irflow.frontend.numbers import list_array
from irflow.frontend.tables import column, is_column, is_table, table


def as_array(value: object) -> np.ndarray:
    """Anything array-like as an array of one of irflow's element types, in the native byte order.

    That is a NumPy array; nested lists of numbers; a Series, a DataFrame (`[rows, columns]`) or an
    Arrow array, column or table; anything with `__array__`, `__dlpack__`, `__arrow_c_array__` or a
    buffer.

    Returns:
        The array; it shares its memory with `value` where that is possible.

    Raises:
        DTypeError: text, dates, objects, masked elements or nulls; a column is named.
        ShapeError: ragged lists; columns of different lengths.
    """
    return checked(_as_array(value))


def _as_array(value: object) -> np.ndarray:
    if isinstance(value, np.ndarray):
        return _unmasked(value)
    if isinstance(value, np.generic):
        return np.asarray(value)
    if isinstance(value, (list, tuple)):
        return list_array(value)
    if is_table(value):
        return table(value)
    if is_column(value):
        return column(value)
    if hasattr(value, "__dlpack__"):
        return _exported(value)
    if hasattr(value, "__array__"):
        return np.asarray(value)
    if hasattr(value, "__arrow_c_array__"):
        return from_capsules(*value.__arrow_c_array__())
    return np.asarray(value)


def _exported(value: object) -> np.ndarray:
    """By DLPack, which knows bf16; by `__array__` if the value has that and DLPack fails."""
    try:
        return array_from_dlpack(value)
    except IrflowError:
        if not hasattr(value, "__array__"):
            raise
        return np.asarray(value)


def _unmasked(array: np.ndarray) -> np.ndarray:
    if not isinstance(array, np.ma.MaskedArray):
        return np.asarray(array)
    count = int(np.count_nonzero(np.ma.getmaskarray(array)))
    if count:
        raise DTypeError(
            "a masked array has masked elements, which a tensor has no place for",
            facts=[("masked", f"{count} of {array.size}")],
            hint="put a number in their place with .filled(number)",
        )
    return np.asarray(array.data)


_HINTS = {
    "U": "text has to become numbers first, for example positions in a vocabulary",
    "S": "text has to become numbers first; np.frombuffer(x, 'u1') reads bytes as numbers",
    "T": "text has to become numbers first, for example positions in a vocabulary",
    "M": "take a number of units since a date of your choice: (x - start) / np.timedelta64(1, 's')",
    "m": "take a number of units: x / np.timedelta64(1, 's')",
    "V": "take the fields one by one: x['name']",
}


def checked(array: np.ndarray) -> np.ndarray:
    """An array with an element type that graphs know, in the native byte order."""
    dtype = array.dtype
    if dtype in dtypes.NUMPY_TYPES:
        return array
    if not dtype.isnative and dtype.newbyteorder("=") in dtypes.NUMPY_TYPES:
        return array.astype(dtype.newbyteorder("="))
    if dtype.kind == "O":
        raise _of_objects(array)
    hint = _HINTS.get(dtype.kind)
    if hint is None:
        dtypes.from_numpy(dtype)  # which says what is supported
    raise DTypeError(f"arrays of dtype {dtype} have no place in a graph", hint=hint)


def _of_objects(array: np.ndarray) -> DTypeError:
    kinds = list(dict.fromkeys(type(item).__name__ for item in array.flat[:1000]))
    hint = "convert to numbers first, x.astype('f4'); such arrays often come from ragged lists"
    if kinds == ["int"] and any(not -(2**63) <= item < 2**64 for item in array.flat):
        hint = "there are integers beyond 64 bits"
    return DTypeError(
        "arrays of dtype object have no place in a graph",
        facts=[("shape", array.shape), ("holds", ", ".join(kinds[:5]) or "nothing")],
        hint=hint,
    )
