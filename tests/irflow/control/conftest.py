"""Everything here runs eagerly, and compiled by each backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import irflow as irf

Compile = Callable[[Callable[..., Any]], Callable[..., Any]]
NUMPY_SLOW = ["eager", pytest.param("numpy", marks=pytest.mark.slow), "llvm"]
"""For large graphs. Eager calls are NumPy's too, and every pass is checked with it."""


@pytest.fixture(params=["eager", "numpy", "llvm"])
def compiled(request: pytest.FixtureRequest) -> Iterator[Compile]:
    """`irf.jit` for a backend, or nothing."""
    if request.param == "eager":
        yield lambda function: function
        return
    with irf.use_backend(request.param):
        yield irf.jit
