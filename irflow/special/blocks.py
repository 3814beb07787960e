"""What the special functions are made with: blocks of arrays, polynomials."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, Protocol, TypeVar, cast

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
Array = npt.NDArray[Any]

# A block and its temporaries stay in the second-level cache.
BLOCK = 8192


def blockwise(kernel: Callable[[F64], F64]) -> Callable[[npt.ArrayLike], Array]:
    """Make an array function of a kernel that maps a 1-d f64 block to a block of equal length.

    The array function runs the kernel over cache-sized blocks, keeps shape and floating dtype, and
    silences floating-point warnings. It raises TypeError for complex and non-numeric arguments.
    """

    @wraps(kernel)
    def function(x: npt.ArrayLike) -> Array:
        values = np.asarray(x)
        flat = values.reshape(-1)
        result = np.empty(flat.shape, result_dtype(values.dtype, kernel.__name__))
        with np.errstate(all="ignore"):
            for start in range(0, flat.size, BLOCK):
                block = flat[start : start + BLOCK].astype(np.float64)
                result[start : start + BLOCK] = kernel(block)
        return result.reshape(values.shape)

    return function


def result_dtype(dtype: np.dtype[Any], name: str) -> np.dtype[Any]:
    """The dtype of the result: the argument's if floating, f64 for booleans and integers."""
    if dtype.kind in "biu":
        return np.dtype(np.float64)
    # bfloat16, an extension type, has kind V as plain records have, but a scalar type of its own.
    if dtype.kind == "f" or (dtype.kind == "V" and dtype.type is not np.void):
        return dtype
    raise TypeError(f"{name}: needs real numbers, got an array of dtype {dtype}")


class Operand(Protocol):
    """What the recipe asks of a number: arrays have it, and so can symbolic values."""

    def __add__(self, other: Any, /) -> Any: ...
    def __radd__(self, other: Any, /) -> Any: ...
    def __sub__(self, other: Any, /) -> Any: ...
    def __rsub__(self, other: Any, /) -> Any: ...
    def __mul__(self, other: Any, /) -> Any: ...
    def __lt__(self, other: Any, /) -> Any: ...
    def __neg__(self) -> Any: ...


Number = TypeVar("Number", bound=Operand)


def polynomial(coefficients: Iterable[float], t: Number) -> Number:
    """Evaluate a polynomial by Horner's rule; coefficients stand highest degree first."""
    first, second, *rest = coefficients
    result = t * first + second
    for coefficient in rest:
        result = result * t + coefficient
    return cast(Number, result)
