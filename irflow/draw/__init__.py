"""Drawings of graphs: SVG, and a page to explore one in a browser.

    irf.draw(graph, "g.svg")
    irf.draw(irf.jit(f).trace("f32[32, 784]"), "g.html")

`fold` decides what shares a box, `outline` makes boxes and wires, `layers` and `place` lay them
out, `svg` and `page` write them.
"""

from __future__ import annotations

import sys
from os import PathLike, fspath
from pathlib import Path
from types import ModuleType
from typing import Protocol

from irflow.draw.diagram import Diagram
from irflow.draw.fold import choose_level
from irflow.draw.outline import Folding, outline
from irflow.draw.page import render_page
from irflow.draw.place import place
from irflow.draw.svg import render
from irflow.errors import UsageError
from irflow.ir.graph import Graph

__all__ = ["FOLD", "HasGraph", "draw", "draw_html", "draw_svg"]

FOLD = 80
"""How many boxes a drawing has at most unless asked otherwise."""

SUFFIXES = (".svg", ".html")


class HasGraph(Protocol):
    """A stage of a function: traced, or after the passes."""

    @property
    def graph(self) -> Graph: ...


class HasLowered(Protocol):
    """A compiled function."""

    @property
    def lowered(self) -> HasGraph: ...


Drawable = Graph | HasGraph | HasLowered


def draw(
    graph: Drawable, path: str | PathLike[str], *, fold: int = FOLD, title: str | None = None
) -> None:
    """Draw a graph into a file.

    Args:
        graph: a graph, or a stage of a jitted function: traced, lowered or compiled.
        path: ending in `.svg`, or in `.html` for a page to pan, zoom and search in.
        fold: the most boxes; larger graphs are folded, see `irflow.draw.fold`. 0 folds nothing.
        title: the heading; name and size of the graph by default.

    Raises:
        UsageError: `graph` is no graph, `path` ends otherwise, or `fold` is negative.

    Example:
        >>> irf.draw(irf.jit(f).trace("f32[n, 784]"), "f.svg")
    """
    suffix = Path(path).suffix
    if suffix not in SUFFIXES:
        raise UsageError(
            f"draw: {fspath(path)!r} is no drawing", facts=[("drawings end in", *SUFFIXES)]
        )
    make = draw_html if suffix == ".html" else draw_svg
    Path(path).write_text(make(graph, fold=fold, title=title), "utf-8")


def draw_svg(graph: Drawable, *, fold: int = FOLD, title: str | None = None) -> str:
    """The text of an SVG file; see `draw`."""
    return render(_diagram(graph, fold, title))


def draw_html(graph: Drawable, *, fold: int = FOLD, title: str | None = None) -> str:
    """The text of a page that needs no other file; see `draw`."""
    return render_page(_diagram(graph, fold, title))


def _diagram(drawable: Drawable, fold: int, title: str | None) -> Diagram:
    graph = _graph_of(drawable)
    if fold < 0:
        raise UsageError(f"draw: fold is a number of boxes, not {fold}")
    diagram = outline(graph, Folding(choose_level(graph, fold), fold))
    nodes, boxes = len(graph), diagram.count()
    shown = "" if boxes == nodes else f" in {boxes} boxes"
    diagram.title = title if title is not None else f"@{graph.name}: {nodes} operations{shown}"
    place(diagram)
    return diagram


def _graph_of(drawable: object) -> Graph:
    for found in (
        drawable,
        getattr(drawable, "graph", None),
        getattr(getattr(drawable, "lowered", None), "graph", None),
    ):
        if isinstance(found, Graph):
            return found
    raise UsageError(
        f"draw: a {type(drawable).__name__} has no graph",
        hint="trace a function first: irf.jit(f).trace(*arguments)",
    )


class _Package(ModuleType):
    """This package, which can be called: `irf.draw` is both the function and its home."""

    def __call__(
        self,
        graph: Drawable,
        path: str | PathLike[str],
        *,
        fold: int = FOLD,
        title: str | None = None,
    ) -> None:
        draw(graph, path, fold=fold, title=title)


sys.modules[__name__].__class__ = _Package
