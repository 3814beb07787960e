"""`irflow bisect`: which pass and rule, or which kernel, changes a result."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from irflow import compiler
from irflow.backend import Backend
from irflow.cli.choices import Choice, ModelRequest, add_model, choose
from irflow.cli.console import progress
from irflow.cli.failures import DONE, FAILED, CommandParser
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


def main(arguments: Sequence[str]) -> int:
    """Run the command; the exit code."""
    chosen = choose(ModelRequest(**vars(_parser().parse_args(arguments))))
    if not _check_passes(chosen):
        return FAILED
    graph, backend = chosen.model.graph, chosen.backend
    lowered = compiler.lower(graph, backend, level=chosen.level, pipeline=chosen.pipeline, check=0)
    with progress(f"comparing {backend.name} with the reference"):
        found = compare(graph, lowered)
    _report(found, backend)
    return DONE if found.is_equal else FAILED


def _parser() -> CommandParser:
    parser = CommandParser("bisect", "Find what changes a result.", _EXAMPLES)
    add_model(parser, "passes to check instead of those of the level")
    return parser


def _check_passes(chosen: Choice) -> bool:
    """Whether all passes keep the results; the first that does not is printed, with its rule."""
    graph, level, pipeline = chosen.model.graph, chosen.level, chosen.pipeline
    try:
        with progress("checking every pass"):
            lowered = compiler.lower(graph, chosen.backend, level=level, pipeline=pipeline, check=3)
    except PassError as error:
        print(f"passes: {error}")
        return False
    report = lowered.report
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
