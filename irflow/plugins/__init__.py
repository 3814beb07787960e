"""Backends and passes as plugins: found by entry point, listed without importing, loaded when used.

`entries("irflow.backends")` reads the metadata of installed distributions only. Two plugins of one
name, or a plugin that does not load, are reported by `problems` and by `irflow doctor`; they are an
error only for who asks for them.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from irflow.backend import Backend
from irflow.errors import BackendUnavailableError, PluginError, nearest
from irflow.plugins.declared import Point, points
from irflow.records import dataclass
from irflow.transform import Pass

BACKENDS = "irflow.backends"
PASSES = "irflow.passes"


@dataclass(frozen=True, slots=True)
class Entry:
    """A plugin as its distribution declares it.

    Attributes:
        group: `BACKENDS` or `PASSES`.
        name: what users write.
        target: `module:Class`.
        distribution: which installed package declares it, with its version.
    """

    group: str
    name: str
    target: str
    distribution: str

    def load(self) -> type:
        """Import the class.

        Raises:
            PluginError: the import fails, or the class is not of the group's kind.
        """
        module, _, attribute = self.target.partition(":")
        try:
            found: object = importlib.import_module(module)
            for part in attribute.split("."):
                found = getattr(found, part)
        except (Exception, SystemExit) as error:  # a third party's module may raise anything
            raise self.broken(f"{type(error).__name__}: {error}") from error
        base = Backend if self.group == BACKENDS else Pass
        if not (isinstance(found, type) and issubclass(found, base)):
            raise self.broken(f"{self.target} is not a subclass of {base.__name__}")
        return found

    def broken(self, reason: str) -> PluginError:
        """The error that says where the plugin comes from and what is wrong with it."""
        return PluginError(
            f"plugin {self.name!r} of {self.group} cannot be loaded",
            facts=[("from", self.distribution), ("target", self.target), ("reason", reason)],
            hint="irflow doctor lists all plugins with their problems",
        )


_registered: dict[tuple[str, str], type] = {}


@cache
def _declared(group: str) -> dict[str, tuple[Entry, ...]]:
    found: dict[str, tuple[Entry, ...]] = {}
    for point in _points():
        entry = Entry(*point)
        if point.group == group and entry not in found.get(point.name, ()):
            found[point.name] = (*found.get(point.name, ()), entry)
    return {name: tuple(sorted(found[name], key=_own_first)) for name in sorted(found)}


# It looks at every installed distribution each time it is asked.
@cache
def _points() -> list[Point]:
    return points((BACKENDS, PASSES))


def _own_first(entry: Entry) -> tuple[bool, str]:
    return not entry.distribution.startswith("irflow "), entry.distribution


def entries(group: str) -> dict[str, Entry]:
    """All declared plugins of a group by name, without importing any; irflow's own win a clash."""
    return {name: candidates[0] for name, candidates in _declared(group).items()}


def names(group: str) -> list[str]:
    """All names that can be asked for, declared or registered in this process."""
    return sorted({*entries(group), *(name for kind, name in _registered if kind == group)})


def problems(*, load: bool = False) -> list[str]:
    """Clashes of names and, with `load`, plugins that cannot be imported; one sentence each."""
    found = []
    for group in (BACKENDS, PASSES):
        for name, candidates in _declared(group).items():
            if len(candidates) > 1:
                owners = ", ".join(entry.distribution for entry in candidates)
                found.append(f"{group}: {name!r} is declared by {owners}; the first is used")
            if load:
                found.extend(_load_problem(candidates[0]))
    return found


def _load_problem(entry: Entry) -> list[str]:
    try:
        entry.load()
        if entry.group == BACKENDS:
            unavailable(find_backend(entry.name))
    except PluginError as error:
        return [str(error)]
    return []


def _find(group: str, name: str, kind: str) -> type:
    if (group, name) in _registered:
        return _registered[group, name]
    entry = entries(group).get(name)
    if entry is None:
        raise nearest(name, names(group), kind)
    return entry.load()


@contextmanager
def registered(group: str, name: str, plugin: type) -> Iterator[None]:
    """Make a plugin known in this process for the length of a `with` block, as tests and notebooks
    do.
    """
    before = _registered.get((group, name))
    _registered[group, name] = plugin
    _backend.cache_clear()
    try:
        yield
    finally:
        del _registered[group, name]
        if before is not None:
            _registered[group, name] = before
        _backend.cache_clear()


def is_registered(group: str, name: str) -> bool:
    """Whether `registered` has made the plugin known."""
    return (group, name) in _registered


def find_pass(name: str) -> type[Pass]:
    """The pass class called `name`; UnknownNameError if there is none, PluginError if broken."""
    return _find(PASSES, name, "pass")


@cache
def _backend(name: str) -> Backend:
    found = _find(BACKENDS, name, "backend")
    try:
        backend: Backend = found()
    except Exception as error:
        raise _entry_of(name, found).broken(f"{type(error).__name__}: {error}") from error
    return backend


def _entry_of(name: str, made: type) -> Entry:
    """Where a backend comes from; one registered in this process has no distribution."""
    if (BACKENDS, name) not in _registered:
        return entries(BACKENDS)[name]
    return Entry(BACKENDS, name, f"{made.__module__}:{made.__qualname__}", "this process")


def unavailable(backend: Backend) -> str | None:
    """Why a backend cannot run here, None if it can; PluginError if it fails to answer."""
    try:
        return backend.available()
    except Exception as error:
        entry = _entry_of(backend.name, type(backend))
        raise entry.broken(f"available() raised {type(error).__name__}: {error}") from error


def find_backend(name: str) -> Backend:
    """The backend called `name`, whether or not it can run here."""
    return _backend(name)


def usable_backend(name: str) -> Backend:
    """The backend called `name`; BackendUnavailableError if it cannot run here."""
    backend = find_backend(name)
    reason = unavailable(backend)
    if reason is not None:
        raise BackendUnavailableError(
            f"backend {name!r} cannot run here", facts=[("reason", reason)]
        )
    return backend


def default_backend() -> Backend:
    """The available backend of the highest priority; broken ones are passed over."""
    candidates = []
    for name in names(BACKENDS):
        try:
            backend = find_backend(name)
            if unavailable(backend) is None:
                candidates.append(backend)
        except PluginError:
            continue
    if not candidates:
        raise BackendUnavailableError(
            "no backend is installed that can run here", hint="irflow doctor shows why"
        )
    return max(candidates, key=lambda backend: (backend.priority, backend.name))
