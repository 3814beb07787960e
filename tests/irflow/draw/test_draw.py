"""`irf.draw`: what it accepts, what it writes."""

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp
from irflow.draw import draw, draw_html, draw_svg
from irflow.draw.diagram import ROLES
from irflow.draw.text import shorten, small_width, title_width
from irflow.errors import UsageError
from irflow.ir.parse import parse_graph
from irflow.testing.graphs import random_graph

SVG = "{http://www.w3.org/2000/svg}"

GRAPH = """graph @net(%x: f32[n, 4], %w: f32[4, 3] parameter("dense/w")) -> f32[n, 3] where n <= 9 {
  %0 = matmul %x, %w : f32[n, 3]                 // model.py:14
  %1 = constant<dense(f32[], 0.1)> : f32[]
  %2 = broadcast<(n, 3), axes=()> %1 : f32[n, 3]
  %3 = elementwise<multiply> %0, %2 : f32[n, 3]  // model.py:15
  return %3
}
"""


def texts(svg: str) -> list[str]:
    return ["".join(text.itertext()) for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def titles(svg: str) -> list[str]:
    return ["".join(t.itertext()) for t in ElementTree.fromstring(svg).iter(f"{SVG}title")]


def test_a_drawing_shows_ops_types_sizes_and_roles() -> None:
    svg = draw_svg(parse_graph(GRAPH))
    found = texts(svg)
    assert found[0] == "@net: 4 operations in 2 boxes"
    assert "matmul" in found
    assert "multiply(·, 0.1)" in found
    assert "dense/w" in found
    assert "parameter f32[4, 3]" in found
    assert found.count("n×3") == 2
    assert {"argument", "parameter", "result", "operation"} <= set(found), "the legend"
    assert "loss" not in found
    assert any("model.py:14" in title for title in titles(svg))


def test_each_role_has_a_colour_and_a_place_in_the_legend() -> None:
    inputs = ", ".join(f'%{r}: f32[] {r}("a")' for r in ROLES[:4])
    outputs = ", ".join(f'f32[] {r}("a")' for r in ROLES[4:])
    text = f"graph @g({inputs}) -> {outputs} {{\n return {', '.join(['%state'] * 5)}\n}}"
    svg = draw_svg(parse_graph(text))
    assert set(ROLES) <= set(texts(svg))
    fills = {re.search(rf"\.{role} > \.box {{ fill: (#\w+)", svg)[1] for role in ROLES}  # type: ignore[index]
    assert len(fills) == len(ROLES)


@pytest.mark.parametrize("suffix", [".svg", ".html"])
def test_the_ending_decides_the_form(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"g{suffix}"
    irf.draw(parse_graph(GRAPH), path)
    make = draw_svg if suffix == ".svg" else draw_html
    assert path.read_text("utf-8") == make(parse_graph(GRAPH))


def test_stages_can_be_drawn(tmp_path: Path) -> None:
    x = np.zeros((2, 3), np.float32)
    traced = irf.jit(lambda x: inp.tanh(x) * 2.0).trace(x)
    lowered = traced.lower("numpy")
    for stage in (traced, lowered, lowered.compile(), traced.graph):
        irf.draw(stage, str(tmp_path / "g.svg"))
        assert "tanh" in (tmp_path / "g.svg").read_text("utf-8")


@pytest.mark.parametrize(
    ("graph", "path", "fold", "text"),
    [
        ("g", "g.png", 8, "draw: 'g.png' is no drawing\n  drawings end in  .svg  .html"),
        ("g", "g.svg", -1, "draw: fold is a number of boxes, not -1"),
        (
            SimpleNamespace(graph=3),
            "g.svg",
            8,
            "draw: a SimpleNamespace has no graph\n"
            "  hint: trace a function first: irf.jit(f).trace(*arguments)",
        ),
    ],
)
def test_what_cannot_be_drawn(
    graph: object, path: str, fold: int, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        draw(parse_graph(GRAPH) if graph == "g" else graph, path, fold=fold)  # type: ignore[arg-type]
    assert str(caught.value) == text
    assert not list(tmp_path.iterdir())


def test_a_drawing_needs_no_other_file() -> None:
    page = draw_html(parse_graph(GRAPH)).replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?:|//\w+\.|@import|url\(|<link|src=|fetch\(|XMLHttp", page)


def test_names_are_escaped() -> None:
    text = GRAPH.replace("dense/w", "</svg><script>alert(1)</script>&")
    svg = draw_svg(parse_graph(text))
    assert "<script" not in svg
    assert any("</script>&" in found for found in texts(svg))
    assert draw_html(parse_graph(text)).count("<script>") == 1


def test_an_empty_graph() -> None:
    assert texts(draw_svg(parse_graph("graph @none() {\n return\n}"))) == ["@none: 0 operations"]


def test_a_heading_of_ones_own() -> None:
    assert texts(draw_svg(parse_graph(GRAPH), title="forward & back"))[0] == "forward & back"


def test_regions_of_other_ops_are_shown_side_by_side() -> None:
    @irf.custom_vjp
    def double(x: irf.Tensor) -> irf.Tensor:
        return x * 2.0

    double.defvjp(lambda x: (x * 2.0, x), lambda kept, g: (g * 3.0,))
    traced = irf.jit(lambda x: double(x)).trace(np.zeros(3, np.float32))
    svg = draw_svg(traced)
    assert "custom_vjp" in " ".join(texts(svg))
    assert sum("multiply" in text for text in texts(svg)) == 3


def test_drawings_do_not_depend_on_the_process() -> None:
    program = (
        "from irflow.draw import draw_svg; from irflow.testing.graphs import random_graph; "
        "import hashlib; print(hashlib.sha256(draw_svg(random_graph(5, 80)).encode()).hexdigest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


def test_importing_the_package_does_not_load_networkx() -> None:
    program = "import irflow, sys; irflow.draw; print('networkx' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


@pytest.mark.parametrize("fold", [80, 0])
def test_large_graphs_are_drawn(fold: int) -> None:
    graph = random_graph(3, 400)
    assert len(graph) >= 400
    text = draw_svg(graph, fold=fold)
    boxes = text.count('class="box"')
    assert 0 < boxes <= 2 * fold if fold else boxes >= len(graph)


# --- Text -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [
        ("short", 5, "short"),
        ("abcdef", 5, "a…def"),
        ("state.slots.mean['hidden/w']", 16, "state.…idden/w']"),
    ],
)
def test_shorten(text: str, most: int, expected: str) -> None:
    assert shorten(text, most) == expected
    assert len(expected) <= most


def test_widths_grow_with_text_and_wide_characters() -> None:
    assert title_width("") == small_width("") == 0
    assert title_width("mm") == pytest.approx(2 * title_width("m"))
    assert title_width("i") < title_width("m")
    assert small_width("ab") == pytest.approx(2 * small_width("a"))
    assert small_width("重") > small_width("a")
