"""Derivatives of Python functions by differences, in f64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

STEP = 1e-6


def slope(function: Callable[..., Any], *arrays: Any) -> list[np.ndarray]:
    """The derivatives of a scalar function of f64 arrays, by central differences."""
    given = [np.asarray(array, np.float64) for array in arrays]
    results = []
    for position, array in enumerate(given):
        result = np.zeros(array.shape)
        for index in np.ndindex(array.shape):
            ends = []
            for sign in (1, -1):
                moved = array.copy()
                moved[index] += sign * STEP
                ends.append(float(function(*given[:position], moved, *given[position + 1 :])))
            result[index] = (ends[0] - ends[1]) / (2 * STEP)
        results.append(result)
    return results
