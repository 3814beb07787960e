"""`irflow diff`: whether two graphs are the same, and where they differ."""

from __future__ import annotations

from collections.abc import Sequence

from irflow.cli.choices import add_inputs, parse_assignments
from irflow.cli.failures import DONE, FAILED, CommandError, CommandParser
from irflow.cli.functions import split_function
from irflow.cli.models import HELP as MODEL_HELP
from irflow.cli.models import Model, load_model
from irflow.ir.compare import diff_text, first_difference
from irflow.records import dataclass

_EXAMPLES = """\
  irflow diff stages/00-traced.ir stages/01-canonicalize.ir
  irflow diff model.irflow graph.ir
  irflow diff old.py:forward new.py:forward --input "x=f32[n, 784]"
  irflow compile graph.ir | irflow diff graph.ir -

Names of graphs and values, and locations, mean nothing.
Exit codes: 0 the graphs are equal, 1 they differ or cannot be compared, 2 wrong command line.
"""


@dataclass(frozen=True, slots=True)
class Request:
    """The options of the command, named as on the command line."""

    a: str
    b: str
    input: list[str]
    constraints: str | None


def main(arguments: Sequence[str]) -> int:
    """Run the command; the exit code."""
    request = Request(**vars(_parser().parse_args(arguments)))
    if request.a == request.b == "-":
        raise CommandError("only one of the graphs can stand on standard input")
    types = parse_assignments(request.input)
    a, b = (_load(reference, types, request.constraints) for reference in (request.a, request.b))
    difference = first_difference(a.graph, b.graph)
    if difference is None:
        print("the graphs are equal")
        return DONE
    print(difference)
    print(diff_text(a.graph, b.graph, from_name=a.source, to_name=b.source), end="")
    return FAILED


def _parser() -> CommandParser:
    parser = CommandParser("diff", "Compare two graphs.", _EXAMPLES)
    parser.add_argument("a", metavar="A", help=MODEL_HELP)
    parser.add_argument("b", metavar="B", help="the same")
    add_inputs(parser)
    return parser


def _load(reference: str, types: dict[str, str], constraints: str | None) -> Model:
    """A model; types and constraints concern those that are functions."""
    if split_function(reference) is None:
        return load_model(reference, {}, None)
    return load_model(reference, types, constraints)
