"""These tests are about the front, not about a backend: they take the quickest one."""

import os

import pytest


@pytest.fixture(autouse=True)
def numpy_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    if "IRFLOW_BACKEND" not in os.environ:
        monkeypatch.setenv("IRFLOW_BACKEND", "numpy")
