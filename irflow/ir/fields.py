"""Attribute values read from text, matched to the fields of an op class.

The values are held against the annotations of the fields, so that a text never makes an op whose
attributes have types that its methods do not expect.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Sequence
from functools import cache
from typing import Any, Literal

from irflow.errors import TextError, nearest
from irflow.ir.attributes import Attribute
from irflow.ir.op import Op
from irflow.ir.print import format_attribute
from irflow.records import dataclass


@dataclass(frozen=True, slots=True)
class Argument:
    """One attribute as written: `name` is empty for the positional one."""

    name: str
    value: Attribute
    position: int


class FieldError(TextError):
    """An argument that does not fit the op; `position` tells where it stands in the text."""

    def __init__(self, problem: str, position: int, hint: str | None = None) -> None:
        super().__init__(problem, hint=hint)
        self.position = position


def match_fields(cls: type[Op], arguments: Sequence[Argument], end: int) -> dict[str, Attribute]:
    """The values of the fields of `cls`.

    Args:
        cls: a registered op class.
        arguments: what stands between `<` and `>`; only the first may be positional.
        end: the position to report for a field without a value.

    Raises:
        FieldError: an argument is unknown, given twice or of the wrong kind, or one is missing.
    """
    fields = [field for field in dataclasses.fields(cls) if field.init]  # type: ignore[arg-type]
    names = [field.name for field in fields]
    values: dict[str, Attribute] = {}
    for number, argument in enumerate(arguments):
        name = _field_name(cls, argument, number, names)
        if name in values:
            raise FieldError(f"{cls.name}: {name} is given twice", argument.position)
        values[name] = _checked(cls, name, argument)
    for field in fields:
        if field.name not in values and _is_required(field):
            raise FieldError(f"{cls.name}: attribute {field.name} is missing", end)
    return values


def _field_name(cls: type[Op], argument: Argument, number: int, names: Sequence[str]) -> str:
    if not argument.name and number:
        raise FieldError(
            f"{cls.name}: only the first attribute goes without a name", argument.position
        )
    if not argument.name and not names:
        raise FieldError(f"{cls.name} takes no attributes", argument.position)
    name = argument.name or names[0]
    if name not in names:
        error = nearest(name, names, f"attribute of {cls.name}")
        raise FieldError(error.summary, argument.position, error.hint)
    return name


def _checked(cls: type[Op], name: str, argument: Argument) -> Attribute:
    owner: type = cls
    annotation = _annotations(owner).get(name, Any)
    try:
        return _fit(argument.value, annotation)
    except ValueError:
        expected, found = annotation_text(cls, name), format_attribute(argument.value)[:60]
        raise FieldError(
            f"{cls.name}: {name} must be {expected}, not {found}", argument.position
        ) from None


def _is_required(field: dataclasses.Field[object]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


@cache
def _annotations(cls: type) -> dict[str, Any]:
    """The types of the fields; none where an annotation names what exists for checkers only."""
    try:
        return typing.get_type_hints(cls)
    except (NameError, AttributeError, TypeError):
        return {}


def annotation_text(cls: type[Op], name: str) -> str:
    """The annotation of a field as written: of the first one when `name` is empty, "" for none."""
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]
    found = next((field.type for field in fields if name in ("", field.name)), "")
    return found.__name__ if isinstance(found, type) else str(found)


def _fit(value: Attribute, annotation: Any) -> Attribute:
    """`value`, an int as a float where a float belongs; ValueError when it does not fit.

    An annotation of a kind that is not known here accepts everything.
    """
    origin, choices = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is tuple:
        return _fit_tuple(value, choices)
    if origin is Literal:
        return _require(value, any(type(value) is type(c) and value == c for c in choices))
    if origin in (typing.Union, types.UnionType):
        return _fit_union(value, choices)
    if annotation is None:
        return _require(value, value is None)
    if annotation is Any or not isinstance(annotation, type):
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if annotation is float:
        return float(_require(value, is_number))
    if annotation is int:
        return _require(value, is_number and isinstance(value, int))
    return _require(value, isinstance(value, annotation))


def _fit_tuple(value: Attribute, items: tuple[Any, ...]) -> Attribute:
    _require(value, isinstance(value, tuple))
    if len(items) == 2 and items[1] is Ellipsis:
        return tuple(_fit(item, items[0]) for item in value)
    _require(value, len(value) == len(items))
    return tuple(_fit(item, annotation) for item, annotation in zip(value, items, strict=True))


def _fit_union(value: Attribute, choices: tuple[Any, ...]) -> Attribute:
    """An int stays an int where both `int` and `float` may stand."""
    if any(choice is type(value) for choice in choices):
        return value
    for choice in choices:
        try:
            return _fit(value, choice)
        except ValueError:
            continue
    raise ValueError


def _require(value: Attribute, holds: bool) -> Attribute:
    if not holds:
        raise ValueError
    return value
