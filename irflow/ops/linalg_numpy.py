"""What the ops of linear algebra mean on arrays: batches of matrices, without errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from irflow import dtypes


def wide_copy(x: np.ndarray) -> np.ndarray:
    """The elements in the type in which they are computed, in memory of their own."""
    return np.array(x, dtypes.compute_dtype(dtypes.from_numpy(x.dtype)).numpy, order="C")


def each_matrix(
    function: Callable[[np.ndarray], Sequence[np.ndarray]], x: np.ndarray
) -> list[np.ndarray]:
    """The results of a function of matrices, NaN for those matrices for which it fails."""
    try:
        return list(function(x))
    except np.linalg.LinAlgError:
        shapes = function(np.zeros_like(x))
    results = [np.full_like(array, np.nan) for array in shapes]
    for place in np.ndindex(x.shape[:-2]):
        try:
            found = function(x[place])
        except np.linalg.LinAlgError:
            continue
        for result, array in zip(results, found, strict=True):
            result[place] = array
    return results


def cholesky_arrays(x: np.ndarray) -> np.ndarray:
    """The lower factors of `x[*b, n, n]`; NaN in the lower triangle where there is none."""
    wide = wide_copy(x)
    try:
        result = np.linalg.cholesky(wide)
    except np.linalg.LinAlgError:
        matrices = wide.reshape(-1, *x.shape[-2:])
        result = np.stack([_one_cholesky(matrix) for matrix in matrices]).reshape(x.shape)
    # Libraries differ in whether a NaN in the matrix counts as a failure.
    diagonal = np.diagonal(result, axis1=-2, axis2=-1)
    is_factored = np.all(diagonal.real > 0, -1, keepdims=True)[..., None]
    return np.asarray(np.where(is_factored, result, np.tril(np.full_like(result, np.nan))))


def _one_cholesky(x: np.ndarray) -> np.ndarray:
    try:
        return np.linalg.cholesky(x)
    except np.linalg.LinAlgError:
        return np.full_like(x, np.nan)


def factor_arrays(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Packed factors, pivots and permutations of `x[*b, n, n]`, all in the type of computation.

    The pivot of a column is the first of the largest elements; NaN counts as the largest.
    """
    *batch, n, _ = x.shape
    count = int(np.prod(batch, dtype=np.int64))
    a = wide_copy(x).reshape(count, n, n)
    order = np.tile(np.arange(n), (count, 1))
    pivots = np.zeros((count, n), np.int64)
    matrices = np.arange(count)
    with np.errstate(all="ignore"):
        for k in range(n):
            row = k + np.argmax(np.abs(a[:, k:, k]), 1)
            pivots[:, k] = row
            for array in (a, order):
                chosen = array[matrices, row].copy()
                array[matrices, row] = array[:, k]
                array[:, k] = chosen
            pivot, below = a[:, k, k, None], a[:, k + 1 :, k]
            below[...] = np.where(pivot == 0, below, below / pivot)
            a[:, k + 1 :, k + 1 :] -= below[:, :, None] * a[:, k, None, k + 1 :]
    return a.reshape(x.shape), pivots.reshape(*batch, n), order.reshape(*batch, n)


def substitute_arrays(a: np.ndarray, b: np.ndarray, is_lower: bool, is_unit: bool) -> np.ndarray:
    """`x` with `triangle(a) @ x = b`, row by row; `a[*b, n, n]`, `b[*b, n, m]`."""
    n = a.shape[-1]
    a, x = wide_copy(a), wide_copy(b)
    with np.errstate(all="ignore"):
        for i in range(n) if is_lower else range(n)[::-1]:
            known = slice(0, i) if is_lower else slice(i + 1, n)
            x[..., i, :] -= (a[..., i : i + 1, known] @ x[..., known, :])[..., 0, :]
            if not is_unit:
                x[..., i, :] /= a[..., i, i, None]
    return x


def solve_arrays(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """`x` with `a @ x = b`; infinities and NaN where `a` is singular."""
    try:
        return np.linalg.solve(wide_copy(a), wide_copy(b))
    except np.linalg.LinAlgError:
        packed, _, order = factor_arrays(a)
        sorted_ = np.take_along_axis(wide_copy(b), order[..., None], -2)
        halfway = substitute_arrays(packed, sorted_, is_lower=True, is_unit=True)
        return substitute_arrays(packed, halfway, is_lower=False, is_unit=False)
