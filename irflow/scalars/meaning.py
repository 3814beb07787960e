"""What the families of rows share: NumPy meanings that NumPy lacks, and common sample intervals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from irflow import dtypes
from irflow.dtypes import DType

REAL = ((-3.0, 3.0),)
POSITIVE = ((0.25, 4.0),)
BIT = ((0.0, 1.0),)
WHOLE = ((-100.0, 100.0),)
QUOTIENT = ((4.1, 4.3), (1.1, 1.3))
"""Quotients between 3 and 4, so that rounding them to an integer makes no jump."""


def rounded(function: Callable[..., Any], *, widen: bool = True) -> Callable[..., Any]:
    """A meaning from `function`: it keeps the dtype of its last array and honours `out=`.

    With `widen`, 16-bit floats are computed in f32 and rounded once, also where NumPy would round
    every step, or where it would return f32 for bf16. Functions that do so themselves need it not.
    """

    def evaluate(*arrays: Any, out: Any = None) -> Any:
        typed = [array for array in arrays if isinstance(array, (np.ndarray, np.generic))]
        result = np.asarray(function(*(map(_widen, arrays) if widen else arrays))).astype(
            typed[-1].dtype, copy=False
        )
        if out is None:
            return result
        np.copyto(out, result)
        return out

    return evaluate


def _widen(array: Any) -> Any:
    is_short = isinstance(array, (np.ndarray, np.generic)) and dtypes.from_numpy(array.dtype) in (
        dtypes.f16,
        dtypes.bf16,
    )
    return array.astype(np.float32) if is_short else array


def lowest(dtype: DType) -> bool | int | float:
    """The number that no other of the type is below: the neutral element of `maximum`."""
    if dtype.is_float:
        return -np.inf
    if dtype.kind == "bool":
        return False
    return -(1 << (dtype.bits - 1)) if dtype.kind == "int" else 0


def highest(dtype: DType) -> bool | int | float:
    """The number that no other of the type is above: the neutral element of `minimum`."""
    if dtype.is_float:
        return np.inf
    if dtype.kind == "bool":
        return True
    return (1 << (dtype.bits - (dtype.kind == "int"))) - 1


def no_ones(dtype: DType) -> bool | int:
    """The number with no bit set: the neutral element of `bitwise_or` and `bitwise_xor`."""
    return 0 if dtype.is_integer else False


def all_ones(dtype: DType) -> bool | int:
    """The number with every bit set: the neutral element of `bitwise_and`."""
    if not dtype.is_integer:
        return True
    return -1 if dtype.kind == "int" else (1 << dtype.bits) - 1
