"""The command line: `irflow compile`, `run`, `draw`, `explain`, `bisect` and others: `COMMANDS`.

Each command is a module with a `main(arguments) -> exit code` of its own; it is imported when it is
asked for, so that `irflow --help` does not wait for it. Exit codes: 0 done; 1 the work failed, or
graphs differ; 2 the command line asks for what does not exist; 130 interrupted.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import sys
from collections.abc import Sequence
from importlib import metadata
from io import TextIOWrapper

from irflow.cli.failures import exit_code_of

COMMANDS: dict[str, tuple[str, str]] = {
    "compile": ("irflow.cli.compile", "run the passes on a model; show or save any stage"),
    "run": ("irflow.cli.run", "run a model on arrays"),
    "diff": ("irflow.cli.diff", "the first difference of two graphs, and all others"),
    "draw": ("irflow.cli.draw", "draw the graph of a model, as SVG or as a page"),
    "explain": ("irflow.cli.explain", "what the passes did, what kernels cost, and why"),
    "bisect": ("irflow.cli.bisect", "find the pass, rule or kernel that changes a result"),
    "backends": ("irflow.cli.backends", "the backends, and whether they can run here"),
    "passes": ("irflow.cli.passes", "the passes, with their documentation and options"),
    "cache": ("irflow.cli.cache", "the compiled code kept on disk"),
    "doctor": ("irflow.cli.doctor", "check the installation"),
    "demo": ("irflow.cli.demo", "train a classifier of handwritten digits"),
}
"""Each command's module and summary."""

_EXAMPLES = """\
MODEL is file.py:function, a graph text file, a .irflow container, or - for graph text on standard
input.

examples:
  irflow compile model.py:forward --input "x=f32[n, 784]" --emit asm
  irflow run model.irflow --input x=image.npy
  irflow diff before.ir after.ir
  irflow COMMAND --help
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line, that of the process by default.

    Returns:
        The exit code; errors have been printed.
    """
    if arguments is not None:
        return exit_code_of(lambda: _dispatch(list(arguments)))
    if isinstance(sys.stdout, TextIOWrapper):  # names and text of users may not fit its encoding
        sys.stdout.reconfigure(errors="backslashreplace")
    return exit_code_of(lambda: _dispatch(sys.argv[1:]))


def _dispatch(given: list[str]) -> int:
    if given and given[0] in COMMANDS:
        module = importlib.import_module(COMMANDS[given[0]][0])
        code: int = module.main(given[1:])
        return code
    parser = _parser()
    if not given:
        parser.print_help(sys.stderr)
        return 2
    chosen = parser.parse_args(given)
    if chosen.version:
        print(f"irflow {_version()}")
        return 0
    return _reject(parser, chosen.command)


def _parser() -> argparse.ArgumentParser:
    commands = "\n".join(f"  {name:10} {summary}" for name, (_, summary) in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="irflow",
        usage="irflow [--help] [--version] COMMAND ...",
        description=f"A compiler of tensor programs.\n\ncommands:\n{commands}",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    parser.add_argument("command", nargs="?", metavar="COMMAND", help=argparse.SUPPRESS)
    parser.add_argument("rest", nargs="*", help=argparse.SUPPRESS)
    return parser


def _reject(parser: argparse.ArgumentParser, command: str) -> int:
    close = difflib.get_close_matches(command, COMMANDS, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(COMMANDS)}"
    parser.error(f"unknown command {command!r}; {hint}")


def _version() -> str:
    try:
        return metadata.version("irflow")
    except metadata.PackageNotFoundError:
        return "unknown"
