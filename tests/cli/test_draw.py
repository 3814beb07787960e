"""`irflow draw`: which graph is drawn, and into which file."""

from pathlib import Path

import pytest

from tests.cli.conftest import Run


def test_the_traced_graph_is_drawn_beside_us(
    irflow: Run, graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = irflow("draw", graph)
    assert (done.code, done.out, done.err) == (0, "", "irflow: wrote mlp.svg\n")
    svg = (tmp_path / "mlp.svg").read_text("utf-8")
    assert "@mlp: 4 operations</text>" in svg
    assert svg.count(">tanh</text>") == 2


@pytest.mark.parametrize(
    ("options", "shown", "hidden"),
    [
        (("--passes", "cse"), "@mlp: 3 operations", "fusion"),
        (("--backend", "llvm"), "fusion contraction", "@mlp: 4"),
        (("-O0", "--backend", "numpy"), "@mlp: 4 operations", "fusion"),
        (("-O", "2", "--backend", "numpy"), "@mlp: 3 operations", "fusion"),
        (("--backend", "llvm", "--stop-after", "dce"), "@mlp: 3 operations", "fusion"),
    ],
)
def test_the_graph_after_passes(
    irflow: Run, graph: Path, tmp_path: Path, options: tuple[str, ...], shown: str, hidden: str
) -> None:
    path = tmp_path / "g.svg"
    done = irflow("draw", graph, "-o", path, *options)
    assert done.code == 0, done.err
    assert shown in path.read_text("utf-8")
    assert hidden not in path.read_text("utf-8")


def test_a_page(irflow: Run, graph: Path, tmp_path: Path) -> None:
    assert irflow("draw", graph, "-o", tmp_path / "g.html").code == 0
    assert (tmp_path / "g.html").read_text("utf-8").startswith("<!DOCTYPE html>")


def test_a_function(irflow: Run, model: str, tmp_path: Path) -> None:
    path = tmp_path / "g.svg"
    done = irflow(
        "draw", f"{model}:plain", "--input", "x=f32[n]", "--input", "y=f32[n]", "-o", path
    )
    assert done.code == 0, done.err
    assert ", plain:    return x + y</title>" in path.read_text("utf-8")


def test_folding(irflow: Run, graph: Path, tmp_path: Path) -> None:
    path = tmp_path / "g.svg"
    assert irflow("draw", graph, "-o", path, "--fold", 2).code == 0
    assert "4 operations in 2 boxes" in path.read_text("utf-8")
    assert irflow("draw", graph, "-o", path, "--fold", 0).code == 0
    assert "4 operations<" in path.read_text("utf-8")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("-o", "g.png"), "'g.png' is no drawing"),
        (("--fold", "-3"), "fold is a number of boxes"),
        (("-o", "no/such/folder/g.svg"), "cannot be written: No such file"),
        (("--passes", "csf"), "did you mean 'cse'"),
        (("--stop-after", "csf"), "unknown pass in this pipeline: 'csf'"),
        (("--backend", "nompy"), "did you mean 'numpy'"),
    ],
)
def test_misuse(
    irflow: Run,
    graph: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    problem: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = irflow("draw", graph, *options)
    assert done.code == 2
    assert problem in done.err


def test_a_graph_as_traced_needs_no_backend(
    irflow: Run, graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IRFLOW_BACKEND", "none")
    assert irflow("draw", graph, "-o", tmp_path / "traced.svg").code == 0
    assert irflow("draw", graph, "-O1", "-o", tmp_path / "lowered.svg").code == 2
