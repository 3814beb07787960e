"""Parts of complex numbers; of real ones, what these are then."""

from __future__ import annotations

from typing import cast

import numpy as np

from irflow import dtypes, ops
from irflow.frontend.boundary import public
from irflow.frontend.tensor import Tensor, TensorLike, apply_row, as_tensor, inexact
from irflow.scalars import find


def is_complex(x: Tensor) -> bool:
    """Whether the elements are complex numbers."""
    return x.dtype.kind == "complex"


@public
def real(x: TensorLike) -> Tensor:
    """The real part, `x` itself when it is real."""
    tensor = as_tensor(x)
    return apply_row(find("real"), (tensor,)) if is_complex(tensor) else tensor


@public
def imag(x: TensorLike) -> Tensor:
    """The imaginary part, zeros when `x` is real."""
    tensor = as_tensor(x)
    if not is_complex(tensor):
        return cast(Tensor, ops.zeros_like(tensor))
    return apply_row(find("imag"), (tensor,))


@public
def conj(x: TensorLike) -> Tensor:
    """The complex conjugate, `x` itself when it is real."""
    tensor = as_tensor(x)
    return apply_row(find("conjugate"), (tensor,)) if is_complex(tensor) else tensor


conjugate = conj


@public
def angle(z: TensorLike, deg: bool = False) -> Tensor:
    """The angle of complex numbers from the positive real axis, in radians or degrees."""
    tensor = inexact(z)
    turned = apply_row(find("arctan2"), (imag(tensor), real(tensor)))
    return turned * (180 / np.pi) if deg else turned


def magnitude_squared(x: Tensor) -> Tensor:
    """`|x|^2`, of a real type."""
    if not is_complex(x):
        return cast(Tensor, x * x)
    return cast(Tensor, real(x) * real(x) + imag(x) * imag(x))


def as_complex(x: TensorLike) -> Tensor:
    """`x` in the complex type that holds its numbers: complex64, for f64 complex128."""
    tensor = as_tensor(x)
    return cast(Tensor, ops.convert(tensor, dtypes.to_complex(tensor.dtype)))


@public
def isreal(x: TensorLike) -> Tensor:
    """Whether the imaginary part is zero."""
    return apply_row(find("equal"), (imag(x), 0))


@public
def iscomplex(x: TensorLike) -> Tensor:
    """Whether the imaginary part is not zero."""
    return apply_row(find("not_equal"), (imag(x), 0))
