"""The entry points that installed distributions declare, read from their files.

`importlib.metadata` finds the same, but loads the parser of e-mail, archives and sockets for it, 50
modules in all. It is asked where distributions may be elsewhere than in folders.

Source: PyPA specifications, "Recording installed projects" and "Entry points".
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Collection, Iterator
from importlib.machinery import PathFinder
from typing import NamedTuple

_INFORMATION = (".dist-info", ".egg-info")
_RUNS = re.compile(r"[-_.]+")


class Point(NamedTuple):
    """An entry point.

    Attributes:
        group: of entry points.
        name: within the group.
        target: `module:object`.
        distribution: its name and version.
    """

    group: str
    name: str
    target: str
    distribution: str


def points(groups: Collection[str]) -> list[Point]:
    """All entry points of some groups; of two distributions of a name, those of the first."""
    return list((_in_folders if _are_in_folders() else _anywhere)(groups))


def _are_in_folders() -> bool:
    """Whether all distributions are unpacked, and nobody else knows of more."""
    others = [finder for finder in sys.meta_path if finder is not PathFinder]
    if any(hasattr(finder, "find_distributions") for finder in others):
        return False
    return not any(path.endswith(".egg") or os.path.isfile(path) for path in sys.path)


def _in_folders(groups: Collection[str]) -> Iterator[Point]:
    seen: set[str] = set()
    for place in sys.path:
        try:
            folders = sorted(
                name for name in os.listdir(place or ".") if name.endswith(_INFORMATION)
            )
        except OSError:
            continue
        for folder in folders:
            name = _RUNS.sub("_", folder.rpartition(".")[0].partition("-")[0]).lower()
            if name not in seen:
                seen.add(name)
                yield from _declared_in(os.path.join(place, folder), groups)


def _declared_in(folder: str, groups: Collection[str]) -> Iterator[Point]:
    label, group = "", ""
    for line in _lines(folder, "entry_points.txt"):
        if line.startswith("["):
            group = line.strip("[]")
        elif group in groups and "=" in line and not line.startswith("#"):
            label = label or _label(folder)
            name, _, target = line.partition("=")
            yield Point(group, name.strip(), target.strip(), label)


def _label(folder: str) -> str:
    name = "METADATA" if folder.endswith(_INFORMATION[0]) else "PKG-INFO"
    fields: dict[str, str] = {}
    for line in _lines(folder, name):
        key, colon, value = line.partition(":")
        if not colon:
            break  # the end of the head
        fields.setdefault(key, value.strip())
    return f"{fields.get('Name')} {fields.get('Version')}"


def _lines(folder: str, name: str) -> list[str]:
    """The lines of a file; none if there is no such file."""
    try:
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            return [line.strip() for line in file]
    except OSError:
        return []


def _anywhere(groups: Collection[str]) -> Iterator[Point]:
    from importlib.metadata import entry_points

    for group in groups:
        for point in entry_points(group=group):
            owner = point.dist
            label = f"{owner.name} {owner.version}" if owner else "unknown distribution"
            yield Point(group, point.name, point.value, label)
