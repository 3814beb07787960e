"""Benchmarks run as a user's program would: without the checks that tests switch on."""

import pytest


@pytest.fixture(autouse=True)
def without_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passes are not checked while they are timed."""
    monkeypatch.setenv("IRFLOW_CHECK", "0")
