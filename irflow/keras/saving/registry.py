"""Configs of objects, and which classes and functions may be made from them.

A config is JSON: `{"module", "class_name", "config", "registered_name"}`. Loading executes nothing
but the `from_config` of classes that irflow has, that are registered, or that are passed.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Callable
from types import TracebackType
from typing import Any

import numpy as np

from irflow.errors import UnknownNameError, UsageError
from irflow.frontend import Tensor
from irflow.keras.dtype_policies import DTypePolicy

_registered: dict[str, Any] = {}
_names: dict[Any, str] = {}
_scopes: list[dict[str, Any]] = []

_PACKAGES = (
    "layers",
    "models",
    "initializers",
    "regularizers",
    "constraints",
    "activations",
    "losses",
    "metrics",
    "optimizers",
    "optimizers.schedules",
)


def register_keras_serializable(
    package: str = "Custom", name: str | None = None
) -> Callable[[Any], Any]:
    """A decorator for classes and functions that saved models may refer to.

    Args:
        package: stands in front of the name, so that names of several libraries do not clash.
        name: instead of that of the class or function.

    Raises:
        UsageError: a class without `get_config`.
    """

    def register(target: Any) -> Any:
        if inspect.isclass(target) and not hasattr(target, "get_config"):
            raise UsageError(f"{target.__name__} has no get_config, so it cannot be saved")
        registered = f"{package}>{name or target.__name__}"
        _registered[registered] = target
        _names[target] = registered
        return target

    return register


def get_custom_objects() -> dict[str, Any]:
    """The registered classes and functions by name; what is put in here can be loaded."""
    return _registered


def get_registered_name(target: Any) -> str:
    """The name that a class or function was registered by, else its own."""
    try:
        found = _names.get(target)
    except TypeError:  # a callable that cannot be hashed
        found = None
    return found or str(getattr(target, "__name__", type(target).__name__))


def get_registered_object(
    name: str,
    custom_objects: dict[str, Any] | None = None,
    module_objects: dict[str, Any] | None = None,
) -> Any:
    """What is registered by a name, None if nothing is."""
    for known in (custom_objects or {}, *reversed(_scopes), _registered, module_objects or {}):
        if name in known:
            return known[name]
        custom = f"Custom>{name}"
        if custom in known:
            return known[custom]
    return None


class CustomObjectScope:
    """Classes and functions that can be loaded by name inside a `with` block.

    Args:
        custom_objects: from names to classes and functions.
    """

    def __init__(self, custom_objects: dict[str, Any]) -> None:
        self.custom_objects = dict(custom_objects or {})

    def __enter__(self) -> CustomObjectScope:
        _scopes.append(self.custom_objects)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _scopes.pop()


custom_object_scope = CustomObjectScope


def serialize_keras_object(value: Any) -> Any:
    """The config of an object, or of nested lists and dicts of them, as JSON can hold it.

    Raises:
        UsageError: an object has no config.
    """
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, (np.generic, np.ndarray, Tensor)):
        return _serialize_array(value)
    if isinstance(value, tuple):
        return {"class_name": "__tuple__", "items": [serialize_keras_object(v) for v in value]}
    if isinstance(value, slice):
        bounds = [value.start, value.stop, value.step]
        return {"class_name": "__slice__", "config": serialize_keras_object(bounds)}
    if value is Ellipsis:
        return {"class_name": "__ellipsis__", "config": None}
    if isinstance(value, list):
        return [serialize_keras_object(v) for v in value]
    if isinstance(value, dict):
        return {key: serialize_keras_object(v) for key, v in value.items()}
    if isinstance(value, DTypePolicy):
        return value.name
    if inspect.isfunction(value) or inspect.isclass(value):
        return _serialize_function(value)
    if hasattr(value, "get_config"):
        return _serialize_object(value)
    raise UsageError(
        f"an object of class {type(value).__name__} cannot be saved",
        hint="give its class get_config, and register it",
    )


def _serialize_array(value: Any) -> Any:
    array = np.asarray(value)
    if array.ndim == 0:
        return array.item()
    return {
        "class_name": "__array__",
        "config": {"value": array.tolist(), "dtype": str(array.dtype)},
    }


def _serialize_function(value: Any) -> Any:
    name = get_registered_name(value)
    if name == "<lambda>":
        raise UsageError("a lambda cannot be saved", hint="define and register a function")
    return {
        "module": _public_module(value),
        "class_name": "function",
        "config": value.__name__,
        "registered_name": name,
    }


def _serialize_object(value: Any) -> dict[str, Any]:
    cls = type(value)
    config = {
        "module": _public_module(cls),
        "class_name": cls.__name__,
        "config": {k: serialize_keras_object(v) for k, v in value.get_config().items()},
        "registered_name": _names.get(cls),
    }
    shape = getattr(value, "_build_shape", None)
    if shape is not None:
        config["build_config"] = serialize_keras_object({"input_shape": shape})
    return config


def _public_module(target: Any) -> str | None:
    """`"keras.layers"` for `irflow.keras.layers.dense`; None for what is not irflow's."""
    parts = target.__module__.split(".")
    if parts[:2] != ["irflow", "keras"]:
        return None
    depth = 4 if parts[2:4] == ["optimizers", "schedules"] else 3
    return ".".join(parts[1:depth])


def deserialize_keras_object(
    config: Any, custom_objects: dict[str, Any] | None = None, safe_mode: bool = True
) -> Any:
    """The object, or the nested objects, that `serialize_keras_object` described.

    Args:
        config: of it.
        custom_objects: classes and functions by name, besides those that are registered.
        safe_mode: True; there is no other mode, as nothing of a file is executed.

    Raises:
        UsageError: `safe_mode` is off.
        UnknownNameError: a class or function is neither irflow's, nor registered, nor passed.
    """
    if not safe_mode:
        raise UsageError("nothing of a config is executed, so safe_mode cannot be switched off")
    if custom_objects:
        with CustomObjectScope(custom_objects):
            return _deserialize(config)
    return _deserialize(config)


def _deserialize(config: Any) -> Any:
    if isinstance(config, list):
        return [_deserialize(item) for item in config]
    if not isinstance(config, dict):
        return config
    name = config.get("class_name")
    if name is None or not ("config" in config or "items" in config):
        return {key: _deserialize(value) for key, value in config.items()}
    if name == "__tuple__":
        return tuple(_deserialize(item) for item in config["items"])
    if name == "__slice__":
        return slice(*map(_deserialize, config["config"]))
    if name == "__ellipsis__":
        return ...
    if name == "__array__":
        return np.array(config["config"]["value"], config["config"]["dtype"])
    if name == "function":
        return _find(config["config"], config)
    cls = _find(name, config)
    if not hasattr(cls, "from_config"):
        raise UsageError(f"{name} cannot be made from a config: it has no from_config")
    made = cls.from_config(_arguments(cls, config["config"]))
    shape = config.get("build_config")
    if shape and not getattr(made, "built", True) and hasattr(made, "build_from_config"):
        made.build_from_config(_deserialize(shape))
    return made


def _arguments(cls: Any, config: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `from_config`; models make their layers from the configs themselves."""
    if getattr(cls, "_takes_raw_config", False) and "layers" in config:
        return config
    return {
        key: _deserialize(value) if _is_object(value) else _plain(value)
        for key, value in config.items()
    }


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and "class_name" in value


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_deserialize(item) for item in value]
    if isinstance(value, dict):
        return {
            key: _plain(item) if not _is_object(item) else _deserialize(item)
            for key, item in value.items()
        }
    return value


def _find(name: str, config: dict[str, Any]) -> Any:
    """The class or function of a name."""
    for candidate in (config.get("registered_name"), name):
        found = None if candidate is None else get_registered_object(candidate)
        if found is not None:
            return found
    module = config.get("module")
    homes = [str(module).removeprefix("keras.")] if module else []
    known: list[str] = []
    for home in dict.fromkeys([*(h for h in homes if h in _PACKAGES), *_PACKAGES]):
        package = _package(home)
        names = getattr(package, "__all__", ())
        known.extend(names)
        if name in names:
            return getattr(package, name)
    close = difflib.get_close_matches(name, [*dict.fromkeys(known), *_registered], n=3)
    raise UnknownNameError(
        f"{name} is neither a class of irflow.keras nor registered",
        facts=[("nearest", ", ".join(close))] if close else [],
        hint="register it with register_keras_serializable, or pass it in custom_objects",
    )


def _package(home: str) -> Any:
    try:
        return importlib.import_module(f"irflow.keras.{home}")
    except ModuleNotFoundError:
        return None
