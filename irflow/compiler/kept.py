"""Whole compilations on disk: which have a name there, and what it is made of.

The name is a hash of everything that the result depends on, so that an entry is never out of date:
it is not found any more.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
from collections.abc import Iterator, Sequence
from functools import cache

from irflow import log, plugins
from irflow.backend import Backend, CompileOptions
from irflow.backend.cache import is_usable, name_of
from irflow.ir.attributes import DenseArray
from irflow.ir.graph import Graph
from irflow.ir.op import OPS, Op, fields_of
from irflow.ir.print import graph_lines
from irflow.ops.constants import Constant
from irflow.plugins.sources import state_of, version_of
from irflow.scalars import OWN, Scalar

_WATCHED = ("graph", "passes", "fusion", "kernels", "source")
_LIBRARIES = ("numpy", "ml_dtypes", "networkx")
LARGE = 2**20
"""Constants of so many bytes are hashed on two threads."""

_WORD = re.compile(r"[A-Za-z_][\w.-]*")


def name_for(graph: Graph, backend: Backend, pipeline: str, options: CompileOptions) -> str | None:
    """The name of the entry for a compilation; None if it is not to be kept.

    That is where someone watches the compilation (`IRFLOW_CHECK`, `IRFLOW_DUMP`, some logs), where
    the backend keeps nothing, and where it is unknown what code takes part: ops, rows, passes or a
    backend that were made in this process, and sources that changed since irflow was loaded.
    """
    if is_watched() or not is_usable() or not _is_own(graph):
        return None
    packages = _packages(backend, pipeline)
    sources = None if packages is None else _state(packages)
    fingerprint = backend.fingerprint() if sources is not None else None
    text = _text(graph)
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


def _text(graph: Graph) -> str | None:
    """The graph with a hash for each constant; None if something in it has no text."""
    _hash_constants(graph)
    text = "\n".join(line.text for line in graph_lines(graph, array=_digest))
    return None if "?" in text else text


def _hash_constants(graph: Graph) -> None:
    """Compute the digests of large constants on two threads: hashing needs no lock of Python's."""
    found = [node.op.value for node in graph if isinstance(node.op, Constant)]
    large = sorted((a for a in found if a.nbytes >= LARGE), key=lambda a: a.nbytes)
    if len(large) > 1:
        helper = threading.Thread(target=_hash, args=(large[::2],))
        helper.start()
        _hash(large[1::2])
        helper.join()


def _hash(arrays: Sequence[DenseArray]) -> None:
    for array in arrays:
        _ = array.digest


def _digest(array: DenseArray) -> str:
    return f"sha256({array.digest})"


def _is_own(graph: Graph) -> bool:
    """Whether all ops and rows are those of irflow, whose sources are looked at."""
    return all(_is_own_op(op) for op in _ops(graph))


def _is_own_op(op: Op) -> bool:
    cls = type(op)
    if OPS.get(cls.name) is not cls or not cls.__module__.startswith("irflow."):
        return False
    values = [getattr(op, name) for name in fields_of(cls)]
    return all(OWN.get(value.name) is value for value in values if isinstance(value, Scalar))


def _ops(graph: Graph) -> Iterator[Op]:
    for node in graph:
        yield node.op
        for region in node.regions:
            yield from _ops(region)
