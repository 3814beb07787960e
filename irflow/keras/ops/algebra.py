"""Linear algebra and Fourier transforms of `keras.ops`, which has them beside all others."""

from __future__ import annotations

from typing import Any

from irflow import numpy as inp
from irflow.frontend import as_tensor

linalg, fourier = inp.linalg, inp.fft


def cholesky(x: Any, upper: bool = False) -> Any:
    """The triangular factor of positive definite matrices `[..., n, n]`."""
    factor = linalg.cholesky(x)
    return inp.conj(inp.matrix_transpose(factor)) if upper else factor


def cholesky_inverse(x: Any, upper: bool = False) -> Any:
    """The inverse of the matrix whose Cholesky factor `x` is."""
    factor = as_tensor(x)
    lower = inp.matrix_transpose(factor) if upper else factor
    root = linalg.inv(lower)
    return inp.matmul(inp.matrix_transpose(root), root)


def det(x: Any) -> Any:
    """The determinants of matrices."""
    return linalg.det(x)


def slogdet(x: Any) -> Any:
    """Signs of the determinants, and logarithms of their magnitudes."""
    return tuple(linalg.slogdet(x))


def logdet(x: Any) -> Any:
    """Logarithms of the determinants of positive definite matrices."""
    return linalg.slogdet(x)[1]


def eigh(x: Any) -> Any:
    """Eigenvalues, ascending, and eigenvectors of symmetric matrices."""
    return tuple(linalg.eigh(x))


def inv(x: Any) -> Any:
    """The inverses of matrices."""
    return linalg.inv(x)


def pinv(x: Any, rcond: float | None = None) -> Any:
    """The pseudo-inverses of matrices."""
    return linalg.pinv(x, rcond)


def lstsq(a: Any, b: Any, rcond: float | None = None) -> Any:
    """The `x` for which `a @ x - b` is least."""
    return linalg.lstsq(a, b, rcond)


def matrix_rank(x: Any, tol: float | None = None) -> Any:
    """The ranks of matrices."""
    return linalg.matrix_rank(x, tol)


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:  # noqa: A002
    """Norms of vectors or matrices."""
    return linalg.norm(x, ord, axis, keepdims)


def qr(x: Any, mode: str = "reduced") -> Any:
    """Orthogonal times upper triangular matrices."""
    return tuple(linalg.qr(x, mode=mode))


def svd(x: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """Singular values, descending, between the matrices of their vectors."""
    if not compute_uv:
        return linalg.svdvals(x)
    return tuple(linalg.svd(x, full_matrices))


def solve(a: Any, b: Any) -> Any:
    """The `x` for which `a @ x` is `b`."""
    return linalg.solve(a, b)


def solve_triangular(a: Any, b: Any, lower: bool = False) -> Any:
    """As `solve`, for a triangular matrix."""
    return linalg.solve_triangular(a, b, lower=lower)


def cdist(x: Any, y: Any) -> Any:
    """The distances between the rows of `x[..., n, d]` and `y[..., m, d]`."""
    return linalg.norm(as_tensor(x)[..., :, None, :] - as_tensor(y)[..., None, :, :], axis=-1)


def fft(x: tuple[Any, Any]) -> tuple[Any, Any]:
    """The Fourier transform along the last axis of `(real, imaginary)`, in the same form."""
    return _parts(fourier.fft(_joined(x)))


def fft2(x: tuple[Any, Any]) -> tuple[Any, Any]:
    """As `fft`, along the last two axes."""
    return _parts(fourier.fft2(_joined(x)))


def ifft2(x: tuple[Any, Any]) -> tuple[Any, Any]:
    """The inverse of `fft2`."""
    return _parts(fourier.ifft2(_joined(x)))


def rfft(x: Any, fft_length: int | None = None) -> tuple[Any, Any]:
    """The transform of real numbers, without the half that follows from the other."""
    return _parts(fourier.rfft(x, fft_length))


def irfft(x: tuple[Any, Any], fft_length: int | None = None) -> Any:
    """The inverse of `rfft`."""
    return fourier.irfft(_joined(x), fft_length)


def _joined(parts: tuple[Any, Any]) -> Any:
    return as_tensor(parts[0]) + as_tensor(parts[1]) * 1j


def _parts(x: Any) -> tuple[Any, Any]:
    return inp.real(x), inp.imag(x)
