"""`irflow cache`."""

from pathlib import Path

import pytest

from irflow.backend.cache import cached
from tests.cli.conftest import Run


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IRFLOW_CACHE", str(tmp_path / "code"))
    for name in "abc":
        cached((name,), lambda: bytes(2**20))
    return tmp_path / "code"


def test_what_is_kept(irflow: Run, place: Path) -> None:
    lines = irflow("cache").out.splitlines()
    assert lines == [
        f"{place}: 3 entries, 3.0 of at most 512 MiB",
        "the oldest was last used 0.0 days ago",
    ]
    found = irflow("cache", "--json").json()
    assert (found["folder"], found["entries"]) == (str(place), 3)
    assert found["bytes"] > 3 * 2**20


def test_deleting(irflow: Run, place: Path) -> None:
    done = irflow("cache", "--shrink", "2050k")
    assert done.err == "irflow: deleted 1 entry\n"
    assert "2 entries" in done.out
    done = irflow("cache", "--clear")
    assert done.err == "irflow: deleted 2 entries\n"
    assert "0 entries" in done.out


def test_misuse_and_off(irflow: Run, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = irflow("cache", "--shrink", "much")
    assert done.code == 2
    assert "--shrink 'much' is no size" in done.err
    monkeypatch.setenv("IRFLOW_CACHE", "off")
    assert "since IRFLOW_CACHE is off" in irflow("cache").out
