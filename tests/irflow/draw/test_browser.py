"""Drawings in a browser: what its fonts and its geometry make of them.

The page reports on itself: a script that the test adds measures every box, text and wire.
"""

import json
import re
import shutil
import subprocess
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from irflow import compiler
from irflow.demo.classifier import init_state, training_step
from irflow.draw import draw_html, draw_svg
from irflow.frontend import jit
from irflow.ir import Graph
from irflow.ir.parse import parse_graph

pytestmark = pytest.mark.skipif(
    not (shutil.which("chromium") or shutil.which("chromium-browser")),
    reason="chromium is not installed",
)

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--window-size=1400,900",
)

CHECK = """
<script>
const found = {boxes: 0, texts: 0, wires: 0, errors: [], problems: []};
window.addEventListener("error", (event) => found.errors.push(event.message));
const nameOf = (node) => node.dataset.id + " " + node.querySelector("text").textContent;
const own = (node) => node.querySelector(":scope > rect.box");
function inside(inner, outer, slack) {
  return inner.x >= outer.x - slack && inner.y >= outer.y - slack &&
    inner.x + inner.width <= outer.x + outer.width + slack &&
    inner.y + inner.height <= outer.y + outer.height + slack;
}
function overlap(a, b) {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}
const all = [...document.querySelectorAll("svg .node")].filter(own);
for (const node of all) {
  const box = own(node).getBBox();
  found.boxes += 1;
  for (const text of node.querySelectorAll(":scope > text")) {
    found.texts += 1;
    if (!inside(text.getBBox(), box, 0.5)) found.problems.push("text leaves " + nameOf(node));
  }
  const group = node.parentElement.closest(".node");
  if (group && !inside(own(node).getBoundingClientRect(), own(group).getBoundingClientRect(), 0.5))
    found.problems.push(nameOf(node) + " leaves " + nameOf(group));
}
for (const part of new Set(all.map((node) => node.parentElement))) {
  const nodes = all.filter((node) => node.parentElement === part);
  const boxes = nodes.map((node) => own(node).getBBox());
  const labels = [...part.querySelectorAll(":scope > text.label")];
  const areas = labels.map((label) => label.getBBox());
  for (let i = 0; i < boxes.length; i++) {
    for (let j = i + 1; j < boxes.length; j++)
      if (overlap(boxes[i], boxes[j]))
        found.problems.push(nameOf(nodes[i]) + " overlaps " + nameOf(nodes[j]));
    for (let j = 0; j < areas.length; j++)
      if (overlap(boxes[i], areas[j]))
        found.problems.push(nameOf(nodes[i]) + " overlaps label " + labels[j].textContent);
  }
  for (let i = 0; i < areas.length; i++)
    for (let j = i + 1; j < areas.length; j++)
      if (overlap(areas[i], areas[j]))
        found.problems.push("labels overlap: " + labels[i].textContent);
  for (const wire of part.querySelectorAll(":scope > .net > .wire")) {
    found.wires += 1;
    const length = wire.getTotalLength();
    for (let at = 0; at <= length; at += 7) {
      const p = wire.getPointAtLength(at);
      const hit = boxes.findIndex((b) => p.x > b.x + 1 && p.x < b.x + b.width - 1 &&
        p.y > b.y + 1 && p.y < b.y + b.height - 1);
      if (hit >= 0) {
        found.problems.push("a wire runs through " + nameOf(nodes[hit]));
        break;
      }
    }
  }
}
const result = document.createElement("pre");
result.id = "check";
result.textContent = JSON.stringify(found);
document.body.append(result);
</script>
</body>"""

NAMES = """graph @names(
  %x: f32[n] parameter("WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW"),
  %y: f32[n] state("重み/層の重み/バイアス"),
  %z: f32[n] key("<b>&amp;</b> \\"quoted\\" ümläüt … ﷽ 🙂🙂")
) -> f32[n] update("iiiiiiiiiiiiiiiillllllllllllllll"), f32[n] gradient("x"), f32[n] loss("") {
  %0 = elementwise<add> %x, %y : f32[n]
  %1 = call<"@@@@@@@@@@%%%%%%%%%%MMMMMMMMMMMMMMMMMM"> %0, %z : f32[n] {
    (%a: f32[n], %b: f32[n]) -> f32[n]
    %0 = elementwise<multiply> %a, %b : f32[n]
    return %0
  }
  return %0, %1, %y
}
"""


USE = """
<script>
const found = {};
const note = document.getElementById("note");
const matmul = [...document.querySelectorAll(".node.contraction")][0];
matmul.dispatchEvent(new PointerEvent("pointerover", {bubbles: true}));
found.details = note.textContent;
found.near = document.querySelectorAll(".near").length;
found.faded = document.querySelectorAll(".active .node:not(.near)").length;
document.dispatchEvent(new KeyboardEvent("keydown", {key: "Escape"}));
found.after = note.textContent;
const svg = document.querySelector("svg");
const width = () => svg.viewBox.baseVal.width;
const before = width();
document.getElementById("in").click();
found.zoomed = width() / before;
document.getElementById("fit").click();
found.whole = width();
const field = document.getElementById("find");
field.value = "reduce maximum";
field.dispatchEvent(new Event("input"));
found.found = document.getElementById("found").textContent;
found.titles = svg.querySelectorAll("title").length;
const result = document.createElement("pre");
result.id = "check";
result.textContent = JSON.stringify(found);
document.body.append(result);
</script>
</body>"""


@cache
def traced() -> Graph:
    images, labels = np.zeros((32, 28, 28), np.float32), np.zeros(32, np.int32)
    return jit(training_step).trace(init_state(0, 784), images, labels).graph


@cache
def drawings() -> list[str]:
    """The classifier's training step as traced and after the passes, and a graph of hard names."""
    lowered = compiler.lower(traced(), "llvm").graph
    graphs = [traced(), lowered, parse_graph(NAMES)]
    return [draw_svg(graph, fold=fold) for graph in graphs for fold in (80, 20, 0)]


def open_page(page: str, folder: Path) -> dict[str, Any]:
    """What the page says about itself in a browser."""
    assert BROWSER is not None
    path = folder / "drawing.html"
    path.write_text(page, "utf-8")
    done = subprocess.run(
        [BROWSER, *FLAGS, f"--user-data-dir={folder / 'profile'}", "--dump-dom", path.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
    )
    match = re.search(r'<pre id="check">(.*?)</pre>', done.stdout, re.DOTALL)
    assert match, done.stderr[-2000:]
    report: dict[str, Any] = json.loads(unescape(match[1]))
    return report


def page_of(drawings: list[str]) -> str:
    return f'<html><meta charset="utf-8"><body>{"".join(drawings)}{CHECK}</html>'


def test_nothing_overlaps_and_all_text_fits(tmp_path: Path) -> None:
    report = open_page(page_of(drawings()), tmp_path)
    assert report["errors"] == []
    assert report["problems"] == []
    assert report["boxes"] > 600
    assert report["texts"] > 1.5 * report["boxes"]
    assert report["wires"] > 500


@pytest.mark.parametrize(
    ("pattern", "change", "problem"),
    [
        (r'class="title" x="', r"\g<0>1", "text leaves"),
        (r'(<rect class="box" x=")[\d.]+', r"\g<1>300", "overlaps"),
        (r'(<path class="wire" stroke-width="[\d.]+" d=")', r"\1M0 0L900 2000", "runs through"),
    ],
    ids=["texts", "boxes", "wires"],
)
def test_the_check_finds_what_is_wrong(
    pattern: str, change: str, problem: str, tmp_path: Path
) -> None:
    broken = re.sub(pattern, change, drawings()[0])
    report = open_page(page_of([broken]), tmp_path)
    assert any(problem in one for one in report["problems"])


def test_the_page_can_be_used(tmp_path: Path) -> None:
    page = draw_html(traced())
    report = open_page(page.replace("</body>", USE), tmp_path)
    assert report["details"].startswith("matmul : f32[32, 128]")
    assert re.search(r"classifier.py:\d+, forward:    hidden = nn.relu\(", report["details"])
    assert report["near"] >= 4  # itself, what it reads, the wires
    assert report["faded"] > 50
    assert report["after"] == ""
    assert report["zoomed"] == pytest.approx(0.8, abs=0.01)
    assert report["whole"] == pytest.approx(svg_width(page), abs=1)
    assert report["found"] == "1 found"
    assert report["titles"] == 0


def svg_width(page: str) -> float:
    match = re.search(r'<svg [^>]*?width="([\d.]+)"', page)
    assert match
    return float(match[1])
