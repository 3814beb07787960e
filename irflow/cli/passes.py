"""`irflow passes`: the passes with their documentation, options and place in the pipelines."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from textwrap import fill

from irflow import plugins
from irflow.cli.choices import first_line
from irflow.cli.console import print_json, print_table
from irflow.cli.failures import DONE, CommandParser, misuse
from irflow.errors import IrflowError, UnknownNameError
from irflow.transform import Pass
from irflow.transform.pass_ import HEADINGS, format_option
from irflow.transform.pipeline import LEVELS

_EXAMPLES = """\
  irflow passes
  irflow passes fold
  irflow passes --json
"""

Description = dict[str, object]


def main(arguments: Sequence[str]) -> int:
    """Run the command; the exit code."""
    parser = CommandParser(
        "passes", "Show the passes with their documentation and options.", _EXAMPLES
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="show all about this pass")
    parser.add_argument("--json", action="store_true", help="print a list for programs")
    chosen = parser.parse_args(arguments)
    if chosen.name is not None:
        with misuse(UnknownNameError):
            described = [_describe(plugins.find_pass(chosen.name), chosen.name)]
    else:
        described = [_describe_safely(name) for name in plugins.names(plugins.PASSES)]
    if chosen.json:
        print_json(described)
    elif chosen.name is not None:
        print(_page(described[0]))
    else:
        _print_overview(described)
    return DONE


def _describe_safely(name: str) -> Description:
    try:
        return _describe(plugins.find_pass(name), name)
    except IrflowError as error:
        return {"name": name, "broken": first_line(error), "summary": "", "options": {}}


def _describe(made: type[Pass], name: str) -> Description:
    entry = plugins.entries(plugins.PASSES).get(name)
    documentation = made.description()
    return {
        "name": name,
        "summary": documentation.get("summary", ""),
        "options": {field.name: field.default for field in dataclasses.fields(made)},
        **{heading.lower(): documentation.get(heading) for heading in HEADINGS},
        "levels": [level for level, text in LEVELS.items() if _stands_in(name, text)],
        "distribution": entry.distribution if entry else "this process",
        "broken": None,
    }


def _stands_in(name: str, pipeline: str) -> bool:
    words = "".join(c if c.isalnum() or c in "_-." else " " for c in pipeline).split()
    return name in words


def _options(description: Description) -> list[str]:
    options = description["options"]
    assert isinstance(options, dict)
    return [f"{name}={format_option(value)}" for name, value in options.items()]


def _print_overview(described: Sequence[Description]) -> None:
    rows = [
        (one["name"], ", ".join(_options(one)) or "-", one["broken"] or _first_sentence(one))
        for one in described
    ]
    print_table(["pass", "options", "summary"], rows)
    print("\npipelines:")
    for level, text in LEVELS.items():
        print(f"  -O{level}  {text}")


def _first_sentence(description: Description) -> str:
    first, stop, _ = str(description["summary"]).partition(". ")
    return first + stop.rstrip()


def _page(description: Description) -> str:
    lines = [str(description["name"]), _wrapped("", str(description["summary"]))]
    for heading in HEADINGS:
        text = description[heading.lower()]
        if text:
            lines.append(_wrapped(f"{heading}: ", str(text)))
    levels = description["levels"]
    assert isinstance(levels, list)
    lines.append(f"  Options: {', '.join(_options(description)) or 'none'}")
    lines.append(f"  Levels: {', '.join(f'-O{level}' for level in levels) or 'none'}")
    lines.append(f"  From: {description['distribution']}")
    return "\n".join(lines)


def _wrapped(label: str, text: str) -> str:
    return fill(f"{label}{text}", 96, initial_indent="  ", subsequent_indent="    ")
