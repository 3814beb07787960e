"""Dataclasses that cost little until they are used: `dataclass` of the standard library, but lazy.

That one writes the text of half a dozen methods for every class and compiles each, which took two
fifths of the time to import irflow. Here a method is written when it is first looked up. All else
is the same, and type checkers see the decorator of the standard library: dataclasses of either kind
may be derived from the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError, fields
from functools import partial
from reprlib import recursive_repr
from types import FunctionType, MemberDescriptorType
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

Method = Callable[..., Any]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    import dataclasses

    def dataclass(cls=None, /, *, frozen=False, eq=True, slots=False, unsafe_hash=False):
        """The decorator of this name in `dataclasses`, with those of its options that are used."""

        def make(cls: type) -> type:
            fixed = frozen and _has_frozen_base(cls)
            made = dataclasses.dataclass(
                init=False, repr=False, eq=False, frozen=fixed, slots=slots
            )(cls)
            made.__dataclass_params__.frozen = frozen
            methods = {
                "__init__": _Unwritten(made, partial(_constructor, is_frozen=frozen)),
                "__repr__": _represent,
            }
            if eq:
                methods["__eq__"] = _Unwritten(made, _equality)
                methods["__hash__"] = _Unwritten(made, _hash) if frozen or unsafe_hash else None
            if frozen:
                methods |= _refusals(made)
            if frozen and slots:
                methods |= {"__getstate__": _state, "__setstate__": _set_state}
            for name, method in methods.items():
                if vars(cls).get(name) is None:
                    setattr(made, name, method)
            return made

        return make if cls is None else make(cls)


def _has_frozen_base(cls: type) -> bool:
    """Whether the standard library wants a class to be frozen, and then writes two methods."""
    found = [getattr(base, "__dataclass_params__", None) for base in cls.__bases__]
    return any(parameters is not None and parameters.frozen for parameters in found)


class _Unwritten:
    """A method of a class until someone looks it up, who gets it written."""

    def __init__(self, owner: type, write: Callable[[type], FunctionType]) -> None:
        self.owner = owner
        self.write = write

    def __get__(self, instance: object, cls: type) -> Method:
        written = self.write(self.owner)
        setattr(self.owner, written.__name__, written)
        method: Method = written.__get__(instance, cls)
        return method


def _compiled(cls: type, head: str, lines: list[str], scope: dict[str, Any]) -> FunctionType:
    """The method of a class that has this text."""
    scope["__name__"] = cls.__module__
    exec("\n ".join([f"def {head}:", *lines]), scope)
    method: FunctionType = scope[head.partition("(")[0]]
    method.__qualname__ = f"{cls.__qualname__}.{method.__name__}"
    return method


# ------------------------------------------------------------------------------------- constructors


def _constructor(cls: type[Any], is_frozen: bool) -> FunctionType:
    members = fields(cls)
    scope: dict[str, Any] = {"_MISSING": MISSING}
    parameters, lines = ["self"], ["pass"]
    for field in members:
        name, value = field.name, _value(cls, field)
        scope[f"_default_{name}"], scope[f"_make_{name}"] = field.default, field.default_factory
        scope[f"_set_{name}"] = getattr(getattr(cls, name, None), "__set__", None)
        if field.init:
            parameters.append(_parameter(field))
        if value is not None:
            lines.append(_assignment(cls, name, is_frozen) % value)
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    method = _compiled(cls, f"__init__({', '.join(parameters)})", lines, scope)
    method.__annotations__ = {f.name: f.type for f in members if f.init} | {"return": None}
    return method


def _parameter(field: Field[Any]) -> str:
    if field.default_factory is not MISSING:
        return f"{field.name}=_MISSING"
    return field.name if field.default is MISSING else f"{field.name}=_default_{field.name}"


def _is_slot(cls: type, name: str) -> bool:
    return isinstance(getattr(cls, name, None), MemberDescriptorType)


def _value(cls: type, field: Field[Any]) -> str | None:
    """What the constructor sets a field to; None where the class or nobody has a value."""
    name = field.name
    if field.default_factory is not MISSING:
        made = f"_make_{name}()"
        return f"{made} if {name} is _MISSING else {name}" if field.init else made
    if field.init:
        return name
    has_value = field.default is not MISSING and _is_slot(cls, name)
    return f"_default_{name}" if has_value else None


def _assignment(cls: type, name: str, is_frozen: bool) -> str:
    """How a field is set, the value left open; of a frozen class past its `__setattr__`."""
    if not is_frozen:
        return f"self.{name} = %s"
    if _is_slot(cls, name):
        return f"_set_{name}(self, %s)"
    return f"self.__dict__[{name!r}] = %s"


# ----------------------------------------------------------------------------------- other methods


def _equality(cls: type[Any]) -> FunctionType:
    names = [field.name for field in fields(cls) if field.compare]
    lines = [
        "if other.__class__ is not self.__class__:",
        "    return NotImplemented",
        f"return {_values('self', names)} == {_values('other', names)}",
    ]
    return _compiled(cls, "__eq__(self, other)", lines, {})


def _hash(cls: type[Any]) -> FunctionType:
    chosen = [(f.name, f.compare if f.hash is None else f.hash) for f in fields(cls)]
    names = [name for name, is_hashed in chosen if is_hashed]
    return _compiled(cls, "__hash__(self)", [f"return hash({_values('self', names)})"], {})


def _values(owner: str, names: list[str]) -> str:
    """The text of a tuple of fields."""
    return f"({''.join(f'{owner}.{name}, ' for name in names)})"


def _refusals(cls: type[Any]) -> dict[str, Method]:
    """What keeps the fields of a frozen class as they are; subclasses may have attributes."""
    names = {field.name for field in fields(cls)}

    def refuse(instance: object, name: str, what: str) -> None:
        if type(instance) is cls or name in names:
            raise FrozenInstanceError(f"cannot {what} field {name!r}")

    def assign(self: Any, name: str, value: object) -> None:
        refuse(self, name, "assign to")
        super(cls, self).__setattr__(name, value)

    def delete(self: Any, name: str) -> None:
        refuse(self, name, "delete")
        super(cls, self).__delattr__(name)

    return {"__setattr__": assign, "__delattr__": delete}


@recursive_repr()
def _represent(self: Any) -> str:
    shown = [f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if f.repr]
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _state(self: Any) -> list[object]:
    return [getattr(self, field.name) for field in fields(self)]


def _set_state(self: Any, state: list[object]) -> None:
    for field, value in zip(fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)
