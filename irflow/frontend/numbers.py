"""Python numbers and nested lists as arrays of irflow's element types."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from irflow import dtypes, ops
from irflow.dtypes import DType
from irflow.errors import DTypeError, ShapeError
from irflow.ir import TensorType


@lru_cache(maxsize=8192)
def type_for(dtype: np.dtype[np.generic], shape: tuple[int, ...]) -> TensorType:
    """The type of arrays of a dtype and shape: one object each, so that comparing them is quick."""
    return TensorType(dtypes.from_numpy(dtype), shape)


def number(value: complex, dtype: DType | None = None) -> np.ndarray:
    """A Python number as an array of its default element type, or of another.

    Raises:
        DTypeError: it is an integer that the type does not hold.
    """
    if dtype is None:
        is_large = type(value) is int and value >= 2**63
        dtype = dtypes.u64 if is_large else dtypes.PYTHON_NUMBERS[type(value)]
    try:
        return np.asarray(value, dtype.numpy)
    except OverflowError:
        raise DTypeError(f"the integer {value} does not fit in {dtype}") from None


def literal(value: complex, dtype: DType) -> np.ndarray:
    """A Python number in an element type; a float is cut to an integer as by `astype`."""
    if dtype.is_integer and not isinstance(value, int):
        return ops.Convert(dtype).numpy(number(value))
    return number(value, dtype)


def list_array(value: Sequence[Any], dtype: DType | None = None) -> np.ndarray:
    """Nested lists of numbers and arrays as one array; Python numbers have their default types.

    Raises:
        ShapeError: the lists are ragged.
        DTypeError: `dtype` does not hold the numbers, or is given and there are no numbers.
    """
    try:
        if dtype is not None and set(leaf_classes(value)).isdisjoint(NO_NUMBERS):
            return np.asarray(value, dtype.numpy)
        array = np.asarray(value)
    except OverflowError as error:
        raise DTypeError(f"a list holds integers that do not fit: {error}") from None
    except ValueError:
        require_even(value)
        raise
    if array.dtype.kind in "fc" and set(leaf_classes(value)) <= dtypes.PYTHON_NUMBERS.keys():
        return array.astype(np.float32 if array.dtype.kind == "f" else np.complex64)
    return array


NO_NUMBERS = (str, bytes, type(None))  # of which NumPy would make numbers when told to


def require_even(value: Sequence[Any], path: str = "list") -> tuple[int, ...]:
    """The shape of nested lists.

    Raises:
        ShapeError: they are ragged; two parts that differ are named.
    """
    shape: tuple[int, ...] = ()
    for number, item in enumerate(value):
        here = f"{path}[{number}]"
        is_list = isinstance(item, (list, tuple))
        found = require_even(item, here) if is_list else tuple(np.shape(item))
        if number and found != shape:
            raise ShapeError(
                "nested lists are ragged: parts of one list differ in shape",
                facts=[(f"{path}[0]", shape or "a number"), (here, found or "a number")],
                hint="pad them to one length",
            )
        shape = found
    return (len(value), *shape)


def leaf_classes(value: Any) -> Iterator[type]:
    """The classes of the leaves of nested lists."""
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from leaf_classes(item)
    else:
        yield type(value)
