"""What tests of the LLVM backend share: the worker pool, and large graphs without checks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from irflow_llvm import workers


@pytest.fixture
def pool() -> Iterator[workers.Pool]:
    """The pool of threads, which a test may resize."""
    if not workers.is_supported():
        pytest.skip("no worker pool here")
    found = workers.pool()
    before = found.threads
    yield found
    found.resize(before)


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passes have tests of their own, and NumPy takes longer for these sizes."""
    monkeypatch.setenv("IRFLOW_CHECK", "0")
