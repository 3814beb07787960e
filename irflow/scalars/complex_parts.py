"""Complex numbers and their parts. There are no derivatives through them."""

from __future__ import annotations

from typing import Any

import numpy as np

from irflow import dtypes
from irflow.scalars.meaning import REAL
from irflow.scalars.row import Scalar, scalar


def _real(z: Any, out: Any = None) -> Any:
    return np.positive(np.real(z), out=out)


def _imag(z: Any, out: Any = None) -> Any:
    return np.positive(np.imag(z), out=out)


def _complex_of(x: Any, y: Any, out: Any = None) -> Any:
    x, y = np.broadcast_arrays(x, y)
    if out is None:
        out = np.empty(x.shape, dtypes.to_complex(dtypes.from_numpy(x.dtype)).numpy)
    out.real, out.imag = x, y
    return out


real: Scalar = scalar("real", _real, "complex", result="real", domain=REAL)
imag: Scalar = scalar("imag", _imag, "complex", result="real", domain=REAL)
conjugate: Scalar = scalar("conjugate", np.conjugate, "complex", domain=REAL)
# The number with these two parts; not x + 1j * y, which makes NaN of infinite parts.
complex_of: Scalar = scalar("complex_of", _complex_of, "float", result="complex", domain=REAL * 2)
