"""Packages whose names are loaded when they are first used (PEP 562)."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from irflow.errors import did_you_mean
from irflow.names import PLACES, unknown


def lazy(
    package: str, homes: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """`__getattr__`, `__dir__` and `__all__` of a package.

    Args:
        package: its `__name__`.
        homes: from a module to the names that it has; no names for a module that is itself a name.
            Modules are inside of the package, unless they begin with `irflow`.
    """
    places = {name: home for home, names in homes.items() for name in names}
    modules = [home for home, names in homes.items() if not names]

    def load(name: str) -> Any:
        if name in modules:
            return importlib.import_module(f"{package}.{name}")
        if name not in places:
            hint = did_you_mean(name, names)
            place = PLACES.get(f"{package}.{name}".removeprefix("irflow."))
            if place or not hint:
                raise unknown(package, name)
            raise AttributeError(f"module {package!r} has no attribute {name!r}: {hint}")
        home = places[name]
        module = home if home.split(".")[0] == "irflow" else f"{package}.{home}"
        found = getattr(importlib.import_module(module), name)
        setattr(sys.modules[package], name, found)
        return found

    names = sorted({*places, *modules})
    return load, lambda: names, names
