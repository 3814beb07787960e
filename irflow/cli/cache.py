"""`irflow cache`: what compiled code is kept on disk, and deleting it."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path

from irflow.backend.cache import LIMIT, entries, folder, shrink
from irflow.cli.console import note, print_json
from irflow.cli.failures import DONE, CommandError, CommandParser

_EXAMPLES = """\
  irflow cache
  irflow cache --shrink 100M
  irflow cache --clear

The folder is that of IRFLOW_CACHE, which can also be `off`; entries that were not used for the
longest time are deleted by themselves once there are more than 512M.
"""
_UNITS = {"": 1, "k": 2**10, "M": 2**20, "G": 2**30}


def main(arguments: Sequence[str]) -> int:
    """Run the command; the exit code."""
    parser = CommandParser("cache", "Show or delete the compiled code kept on disk.", _EXAMPLES)
    parser.add_argument("--clear", action="store_true", help="delete all of it")
    parser.add_argument(
        "--shrink", metavar="SIZE", help="delete what was not used for the longest time"
    )
    parser.add_argument("--json", action="store_true", help="print the same for programs")
    request = parser.parse_args(arguments)
    place = folder()
    if request.clear or request.shrink is not None:
        limit = 0 if request.clear else _size(request.shrink)
        deleted = 0 if place is None else shrink(place, limit)
        note(f"deleted {deleted} entr{'y' if deleted == 1 else 'ies'}")
    _show(place, request.json)
    return DONE


def _size(text: str) -> int:
    match = re.fullmatch(r"(\d+)([kMG]?)", text)
    if match is None:
        raise CommandError(f"--shrink {text!r} is no size", hint="write it as 300k, 100M or 1G")
    return int(match[1]) * _UNITS[match[2]]


def _show(place: Path | None, as_json: bool) -> None:
    found = [] if place is None else entries(place)
    total = sum(entry.size for entry in found)
    if as_json:
        print_json(
            {
                "folder": None if place is None else str(place),
                "entries": len(found),
                "bytes": total,
                "limit": LIMIT,
            }
        )
        return
    if place is None:
        print("no compiled code is kept, since IRFLOW_CACHE is off")
        return
    print(f"{place}: {len(found)} entries, {total / 2**20:.1f} of at most {LIMIT / 2**20:.0f} MiB")
    if found:
        days = (time.time() - found[-1].used) / 86_400
        print(f"the oldest was last used {days:.1f} days ago")
