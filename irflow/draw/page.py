"""A drawing as a page: one file with pan, zoom, search and details, and nothing from outside."""

from __future__ import annotations

from importlib import resources
from xml.sax.saxutils import escape

from irflow.draw.diagram import Diagram
from irflow.draw.svg import render
from irflow.draw.text import MONO, SANS

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<div id="bar">
<button id="in" aria-label="zoom in">+</button>
<button id="out" aria-label="zoom out">−</button>
<button id="fit">whole graph</button>
<button id="top">start</button>
<input id="find" type="search" placeholder="find an op, name or line" aria-label="find">
<span id="found" role="status"></span>
<span id="help">drag to move, wheel to zoom, point for details, click to keep them</span>
</div>
<div id="stage">
{svg}</div>
<pre id="note" role="status"></pre>
<script>
{script}</script>
</body>
</html>
"""


def render_page(diagram: Diagram) -> str:
    """The text of an HTML file of a diagram whose boxes have places."""
    files = resources.files("irflow.draw")
    style = files.joinpath("viewer.css").read_text("utf-8")
    return _PAGE.format(
        title=escape(diagram.title),
        style=style.replace("SANS", SANS).replace("MONO", MONO),
        svg=render(diagram),
        script=files.joinpath("viewer.js").read_text("utf-8"),
    )
