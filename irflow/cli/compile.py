"""`irflow compile`: run the passes on a model and show, save or verify any stage."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from irflow import compiler
from irflow.artifact.manifest import irflow_version
from irflow.backend import Backend, Executable
from irflow.cli.choices import (
    add_backend,
    add_inputs,
    choose_backend,
    choose_pipeline,
    describe_interface,
    parse_assignments,
)
from irflow.cli.console import note, print_json, print_table, progress
from irflow.cli.emit import FILES, Plan, Stages, parse_machine, plan_output, write_output
from irflow.cli.failures import DONE, CommandError, CommandParser, misuse
from irflow.cli.models import HELP as MODEL_HELP
from irflow.cli.models import Model, load_model
from irflow.cli.verification import Verification, verify
from irflow.errors import UnknownNameError
from irflow.records import dataclass
from irflow.transform.manager import Report

_EXAMPLES = """\
  irflow compile model.py:forward --input "x=f32[n, 784]" --constraints "1 <= n <= 4096"
  irflow compile model.py:step --input "params.w=f32[784, 10]" --input "x=f32[32, 784]" --emit asm
  irflow compile graph.ir --backend llvm --emit graph,loops,llvm,object -o listings/
  irflow compile graph.ir --emit asm --target aarch64-linux-gnu --target-cpu cortex-a76
  irflow compile graph.ir --passes "canonicalize,fold{limit=64},dce" --print-ir-after-all
  irflow compile graph.ir --dump stages/ --stop-after cse --time-passes
  irflow compile graph.ir -o graph.irflow --verify --json
  cat graph.ir | irflow compile - -O3

A model of the form file.py:function is a program: the file is executed. Graph text and containers
are data.
Exit codes: 0 done, 1 compilation or verification failed, 2 wrong command line.
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
    start_from: str | None
    stop_after: str | None
    emit: str | None
    target: str | None
    target_cpu: str | None
    output: str | None
    dump: Path | None
    print_ir_after_all: bool
    time_passes: bool
    verify: bool
    json: bool


def main(arguments: Sequence[str]) -> int:
    """Run the command; the exit code."""
    request = Request(**vars(_parser().parse_args(arguments)))
    plan = plan_output(request.emit, request.output, prints=not request.json)
    machine = parse_machine(request.target, request.target_cpu, plan.kinds)
    _make_folder(request.dump)
    types = parse_assignments(request.input)
    backend = choose_backend(request.backend)
    pipeline = str(choose_pipeline(request.passes, backend, request.level))
    clock = _Clock()
    model = load_model(request.model, types, request.constraints)
    clock.stop("load")
    lowered = _lower(request, model, backend, pipeline)
    clock.stop("passes")
    executable = _compile(request, plan, lowered)
    clock.stop("compile")
    verified = (
        verify(executable, model.graph, model.arrays) if executable and request.verify else None
    )
    clock.stop("verify")
    manifest = _manifest(request, lowered, pipeline)
    stages = Stages(lowered.graph, model.arrays, manifest, executable, machine)
    files = write_output(plan, stages)
    _report_on_stderr(request, lowered.report, verified, files)
    if request.json:
        print_json(
            {
                **manifest,
                **_results(model, lowered, plan, stages, verified, files),
                "seconds": clock.seconds,
            }
        )
    elif plan.path is None:
        print(stages.text(plan.kinds[0]), end="")
    return DONE


def _parser() -> CommandParser:
    parser = CommandParser(
        "compile", "Run the passes on a model; show or save any stage.", _EXAMPLES
    )
    parser.add_argument("model", metavar="MODEL", help=MODEL_HELP)
    add_inputs(
        parser,
        "the type of a function's parameter, as in x=f32[n,784]; "
        "of a graph's input, to fix its sizes",
    )
    add_backend(parser)
    _add_passes(parser)
    _add_results(parser)
    return parser


def _add_passes(parser: CommandParser) -> None:
    group = parser.add_argument_group("passes")
    group.add_argument(
        "--passes",
        metavar="PIPELINE",
        help="passes to run instead of those of the level, as in "
        '"canonicalize,fold{limit=64},dce"; "" runs none',
    )
    group.add_argument("--start-from", metavar="PASS", help="skip what stands before this pass")
    group.add_argument("--stop-after", metavar="PASS", help="skip what stands after this pass")
    group.add_argument(
        "--print-ir-after-all",
        action="store_true",
        help="write the graph to stderr after every pass",
    )
    group.add_argument(
        "--time-passes",
        action="store_true",
        help="write time and node counts of every pass to stderr",
    )
    group.add_argument(
        "--dump", type=Path, metavar="DIR", help="leave the graph after every pass in files there"
    )
    group.add_argument(
        "--verify",
        action="store_true",
        help="check every pass, and compare the executable with the reference evaluator "
        "on random inputs",
    )


def _add_results(parser: CommandParser) -> None:
    group = parser.add_argument_group("results")
    group.add_argument(
        "--emit", metavar="KINDS", help=f"stages, separated by commas: {', '.join(FILES)} (graph)"
    )
    group.add_argument(
        "--target",
        metavar="TRIPLE",
        help="machine code for another kind of machine, as in aarch64-linux-gnu",
    )
    group.add_argument(
        "--target-cpu", metavar="CPU", help="machine code for another processor, as in x86-64-v3"
    )
    group.add_argument(
        "-o",
        dest="output",
        metavar="PATH",
        help="x.irflow: a container; FOLDER/: a file for each stage; any other name: a file with "
        "the one stage. Standard output by default",
    )
    group.add_argument(
        "--json", action="store_true", help="print a report for programs instead of a listing"
    )


def _make_folder(path: Path | None) -> None:
    if path is None:
        return
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"--dump {path}: cannot be made: {error.strerror}") from error


class _Clock:
    """How long each step took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def stop(self, step: str) -> None:
        """Enter the time since the last step."""
        now = time.perf_counter()
        self.seconds[step], self._last = now - self._last, now


def _lower(request: Request, model: Model, backend: Backend, pipeline: str) -> compiler.Lowered:
    with misuse(UnknownNameError):  # of --start-from or --stop-after
        return compiler.lower(
            model.graph,
            backend,
            level=request.level,
            pipeline=pipeline,
            check=3 if request.verify else None,
            dump=request.dump,
            stop_after=request.stop_after,
            start_from=request.start_from,
            print_after_all=request.print_ir_after_all,
        )


def _compile(request: Request, plan: Plan, lowered: compiler.Lowered) -> Executable | None:
    is_reported = request.json and request.stop_after is None
    if not (plan.needs_executable or request.verify or is_reported):
        return None
    with progress(f"compiling with {lowered.backend.name}"):
        return lowered.compile()


def _manifest(request: Request, lowered: compiler.Lowered, pipeline: str) -> dict[str, object]:
    """What the compiled graph is, and how it was made."""
    return {
        "irflow": irflow_version(),
        "name": lowered.graph.name,
        "backend": lowered.backend.name,
        "level": request.level,
        "pipeline": pipeline,
        "start_from": request.start_from,
        "stop_after": request.stop_after,
        **describe_interface(lowered.graph),
    }


def _results(
    model: Model,
    lowered: compiler.Lowered,
    plan: Plan,
    stages: Stages,
    verified: Verification | None,
    files: Mapping[str, str],
) -> dict[str, object]:
    """What the report adds to the manifest: how the compilation went."""
    is_program = stages.executable is not None and lowered.backend.level == "program"
    return {
        "model": model.source,
        "nodes": {"traced": len(model.graph), "final": len(lowered.graph)},
        "passes": _passes(lowered.report),
        "kernels": [kernel.name for kernel in lowered.program().kernels()] if is_program else None,
        "verified": _verified(verified, lowered.report),
        "files": dict(files),
        "listings": {kind: stages.text(kind) for kind in plan.kinds} if plan.path is None else {},
    }


def _passes(report: Report) -> list[dict[str, object]]:
    return [
        {
            "pass": record.name,
            "seconds": record.seconds,
            "nodes_before": record.nodes_before,
            "nodes_after": record.nodes_after,
            "changed": record.changed,
            "rules": dict(sorted(record.statistics.items())),
            "notes": [str(note) for note in record.notes],
        }
        for record in report.records
    ]


def _verified(verified: Verification | None, report: Report) -> dict[str, object] | None:
    if verified is None:
        return None
    return {
        "draws": verified.draws,
        "sizes": dict(verified.sizes),
        "elements": verified.elements,
        "largest_error": verified.largest_error,
        "passes_unchecked": report.unchecked,
    }


def _report_on_stderr(
    request: Request, report: Report, verified: Verification | None, files: Mapping[str, str]
) -> None:
    if request.time_passes:
        _print_times(report)
    if verified is not None:
        note(
            f"verified: {verified.elements} elements of {verified.draws} draws, "
            f"largest error {verified.largest_error:.3g}"
        )
        if report.unchecked is not None:
            note(f"the passes were not compared one by one: {report.unchecked}")
    if not request.json:
        for kind, path in files.items():
            note(f"wrote {kind} to {path}")


def _print_times(report: Report) -> None:
    rows: list[tuple[str, str, object, object, str]] = [
        (
            record.name,
            f"{record.seconds * 1e3:.3f}",
            record.nodes_before,
            record.nodes_after,
            ", ".join(f"{rule} {times}" for rule, times in sorted(record.statistics.items())),
        )
        for record in report.records
    ]
    rows.append(("total", f"{report.seconds * 1e3:.3f}", "", "", ""))
    print_table(["pass", "ms", "before", "after", "rules"], rows, sys.stderr)
