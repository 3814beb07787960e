"""Whole compilations on disk: which have a name there, and what it is made of.

The name is a hash of everything that the result depends on, so that an entry is never out of date:
it is not found any more.
"""

from __future__ import annotations

import json
import os
import re
import sys
from functools import cache

from irflow import log, plugins
from irflow.backend import Backend, CompileOptions
from irflow.backend.cache import is_usable, name_of
from irflow.compiler.content import content_of
from irflow.ir.graph import Graph
from irflow.plugins.sources import state_of, version_of

_WATCHED = ("graph", "passes", "fusion", "kernels", "source")
_LIBRARIES = ("numpy", "ml_dtypes", "networkx")
_WORD = re.compile(r"[A-Za-z_][\w.-]*")


def name_for(graph: Graph, backend: Backend, pipeline: str, options: CompileOptions) -> str | None:
    """The name of the entry for a compilation; None if it is not to be kept.

    That is where someone watches the compilation (`IRFLOW_CHECK`, `IRFLOW_DUMP`, some logs), where
    the backend keeps nothing, and where it is unknown what code takes part: ops, rows, passes or a
    backend that were made in this process, and sources that changed since irflow was loaded.
    """
    if is_watched() or not is_usable():
        return None
    packages = _packages(backend, pipeline)
    sources = None if packages is None else _state(packages)
    fingerprint = backend.fingerprint() if sources is not None else None
    text = content_of(graph)
    if sources is None or fingerprint is None or text is None:
        return None
    settings = [backend.name, pipeline, repr(options), repr(backend.target()), *fingerprint]
    return name_of(("program", sources, *_versions(), json.dumps(settings), text))


def is_watched() -> bool:
    """Whether the compilation itself is of interest."""
    names = ("IRFLOW_CHECK", "IRFLOW_DUMP")
    is_asked = any(os.environ.get(name, "0") not in ("", "0") for name in names)
    return is_asked or any(map(log.is_on, _WATCHED))


def is_unchanged(backend: Backend, pipeline: str) -> bool:
    """Whether all sources are still as they were when they were looked at first."""
    packages = _packages(backend, pipeline)
    return packages is not None and _state(packages) == state_of(packages)


@cache
def _state(packages: frozenset[str]) -> str | None:
    return state_of(packages)


def _packages(backend: Backend, pipeline: str) -> frozenset[str] | None:
    """The packages whose code may take part: those of all plugins, as they may use each other.

    None if the backend or a pass is none of an installed plugin.
    """
    passes = plugins.names(plugins.PASSES)
    used = [(plugins.PASSES, word) for word in _WORD.findall(pipeline) if word in passes]
    used.append((plugins.BACKENDS, backend.name))
    if any(plugins.is_registered(group, name) for group, name in used):
        return None
    groups = (plugins.entries(plugins.BACKENDS), plugins.entries(plugins.PASSES))
    targets = [entry.target for entries in groups for entry in entries.values()]
    packages = {"irflow", *(re.split("[.:]", target)[0] for target in targets)}
    is_installed = type(backend).__module__.partition(".")[0] in packages
    return frozenset(packages) if is_installed else None


@cache
def _versions() -> tuple[str, ...]:
    return sys.version, *map(version_of, _LIBRARIES)
