"""Parts of complex numbers; of real ones, what these are then.

Complex tensors are for carrying values in and out: compiled code does not compute with them.
"""

from __future__ import annotations

import numpy as np

from irflow import ops
from irflow.frontend.boundary import public
from irflow.frontend.tensor import Tensor, TensorLike, as_tensor


@public
def real(x: TensorLike) -> Tensor:
    """The real part, `x` itself when it is real.

    Raises:
        ConcretizationError: `x` is complex and being traced.
    """
    tensor = as_tensor(x)
    if tensor.dtype.kind != "complex":
        return tensor
    return Tensor(tensor.demand("real").real.copy())


@public
def imag(x: TensorLike) -> Tensor:
    """The imaginary part, zeros when `x` is real.

    Raises:
        ConcretizationError: `x` is complex and being traced.
    """
    tensor = as_tensor(x)
    if tensor.dtype.kind != "complex":
        return ops.zeros_like(tensor)  # type: ignore[no-any-return]
    return Tensor(tensor.demand("imag").imag.copy())


@public
def conj(x: TensorLike) -> Tensor:
    """The complex conjugate, `x` itself when it is real.

    Raises:
        ConcretizationError: `x` is complex and being traced.
    """
    tensor = as_tensor(x)
    if tensor.dtype.kind != "complex":
        return tensor
    return Tensor(np.conj(tensor.demand("conj")))
