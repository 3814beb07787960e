"""The state of the source files of packages, without reading them.

Whoever keeps what code has computed must notice when that code changes. A file is told by its
path, size, and the times of its last change, of which the system keeps one that no program can set.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import find_spec

from irflow import errors

MARGIN = 2_000_000_000
"""Nanoseconds: the clock of a file system may be late by some of them."""


def state_of(packages: Iterable[str]) -> str | None:
    """All files of packages as text, to be compared.

    Args:
        packages: names without dots.

    Returns:
        None if a file changed after irflow was loaded, or right before: it is unknown then which
        state of it runs in this process.
    """
    lines: list[str] = []
    for package in sorted(set(packages)):
        lines.append(package)
        for place in _places(package):
            try:
                files = list(_files(place))
            except OSError:
                return None
            for path, status in sorted(files, key=lambda file: file[0]):
                changed = status.st_mtime_ns, status.st_ctime_ns
                if max(changed) > errors.LOADED_AT - MARGIN:
                    return None
                lines.append(f"{path} {status.st_size} {changed} {status.st_ino}")
    return "\n".join(lines)


def version_of(package: str) -> str:
    """What tells one installation of a library from another: where it is, and when it came."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return f"no {package}"
    status = os.stat(spec.origin)
    return f"{spec.origin} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


@cache
def _places(package: str) -> tuple[str, ...]:
    """The folders of a package, or the file of a module."""
    module = sys.modules.get(package)
    spec = module.__spec__ if module is not None else find_spec(package)
    if spec is None:
        return ()
    if spec.submodule_search_locations is not None:
        return tuple(spec.submodule_search_locations)
    return (spec.origin,) if spec.origin and os.path.isfile(spec.origin) else ()


def _files(place: str) -> Iterator[tuple[str, os.stat_result]]:
    """All files under a folder but for Python's byte code; a file is its own."""
    if not os.path.isdir(place):
        yield place, os.stat(place)
        return
    pending = [place]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if not entry.is_dir():
                    yield entry.path, entry.stat()
                elif entry.name != "__pycache__":
                    pending.append(entry.path)
