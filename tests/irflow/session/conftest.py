"""These tests are about the front, not about a backend; each leaves its default graph."""

import os
from collections.abc import Iterator

import pytest

import irflow as irf


@pytest.fixture(autouse=True)
def numpy_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    if "IRFLOW_BACKEND" not in os.environ:
        monkeypatch.setenv("IRFLOW_BACKEND", "numpy")


@pytest.fixture(autouse=True)
def clean_default() -> Iterator[None]:
    yield
    irf.reset_default_graph()


@pytest.fixture
def graph() -> Iterator[irf.Graph]:
    """An active graph."""
    with irf.Graph("g").as_default() as graph:
        yield graph


@pytest.fixture
def session(graph: irf.Graph) -> Iterator[irf.Session]:
    with irf.Session(graph) as session:
        yield session
