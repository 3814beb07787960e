"""`irflow backends` and `irflow passes`, also with plugins that are broken."""

import dataclasses
from pathlib import Path
from typing import ClassVar

import pytest

from irflow import plugins
from irflow.errors import PluginError
from irflow.ir import Graph
from irflow.plugins import Entry
from irflow.transform import Pass, PassContext
from tests.cli.conftest import Run
from tests.cli.test_compile import WrongBackend


class Absent(WrongBackend):
    name: ClassVar[str] = "absent"

    def available(self) -> str | None:
        return "there is no card"


class Exploding(WrongBackend):
    def __init__(self) -> None:
        raise RuntimeError("no licence")


@dataclasses.dataclass(frozen=True)
class Documented(Pass):
    """Swap things. It does so quietly.

    Before: `a b`.
    After: `b a`.
    Keeps: all.
    Needs: nothing.
    """

    name: ClassVar[str] = "swap"
    often: int = 3
    careful: bool = True

    def run(self, graph: Graph, context: PassContext) -> bool:
        return False


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend and a pass whose modules cannot be imported are declared."""
    declared = plugins.entries

    def entries(group: str) -> dict[str, Entry]:
        entry = Entry(group, "broken", "no_such_module:Class", "toy 1.0")
        return {**declared(group), "broken": entry}

    monkeypatch.setattr(plugins, "entries", entries)


# --- Backends -------------------------------------------------------------------------------------


def test_backends(irflow: Run) -> None:
    with plugins.registered(plugins.BACKENDS, "absent", Absent):
        done = irflow("backends")
    assert done.code == 0
    rows = {line.split()[0]: line for line in done.out.splitlines()}
    assert rows["backend"].split() == ["backend", "status", "takes", "from", "reason"]
    assert "available" in rows["numpy"]
    assert rows["absent"].split()[1] == "unavailable"
    assert rows["absent"].endswith("there is no card")


def test_the_default_backend_is_marked(irflow: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IRFLOW_BACKEND", "numpy")
    marked = [line.split()[0] for line in irflow("backends").out.splitlines() if " * " in line]
    assert marked == ["numpy"]
    monkeypatch.delenv("IRFLOW_BACKEND")
    found = irflow("backends", "--json").json()
    assert sum(one["is_default"] for one in found) == 1


def test_backends_for_programs(irflow: Run) -> None:
    found = {one["name"]: one for one in irflow("backends", "--json").json()}
    numpy = found["numpy"]
    assert numpy["status"] == "available"
    assert numpy["reason"] is None
    assert numpy["level"] == "graph"
    assert numpy["target"] == "irflow_numpy:NumpyBackend"
    assert "f32" in numpy["dtypes"]
    assert found["llvm"]["level"] == "program"


@pytest.mark.usefixtures("broken")
def test_broken_backends_are_listed(irflow: Run) -> None:
    with plugins.registered(plugins.BACKENDS, "exploding", Exploding):
        done = irflow("backends", "--json")
    found = {one["name"]: one for one in done.json()}
    assert found["broken"]["status"] == "broken"
    assert "No module named 'no_such_module'" in found["broken"]["reason"]
    assert found["broken"]["distribution"] == "toy 1.0"
    assert found["exploding"]["reason"] == "RuntimeError: no licence"


# --- Passes ---------------------------------------------------------------------------------------


def test_passes(irflow: Run) -> None:
    with plugins.registered(plugins.PASSES, "swap", Documented):
        done = irflow("passes")
    assert done.code == 0
    rows = {line.split()[0]: line for line in done.out.splitlines() if line}
    assert rows["swap"].split(maxsplit=1)[1].startswith("often=3, careful=true  ")
    assert rows["swap"].endswith("Swap things.")
    assert rows["-O0"].split()[1].startswith("inline")
    assert {"canonicalize", "fold", "cse", "dce"} <= set(rows)


def test_one_pass(irflow: Run) -> None:
    with plugins.registered(plugins.PASSES, "swap", Documented):
        done = irflow("passes", "swap")
    assert done.out.splitlines() == [
        "swap",
        "  Swap things. It does so quietly.",
        "  Before: `a b`.",
        "  After: `b a`.",
        "  Keeps: all.",
        "  Needs: nothing.",
        "  Options: often=3, careful=true",
        "  Levels: none",
        "  From: this process",
    ]


def test_the_levels_of_a_pass(irflow: Run) -> None:
    assert "  Levels: -O1, -O2, -O3\n" in irflow("passes", "cse").out


def test_passes_for_programs(irflow: Run) -> None:
    (fold,) = irflow("passes", "fold", "--json").json()
    assert fold["name"] == "fold"
    assert fold["options"] == {"limit": 4096}
    assert fold["levels"] == [1, 2, 3]
    assert fold["broken"] is None
    assert all(fold[key] for key in ("summary", "before", "after", "keeps", "needs"))
    assert len(irflow("passes", "--json").json()) >= 8


def test_every_pass_has_its_headings(irflow: Run) -> None:
    for one in irflow("passes", "--json").json():
        missing = [k for k in ("summary", "before", "after", "keeps", "needs") if not one[k]]
        assert missing == [], one["name"]


def test_an_unknown_pass_is_misuse(irflow: Run) -> None:
    done = irflow("passes", "fuze")
    assert done.code == 2
    assert "unknown pass 'fuze'" in done.err
    assert "did you mean 'fuse'" in done.err


@pytest.mark.usefixtures("broken")
def test_broken_passes_are_listed(irflow: Run, graph: Path) -> None:
    done = irflow("passes")
    assert done.code == 0
    assert "PluginError: plugin 'broken' of irflow.passes cannot be loaded" in done.out
    done = irflow("passes", "broken")
    assert done.code == 1
    assert done.err.startswith(f"{PluginError.__name__}: ")
    assert irflow("compile", graph, "--passes", "broken").code == 1
