"""Models are about layers and training: what passes do to their programs is tested elsewhere."""

import pytest


@pytest.fixture(autouse=True)
def _lightly_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check the final graphs only; evaluating each before and after every pass takes seconds."""
    monkeypatch.setenv("IRFLOW_CHECK", "1")
