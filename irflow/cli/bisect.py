"""`irflow bisect`: which pass and rule, or which kernel, changes a result."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from irflow import compiler
from irflow.backend import Backend
from irflow.cli.choices import (
    add_backend,
    add_inputs,
    choose_backend,
    choose_pipeline,
    parse_assignments,
)
from irflow.cli.console import progress
from irflow.cli.failures import DONE, FAILED, CommandParser
from irflow.cli.models import HELP as MODEL_HELP
from irflow.cli.models import Model, load_model
from irflow.errors import PassError, align
from irflow.report.differences import Comparison, NodeDifference, compare

_EXAMPLES = """\
  irflow bisect model.py:forward --input "x=f32[32, 784]"
  irflow bisect graph.ir --backend llvm -O3
  irflow bisect graph.ir --passes "canonicalize,cse,my_pass,dce"

Every pass runs as under IRFLOW_CHECK=3: the graph is evaluated before and after it on random
inputs. Then the backend is compared with the reference evaluator, first the whole graph, then node
by node.
Exit codes: 0 all results agree, 1 something differs or cannot be compared, 2 wrong command line.
"""


@dataclass(frozen=True, slots=True)
class Request:
    """The options of the command, named as on the command line."""

    model: str
    input: list[str]
    constraints: str | None
    backend: str | None
    level: int
    passes: str | None


def main(arguments: Sequence[str]) -> int:
    """Run the command; the exit code."""
    request = Request(**vars(_parser().parse_args(arguments)))
    types = parse_assignments(request.input)
    backend = choose_backend(request.backend)
    pipeline = str(choose_pipeline(request.passes, backend, request.level))
    model = load_model(request.model, types, request.constraints)
    if not _check_passes(model, backend, request.level, pipeline):
        return FAILED
    lowered = compiler.lower(model.graph, backend, level=request.level, pipeline=pipeline, check=0)
    with progress(f"comparing {backend.name} with the reference"):
        found = compare(model.graph, lowered)
    _report(found, backend)
    return DONE if found.is_equal else FAILED


def _parser() -> CommandParser:
    parser = CommandParser("bisect", "Find what changes a result.", _EXAMPLES)
    parser.add_argument("model", metavar="MODEL", help=MODEL_HELP)
    add_inputs(parser)
    add_backend(parser)
    parser.add_argument(
        "--passes", metavar="PIPELINE", help="passes to check instead of those of the level"
    )
    return parser


def _check_passes(model: Model, backend: Backend, level: int, pipeline: str) -> bool:
    """Whether all passes keep the results; the first that does not is printed, with its rule."""
    try:
        with progress("checking every pass"):
            report = compiler.lower(
                model.graph, backend, level=level, pipeline=pipeline, check=3
            ).report
    except PassError as error:
        print(f"passes: {error}")
        return False
    if report.unchecked is not None:
        print(f"not compared, as the graph cannot be evaluated: {report.unchecked}")
        return False
    print(f"passes: all {len(report.records)} keep the results")
    return True


def _report(found: Comparison, backend: Backend) -> None:
    if found.is_equal:
        print(f"backend {backend.name}: the graph and its {found.nodes} nodes agree")
        return
    if found.whole is not None:
        print(f"backend {backend.name}: the results of the graph differ")
        _print_facts(found.whole)
    if found.first is None:
        print("each node alone agrees: suspect the order of steps, or memory they share")
        return
    _print_node("first node that differs", found.first)


def _print_node(title: str, found: NodeDifference) -> None:
    print(f"{title}: {found.op}")
    _print_facts(found.facts)
    if found.location is not None:
        print(f"  in {found.location.describe()}")
    if found.inner is not None:
        _print_node("an operation inside of it that differs by itself", found.inner)


def _print_facts(facts: Iterable[tuple[str, ...]]) -> None:
    for line in align(facts):
        print(f"  {line}")
