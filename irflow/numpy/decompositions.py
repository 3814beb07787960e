"""Decompositions of matrices for `irflow.numpy.linalg`: QR, singular values, eigenvectors.

The host computes them, on every backend.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np

from irflow import dims, dtypes, ops
from irflow.errors import UsageError
from irflow.frontend.boundary import public
from irflow.frontend.tensor import Tensor, TensorLike, apply_row, as_tensor, inexact
from irflow.numpy.complex_parts import conj
from irflow.numpy.products import matmul
from irflow.scalars import find

Factor = Any
"""A number or a tensor of one number a matrix."""


class QRResult(NamedTuple):
    """What `qr` gives: `x = Q @ R`."""

    Q: Tensor
    R: Tensor


class SVDResult(NamedTuple):
    """What `svd` gives: `x = U * S @ Vh`."""

    U: Tensor
    S: Tensor
    Vh: Tensor


class EighResult(NamedTuple):
    """What `eigh` gives: `x @ eigenvectors = eigenvectors * eigenvalues`."""

    eigenvalues: Tensor
    eigenvectors: Tensor


@public
def qr(x: TensorLike, *, mode: str = "reduced") -> Any:
    """Orthonormal columns `Q` and an upper triangle `R` with `x = Q @ R`.

    Args:
        x: `[..., m, n]`.
        mode: "reduced", `Q[..., m, k]` and `R[..., k, n]` with `k = min(m, n)`; "complete",
            `[..., m, m]` and `[..., m, n]`; "r", only `R` of the reduced ones.

    Returns:
        `QRResult(Q, R)`, or `R`. Gradients need full rank of the first `k` columns.

    Raises:
        UsageError: another mode.
    """
    if mode not in ("reduced", "complete", "r"):
        raise UsageError(f"qr: mode {mode!r}", facts=[("known", "reduced, complete, r")])
    q, r = ops.qr(inexact(x), mode == "complete")
    return r if mode == "r" else QRResult(q, r)


@public
def svd(x: TensorLike, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """Singular vectors and values with `x = U * S @ Vh`, the values in descending order.

    Args:
        x: `[..., m, n]`.
        full_matrices: `U[..., m, m]` and `Vh[..., n, n]`; otherwise `[..., m, k]` and
            `[..., k, n]` with `k = min(m, n)`. The full vectors of a matrix that is not square
            have no gradient.
        compute_uv: otherwise only the values are returned.
    """
    if not compute_uv:
        return svdvals(x)
    return SVDResult(*ops.svd(inexact(x), full_matrices))


@public
def svdvals(x: TensorLike) -> Tensor:
    """The singular values of `x[..., m, n]`, `[..., min(m, n)]`, in descending order."""
    return cast(Tensor, ops.svd(inexact(x))[1])


@public
def eigh(x: TensorLike, UPLO: str = "L", *, symmetrize_input: bool = True) -> EighResult:
    """The eigenvalues, ascending, and eigenvectors of symmetric or Hermitian matrices.

    Args:
        x: `[..., n, n]`.
        UPLO: the triangle that is read with `symmetrize_input=False`, "L" or "U".
        symmetrize_input: take the mean of `x` and its conjugate transpose, so that gradients are
            symmetric.

    Returns:
        `[..., n]`, real, and `[..., n, n]`, whose columns are the eigenvectors.
    """
    if UPLO not in ("L", "U"):
        raise UsageError(f"eigh: UPLO {UPLO!r}", facts=[("known", "L, U")])
    tensor = inexact(x)
    if symmetrize_input:
        tensor = (tensor + conj(tensor).mT) * 0.5
    elif UPLO == "U":
        tensor = conj(tensor).mT
    return EighResult(*ops.eigh(tensor))


@public
def eigvalsh(x: TensorLike, UPLO: str = "L", *, symmetrize_input: bool = True) -> Tensor:
    """The eigenvalues of symmetric or Hermitian matrices, ascending; arguments as of `eigh`."""
    return eigh(x, UPLO, symmetrize_input=symmetrize_input).eigenvalues


# ------------------------------------------------------------------------------------ inverse, rank


def relative_tolerance(x: Tensor, tolerance: Factor) -> Tensor:
    """A factor of the largest singular value, `[...]`; by default `max(m, n)` rounding errors."""
    real = dtypes.to_real(x.dtype)
    if tolerance is None:
        largest = dims.maximum(x.shape[-2], x.shape[-1])
        tolerance = ops.size_of(x, largest, real) * float(np.finfo(_held(real)).eps)
    return cast(Tensor, ops.broadcast_to(as_tensor(tolerance).astype(real), x.shape[:-2]))


def _held(dtype: dtypes.DType) -> Any:
    return dtypes.compute_dtype(dtype).numpy


@public
def pinv(x: TensorLike, rcond: Factor = None, *, rtol: Factor = None) -> Tensor:
    """The pseudoinverses of `x[..., m, n]`, `[..., n, m]`.

    Args:
        x: the matrices.
        rcond: singular values up to this factor, `[...]`, of the largest count as zero; by
            default `max(m, n)` rounding errors, as the standard has it, where NumPy takes 1e-15.
        rtol: the standard's name of `rcond`.

    Raises:
        UsageError: both are given.
    """
    if rcond is not None and rtol is not None:
        raise UsageError("pinv: rcond and rtol are two names of one argument")
    tensor = inexact(x)
    factor = relative_tolerance(tensor, rtol if rcond is None else rcond)
    return cast(Tensor, ops.pseudo_inverse(tensor, factor))


@public
def matrix_rank(x: TensorLike, tol: Factor = None, *, rtol: Factor = None) -> Tensor:
    """How many singular values of `x[..., m, n]` count as not zero, `i64[...]`.

    Args:
        x: the matrices; of a vector, whether it is not zero.
        tol: the largest value that counts as zero, `[...]`.
        rtol: the same as a factor of the largest value; by default `max(m, n)` rounding errors.

    Raises:
        UsageError: both are given.
    """
    if tol is not None and rtol is not None:
        raise UsageError("matrix_rank: tol is an absolute and rtol a relative limit; give one")
    tensor = inexact(x)
    if tensor.ndim < 2:
        return apply_row(find("not_equal"), (tensor, 0)).astype("bool").max().astype("i64")
    values = svdvals(tensor)
    if tol is not None:
        limit = as_tensor(tol)
    else:
        largest = ops.reduce(find("maximum"), values, [values.ndim - 1])
        limit = relative_tolerance(tensor, rtol) * largest
    above = apply_row(find("greater"), (values, ops.expand_dims(limit, -1)))
    return above.astype("i64").sum(-1)


@public
def cond(x: TensorLike) -> Tensor:
    """The condition numbers of `x[..., m, n]`: the largest singular value over the smallest."""
    values = svdvals(x)
    return cast(Tensor, values[..., 0] / values[..., -1])


@public
def lstsq(a: TensorLike, b: TensorLike, rcond: Factor = None) -> Tensor:
    """The shortest `x` for which `a @ x` comes nearest to `b`, by the pseudoinverse.

    NumPy also returns residuals, rank and singular values; here there are functions for these.

    Args:
        a: `[..., m, n]`.
        b: `[m]`, or `[..., m, k]`.
        rcond: as of `pinv`.
    """
    return matmul(pinv(a, rcond), b)
