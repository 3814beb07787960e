"""`irflow explain`: what the passes did to a model, what the result costs, why it was compiled."""

from __future__ import annotations

import os
from collections.abc import Sequence

from irflow import compiler
from irflow.cli.choices import ModelRequest, add_model, choose, choose_backend
from irflow.cli.console import print_json, print_table
from irflow.cli.failures import DONE, CommandError, CommandParser, unreachable_file
from irflow.cli.scripts import compilations_of, is_script
from irflow.compiler.compilations import Compilation
from irflow.dims import Size
from irflow.location import Location
from irflow.records import dataclass
from irflow.report.costs import KernelCost
from irflow.report.explanation import Explanation, explain

_EXAMPLES = """\
  irflow explain model.py:forward --input "x=f32[n, 784]"
  irflow explain graph.ir -O3 --backend llvm
  irflow explain model.irflow --json
  irflow explain train.py -- --epochs 1

A Python file without the name of a function is run as a program, with what follows -- as its
arguments; every compilation that it causes is explained, with what made it necessary.
Flops are those of all operations of a kernel; bytes are what it reads and writes, each buffer once.
Exit codes: 0 done, 1 compilation failed, 2 wrong command line.
"""
MOST_TEMPORARIES = 8
MOST_LINES = 3


@dataclass(frozen=True, slots=True)
class Request(ModelRequest):
    """The options of the command, named as on the command line."""

    arguments: list[str]
    json: bool


def main(arguments: Sequence[str]) -> int:
    """Run the command; the exit code."""
    own, passed_on = _split(arguments)
    request = Request(**vars(_parser().parse_args(own)), arguments=passed_on)
    if is_script(request.model):
        _explain_script(request)
        return DONE
    if request.arguments:
        raise CommandError("only a program, MODEL.py without the name of a function, has arguments")
    chosen = choose(request)
    graph = chosen.model.graph
    lowered = compiler.lower(graph, chosen.backend, level=chosen.level, pipeline=chosen.pipeline)
    found = explain(graph, lowered)
    if request.json:
        print_json(_for_programs(found))
    else:
        _print(found)
    return DONE


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """What stands before -- and what stands behind it."""
    given = list(arguments)
    end = given.index("--") if "--" in given else len(given)
    return given[:end], given[end + 1 :]


def _explain_script(request: Request) -> None:
    path = request.model
    if not os.path.isfile(path):
        unreachable_file(path, "no such file")
    if request.input or request.constraints or request.passes or request.level is not None:
        raise CommandError(
            "--input, --constraints, --passes and -O belong to a function, not to a program",
            hint=f"name a function: {path}:function",
        )
    backend = request.backend and choose_backend(request.backend).name
    compilations = compilations_of(path, request.arguments, backend)
    found = [explain(one.traced, one.lowered) for one in compilations]
    if request.json:
        pairs = zip(compilations, found, strict=True)
        print_json({"program": path, "compilations": [_compilation(*pair) for pair in pairs]})
        return
    plural = "" if len(found) == 1 else "s"
    print(f"{path} was run and caused {len(found)} compilation{plural}")
    rows = [(f"{one.seconds:.3f}", one.reason) for one in compilations]
    if rows:
        print_table(["seconds", "what was compiled, and why"], rows)
    for one in found:
        print("\n" + "=" * 80)
        _print(one)


def _parser() -> CommandParser:
    parser = CommandParser("explain", "Say what the passes did and what kernels cost.", _EXAMPLES)
    add_model(parser, "passes to run instead of those of the level")
    parser.add_argument("--json", action="store_true", help="print the same for programs")
    return parser


# --- For people -----------------------------------------------------------------------------------


def _print(found: Explanation) -> None:
    before, after = found.nodes
    print(f"@{found.name} on {found.backend}: {before} operations traced, {after} after the passes")
    if found.sizes:
        chosen = ", ".join(f"{name} = {size}" for name, size in found.sizes.items())
        print(f"flops a byte and memory are for {chosen}")
    _section("passes")
    print_table(["pass", "nodes", "rules"], _pass_rows(found))
    _section("kernels" if found.arena is not None else "operations")
    columns = ["", "flops", "bytes", "flops/byte", "fused", "from", "computes"]
    print_table(columns, [_cost_row(cost, found) for cost in found.costs])
    _print_totals(found)
    _print_memory(found)
    _print_remarks(found)


def _section(title: str) -> None:
    print(f"\n{title}")


def _pass_rows(found: Explanation) -> list[tuple[str, str, str]]:
    return [
        (
            record.name,
            f"{record.nodes_before} -> {record.nodes_after}",
            ", ".join(f"{rule} {times}" for rule, times in sorted(record.statistics.items()))
            or "-",
        )
        for record in found.report.records
    ]


def _cost_row(cost: KernelCost, found: Explanation) -> tuple[str, ...]:
    intensity = cost.intensity(found.sizes)
    if cost.kind in ("loop", "switch"):
        return (_indented(cost, cost.name), "", "", "", "", _places(cost.lines), "")
    name = cost.name if cost.kind != "host" else f"host: {cost.name}"
    return (
        _indented(cost, name),
        _amount(cost.flops),
        _amount(cost.bytes),
        "-" if intensity is None else f"{intensity:.2f}",
        "yes" if cost.is_fused else "no",
        _places(cost.lines),
        ", ".join(cost.ops[:6]) + (", …" if len(cost.ops) > 6 else ""),
    )


def _indented(cost: KernelCost, name: str) -> str:
    """A name as far to the right as it stands in loops, with how often it runs."""
    times = "" if cost.times == 1 else " ×?" if cost.times is None else f" ×{cost.times}"
    return "  " * cost.depth + name + times


def _amount(size: Size) -> str:
    """A count in a form that can be read; symbolic ones as they are."""
    if not isinstance(size, int):
        return str(size)
    for unit, name in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if size >= unit:
            return f"{size / unit:.3g}{name}"
    return str(size)


def _places(lines: Sequence[Location]) -> str:
    """Files with their lines: `model.py:14,15`."""
    texts: dict[str, list[str]] = {}
    for line in lines:
        texts.setdefault(str(line).rpartition(":")[0], []).append(str(line.line))
    shown = [f"{file}:{','.join(numbers)}" for file, numbers in texts.items()]
    more = [f"… {len(shown) - MOST_LINES} files"] if len(shown) > MOST_LINES else []
    return " ".join([*shown[:MOST_LINES], *more]) or "-"


def _print_totals(found: Explanation) -> None:
    print(
        f"in all {_amount(found.flops)} flops, {_amount(found.bytes)} bytes; "
        f"{_amount(found.unfused_bytes)} bytes without fusion"
    )
    steps = [cost.name for cost in found.costs if cost.kind == "host"]
    print(f"host steps: {', '.join(steps) if steps else 'none'}")


def _print_memory(found: Explanation) -> None:
    if found.arena is None:
        return
    needed = sum(found.at_typical(one.nbytes) for one in found.temporaries)
    _section(f"memory: an arena of {_amount(found.arena)} bytes for {_amount(needed)} of values")
    rows = [
        (f"b{one.number}", one.type, _amount(one.nbytes), f"{one.steps[0]} to {one.steps[1]}")
        for one in found.temporaries[:MOST_TEMPORARIES]
    ]
    if rows:
        print_table(["buffer", "type", "bytes", "steps"], rows)


def _print_remarks(found: Explanation) -> None:
    if not found.remarks:
        return
    _section("what was not done, and why")
    for line, remarks in found.remarks.items():
        print(f"  {line.describe() if line is not None else 'operations without a line'}")
        for remark in remarks:
            times = f" ({remark.times} times)" if remark.times > 1 else ""
            print(f"    {remark.op}: {remark.text} [{', '.join(remark.passes)}]{times}")


# --- For programs ---------------------------------------------------------------------------------


def _compilation(one: Compilation, found: Explanation) -> dict[str, object]:
    return {"reason": one.reason, "seconds": one.seconds, **_for_programs(found)}


def _for_programs(found: Explanation) -> dict[str, object]:
    return {
        "name": found.name,
        "backend": found.backend,
        "nodes": {"traced": found.nodes[0], "final": found.nodes[1]},
        "sizes": dict(found.sizes),
        "passes": [
            {
                "pass": record.name,
                "seconds": record.seconds,
                "nodes_before": record.nodes_before,
                "nodes_after": record.nodes_after,
                "rules": dict(sorted(record.statistics.items())),
            }
            for record in found.report.records
        ],
        "kernels": [_cost(cost, found) for cost in found.costs],
        "flops": str(found.flops),
        "bytes": str(found.bytes),
        "unfused_bytes": str(found.unfused_bytes),
        "arena": found.arena,
        "temporaries": [
            {"buffer": t.number, "type": t.type, "bytes": str(t.nbytes), "steps": list(t.steps)}
            for t in found.temporaries
        ],
        "remarks": [
            {
                "line": str(line) if line is not None else None,
                "op": remark.op,
                "text": remark.text,
                "passes": list(remark.passes),
                "times": remark.times,
            }
            for line, remarks in found.remarks.items()
            for remark in remarks
        ],
    }


def _cost(cost: KernelCost, found: Explanation) -> dict[str, object]:
    return {
        "name": cost.name,
        "kind": cost.kind,
        "fused": cost.is_fused,
        "ops": list(cost.ops),
        "lines": [str(line) for line in cost.lines],
        "flops": str(cost.flops),
        "bytes": str(cost.bytes),
        "unfused_bytes": str(cost.unfused_bytes),
        "depth": cost.depth,
        "times": None if cost.times is None else str(cost.times),
        "intensity": cost.intensity(found.sizes),
    }
