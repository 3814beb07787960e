"""What commands print: tables and notes, plain for programs, `rich` on a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TextIO

from irflow.errors import align

Json = Mapping[str, object] | Sequence[object]


def note(text: str) -> None:
    """Say something beside the result, on stderr."""
    print(f"irflow: {text}", file=sys.stderr)


def print_json(value: Json) -> None:
    """Print `value` for programs; infinities and NaN, which JSON lacks, are our mistake."""
    print(json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False))


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], stream: TextIO | None = None
) -> None:
    """Print aligned columns under their names."""
    target = sys.stdout if stream is None else stream
    cells = [tuple(str(cell) for cell in row) for row in rows]
    if target.isatty():
        _print_rich(columns, cells, target)
        return
    for line in align([tuple(columns), *cells]):
        print(line, file=target)


def _print_rich(columns: Sequence[str], cells: Sequence[Sequence[str]], target: TextIO) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in cells:
        table.add_row(*map(Text, row))
    Console(file=target).print(table)


@contextmanager
def progress(text: str) -> Iterator[None]:
    """Show on a terminal that something takes time."""
    if not (sys.stdout.isatty() and sys.stderr.isatty()):
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(text):
        yield
