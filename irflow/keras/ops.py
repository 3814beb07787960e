"""The functions of `keras.ops`: those of `irflow.numpy` and `irflow.nn`, also on KerasTensors.

Each takes what the function of this name there takes, which is what Keras takes; on the places of a
functional model it becomes a part of the model.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from irflow import control, errors, nn
from irflow import numpy as inp
from irflow.frontend import as_tensor, asarray, derivatives
from irflow.keras.engine.inference import shape_of
from irflow.keras.engine.naming import auto_name
from irflow.keras.engine.symbolic import KerasTensor, Operation, is_symbolic, record


def _cast(x: Any, dtype: Any) -> Any:
    """The elements in another type."""
    return as_tensor(x).astype(dtype)


def convert_to_tensor(x: Any, dtype: Any = None) -> Any:
    """An array-like as a tensor."""
    return asarray(x, dtype)


def convert_to_numpy(x: Any) -> np.ndarray:
    """A tensor as an array."""
    return np.asarray(x)


def shape(x: Any) -> tuple[Any, ...]:
    """The sizes; None for those of a functional model that are not known."""
    return shape_of(x) if isinstance(x, KerasTensor) else tuple(as_tensor(x).shape)


def _constant(variable: Any) -> Any:
    """The value, with a derivative of zero."""
    return derivatives.stop_gradient(as_tensor(variable))


_OWN: dict[str, Callable[..., Any]] = {"cast": _cast, "stop_gradient": _constant}
_CONTROL = ("cond", "fori_loop", "scan", "switch", "while_loop")


def _find(name: str) -> Callable[..., Any] | None:
    """The function of a name."""
    if name.startswith("_"):
        return None
    if name in _OWN:
        return _OWN[name]
    if name in _CONTROL:
        found = getattr(control, name)
    else:
        found = getattr(nn, name, None) or getattr(inp, name, None)
    return found if callable(found) and not isinstance(found, type) else None


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
            raise errors.nearest(self.function, dir(inp), "function of keras.ops")
        return (
            record(self, run, args, kwargs) if is_symbolic(args, kwargs) else run(*args, **kwargs)
        )

    def get_config(self) -> dict[str, Any]:
        return {"function": self.function, "name": self.name}


@functools.cache
def _wrapped(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if is_symbolic(args, kwargs):
            return Function(name)(*args, **kwargs)
        return function(*args, **kwargs)

    return call


def __getattr__(name: str) -> Any:
    """A function when it is first used."""
    function = _find(name)
    if function is None:
        raise AttributeError(f"module 'irflow.keras.ops' has no attribute {name!r}")
    return _wrapped(name, function)


def __dir__() -> list[str]:
    names = {
        *dir(nn),
        *dir(inp),
        *_OWN,
        *_CONTROL,
        "convert_to_tensor",
        "convert_to_numpy",
        "shape",
    }
    return sorted(name for name in names if not name.startswith("_"))
