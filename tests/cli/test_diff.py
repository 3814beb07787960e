"""`irflow diff`: equal and different graphs in all forms."""

from pathlib import Path

import pytest

from tests.cli.conftest import GRAPH, Run

NUMPY = ("--backend", "numpy")


def test_equal_graphs(irflow: Run, graph: Path, tmp_path: Path) -> None:
    renamed = tmp_path / "renamed.ir"
    renamed.write_text(GRAPH.replace("@mlp", "@other").replace("%x", "%input"), "utf-8")
    done = irflow("diff", graph, renamed)
    assert (done.code, done.out, done.err) == (0, "the graphs are equal\n", "")


def test_different_graphs(irflow: Run, graph: Path, tmp_path: Path) -> None:
    changed = tmp_path / "changed.ir"
    changed.write_text(GRAPH.replace("%2 = elementwise<tanh>", "%2 = elementwise<exp>"), "utf-8")
    done = irflow("diff", graph, changed)
    assert done.code == 1
    assert done.out.startswith("equation 2 differs in attribute row\n")
    assert f"--- {graph}\n+++ {changed}\n" in done.out
    assert "-  %2 = elementwise<tanh> %0 : f32[n, 3]\n" in done.out
    assert "+  %2 = elementwise<exp> %0 : f32[n, 3]\n" in done.out


def test_a_container_and_standard_input(irflow: Run, graph: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.irflow"
    assert irflow("compile", graph, *NUMPY, "-o", path).code == 0
    compiled = irflow("compile", graph, *NUMPY).out
    assert irflow("diff", path, "-", stdin=compiled).code == 0
    assert irflow("diff", "-", path, stdin=GRAPH).code == 1


def test_functions(irflow: Run, model: str, tmp_path: Path) -> None:
    options = ("--input", "x=f32[n, 2]", "--constraints", "n <= 9")
    text = tmp_path / "forward.ir"
    function = f"{model}:forward"
    assert irflow("compile", function, *options, *NUMPY, "--passes", "", "-o", text).code == 0
    assert irflow("diff", function, text, *options).code == 0
    assert irflow("diff", function, text, "--input", "x=f32[n, 2]").code == 1


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["-", "-"], 2, "only one of the graphs"),
        (["{}", "{}/none.ir"], 2, "no such file"),
        (["{}"], 2, "B"),
        (["{}", "-"], 1, "standard input: line 1"),
    ],
)
def test_what_cannot_be_compared(
    irflow: Run, graph: Path, arguments: list[str], code: int, text: str
) -> None:
    done = irflow("diff", *(argument.format(graph) for argument in arguments), stdin="no")
    assert (done.code, done.out) == (code, "")
    assert text in done.err
