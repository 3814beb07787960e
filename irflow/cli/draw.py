"""`irflow draw`: the graph of a model as a drawing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from irflow import compiler
from irflow.cli.choices import ModelRequest, add_model, choose, open_model
from irflow.cli.console import note
from irflow.cli.failures import DONE, CommandError, CommandParser, misuse
from irflow.draw import FOLD, draw
from irflow.errors import UnknownNameError, UsageError
from irflow.ir import Graph
from irflow.records import dataclass

_EXAMPLES = """\
  irflow draw model.py:forward --input "x=f32[n, 784]"
  irflow draw graph.ir -o graph.html
  irflow draw graph.ir -O3 --backend llvm -o optimised.svg
  irflow draw graph.ir --passes "canonicalize,cse,dce" --fold 0

Without --passes, -O or --backend the graph is drawn as it was traced, without --fold with at most
80 boxes. A page (.html) can be panned, zoomed and searched, and needs no other file.
Exit codes: 0 done, 1 a pass failed, 2 wrong command line.
"""


@dataclass(frozen=True, slots=True)
class Request(ModelRequest):
    """The options of the command, named as on the command line."""

    stop_after: str | None
    output: str | None
    fold: int


def main(arguments: Sequence[str]) -> int:
    """Run the command; the exit code."""
    request = Request(**vars(_parser().parse_args(arguments)))
    graph = _graph(request)
    path = request.output if request.output is not None else f"{_file_name(graph)}.svg"
    try:
        with misuse(UsageError):
            draw(graph, path, fold=request.fold)
    except OSError as error:
        raise CommandError(f"-o {path}: cannot be written: {error.strerror}") from error
    note(f"wrote {Path(path)}")
    return DONE


def _parser() -> CommandParser:
    parser = CommandParser("draw", "Draw the graph of a model.", _EXAMPLES)
    add_model(parser, "draw the graph after these passes")
    parser.add_argument("--stop-after", metavar="PASS", help="draw the graph after this pass")
    parser.add_argument(
        "-o",
        dest="output",
        metavar="FILE",
        help="a .svg or .html file; the graph's name and .svg by default",
    )
    parser.add_argument(
        "--fold",
        type=int,
        default=FOLD,
        metavar="N",
        help=f"the most boxes: larger graphs are folded ({FOLD}); 0 shows all",
    )
    return parser


def _graph(request: Request) -> Graph:
    """The graph as traced, or after the passes that are asked for."""
    asked = (request.backend, request.level, request.passes, request.stop_after)
    if all(option is None for option in asked):
        return open_model(request).graph
    chosen = choose(request)
    with misuse(UnknownNameError):  # of --stop-after
        return compiler.lower(
            chosen.model.graph,
            chosen.backend,
            level=chosen.level,
            pipeline=chosen.pipeline,
            stop_after=request.stop_after,
        ).graph


def _file_name(graph: Graph) -> str:
    return re.sub(r"[^\w.-]", "_", graph.name) or "graph"
