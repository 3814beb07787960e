"""The functions of `keras.ops`: those of `irflow.numpy` and `irflow.nn` with Keras's parameters.

On the places of a functional model a function becomes a part of the model.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

from irflow import control, errors, names, nn
from irflow import numpy as inp
from irflow.keras.engine.naming import auto_name
from irflow.keras.engine.symbolic import Operation, is_symbolic, record
from irflow.keras.ops import algebra, arrays, flow, neural
from irflow.keras.ops.parameters import LINES, adapted, line, named

_OWN = (arrays, neural, algebra, flow)
_CONTROL = ("fori_loop", "scan", "switch")
_PLAIN = frozenset({"convert_to_numpy", "convert_to_tensor", "dtype", "is_tensor", "shape"})
"""Functions that say something about a place in a model, rather than becoming a part of it."""


def _find(name: str) -> Callable[..., Any] | None:
    """The function of a name."""
    if name.startswith("_"):
        return None
    for module in _OWN:
        if _is_own(module, name):
            return _function(vars(module)[name])
    if name in LINES:
        home = line(name)[0]
        return adapted(name, getattr(nn, home, None) or getattr(inp, home))
    if name in _CONTROL:
        return _function(getattr(control, name))
    return _function(getattr(nn, name, None) or getattr(inp, name, None))


def _function(found: Any) -> Callable[..., Any] | None:
    return named(found) if callable(found) and not isinstance(found, type) else None


def _is_own(module: ModuleType, name: str) -> bool:
    """Whether a module defines a function, rather than importing it."""
    return getattr(vars(module).get(name), "__module__", None) == module.__name__


class Function(Operation):
    """A function of this module as an operation of a functional model.

    Args:
        function: its name.
        name: unique by default.
    """

    def __init__(self, function: str, name: str | None = None) -> None:
        super().__init__(name or auto_name(function))
        self.function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        run = _find(self.function)
        if run is None:
            raise errors.nearest(self.function, __dir__(), "function of keras.ops")
        return (
            record(self, run, args, kwargs) if is_symbolic(args, kwargs) else run(*args, **kwargs)
        )

    def get_config(self) -> dict[str, Any]:
        return {"function": self.function, "name": self.name}


@functools.cache
def _wrapped(name: str) -> Callable[..., Any] | None:
    function = _find(name)
    if function is None or name in _PLAIN:
        return function

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if is_symbolic(args, kwargs):
            return Function(name)(*args, **kwargs)
        return function(*args, **kwargs)

    return call


def __getattr__(name: str) -> Any:
    """A function when it is first used."""
    function = _wrapped(name)
    if function is None:
        raise names.unknown(__name__, name)
    return function


def __dir__() -> list[str]:
    own = {name for module in _OWN for name in vars(module) if _is_own(module, name)}
    known = {*dir(nn), *dir(inp), *own, *LINES, *_CONTROL}
    return sorted(name for name in known if _find(name) is not None)
