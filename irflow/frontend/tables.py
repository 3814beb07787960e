"""Columns and tables of pandas, pyarrow and libraries like them, as arrays.

A column has `to_numpy` and says how many nulls it has; a table has columns by name. Nothing of
these libraries is imported.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from irflow import dtypes
from irflow.errors import DTypeError, ShapeError


def is_table(value: object) -> bool:
    """Whether a value has named columns: a DataFrame, an Arrow table or record batch."""
    has_names = hasattr(value, "column_names") or hasattr(value, "columns")
    return has_names and hasattr(value, "__getitem__") and not isinstance(value, np.ndarray)


def is_column(value: object) -> bool:
    """Whether a value is a Series or an Arrow array: it has `to_numpy`, and may have nulls."""
    counts_nulls = hasattr(value, "null_count") or hasattr(value, "isna")
    return hasattr(value, "to_numpy") and counts_nulls


def table(value: Any) -> np.ndarray:
    """The columns of a table side by side, `[rows, columns]`, in their common element type.

    Raises:
        DTypeError: a column has nulls or is not numeric; it is named.
        ShapeError: there is no column.
    """
    names = list(value.column_names if hasattr(value, "column_names") else value.columns)
    if not names:
        raise ShapeError("a table without columns has no element type")
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DTypeError("a table names two columns alike", facts=[("column", repr(twice))])
    columns = [column(value[name], name) for name in names]
    common = dtypes.promote_types(dtypes.from_numpy(array.dtype) for array in columns)
    if all(array.dtype == common.numpy for array in columns) and hasattr(value, "to_numpy"):
        whole = np.asarray(value.to_numpy())  # it may be the memory of the table itself
        if whole.dtype == common.numpy:
            return whole
    result = np.empty((len(columns[0]), len(columns)), common.numpy)
    for position, array in enumerate(columns):
        result[:, position] = array
    return result


def column(value: Any, name: object = None) -> np.ndarray:
    """A column as an array `[rows]`, without a copy where its memory is an array.

    Args:
        value: the column.
        name: for messages; that of the column itself by default.

    Raises:
        DTypeError: it has nulls, or holds text, dates, categories or objects.
    """
    name = getattr(value, "name", None) if name is None else name
    subject = "a column" if name is None else f"column {name!r}"
    kind = value.dtype if hasattr(value, "dtype") else getattr(value, "type", None)
    # NaN is a number in columns of NumPy's own types, as it is in tensors.
    nulls = 0 if isinstance(kind, np.dtype) else _null_count(value)
    array = None if nulls else _array(value, kind)
    if array is not None and array.dtype.newbyteorder("=") in dtypes.NUMPY_TYPES:
        return array
    facts = [("type", kind), *([("nulls", nulls)] if nulls else [])]
    if nulls:
        raise DTypeError(
            f"{subject} has nulls, which a tensor has no place for",
            facts=facts,
            hint="fill or drop them first",
        )
    raise DTypeError(
        f"{subject} is not numeric", facts=facts, hint="leave it out, or make numbers of it first"
    )


def _null_count(value: Any) -> int:
    if hasattr(value, "null_count"):
        count = value.null_count
        return int(count() if callable(count) else count)
    return int(np.sum(np.asarray(value.isna(), bool)))


def _array(value: Any, kind: Any) -> np.ndarray | None:
    """The array of a column without nulls; None if it is not numeric."""
    plain = getattr(kind, "numpy_dtype", None)  # of pandas' columns that may have nulls
    if isinstance(plain, np.dtype):
        return np.asarray(value.to_numpy(dtype=plain)) if plain.kind in "biufc" else None
    try:
        return np.asarray(value.to_numpy())
    except (TypeError, ValueError, NotImplementedError):
        pass
    try:  # Arrow's arrays of bits share no memory with NumPy's of bytes, and ask to be told so
        return np.asarray(value.to_numpy(zero_copy_only=False))
    except (TypeError, ValueError, NotImplementedError):
        return None
