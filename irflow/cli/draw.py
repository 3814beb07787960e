"""`irflow draw`: the graph of a model as a drawing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from irflow import compiler
from irflow.cli.choices import (
    add_backend,
    add_inputs,
    choose_backend,
    choose_pipeline,
    parse_assignments,
)
from irflow.cli.console import note
from irflow.cli.failures import DONE, CommandError, CommandParser, misuse
from irflow.cli.models import HELP as MODEL_HELP
from irflow.cli.models import load_model
from irflow.draw import FOLD, draw
from irflow.errors import UnknownNameError, UsageError
from irflow.ir import Graph

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
class Request:
    """The options of the command, named as on the command line."""

    model: str
    input: list[str]
    constraints: str | None
    backend: str | None
    level: int | None
    passes: str | None
    stop_after: str | None
    output: str | None
    fold: int


def main(arguments: Sequence[str]) -> int:
    """Run the command; the exit code."""
    request = Request(**vars(_parser().parse_args(arguments)))
    types = parse_assignments(request.input)
    model = load_model(request.model, types, request.constraints)
    graph = _after_passes(request, model.graph)
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
    parser.add_argument("model", metavar="MODEL", help=MODEL_HELP)
    add_inputs(parser)
    add_backend(parser)
    parser.set_defaults(level=None)
    parser.add_argument("--passes", metavar="PIPELINE", help="draw the graph after these passes")
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


def _after_passes(request: Request, graph: Graph) -> Graph:
    asked = (request.backend, request.level, request.passes, request.stop_after)
    if all(option is None for option in asked):
        return graph
    backend = choose_backend(request.backend)
    level = 2 if request.level is None else request.level
    pipeline = str(choose_pipeline(request.passes, backend, level))
    with misuse(UnknownNameError):  # of --stop-after
        return compiler.lower(
            graph, backend, level=level, pipeline=pipeline, stop_after=request.stop_after
        ).graph


def _file_name(graph: Graph) -> str:
    return re.sub(r"[^\w.-]", "_", graph.name) or "graph"
