"""The arguments of a call, parted into tensors, which are traced, and static Python values."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from irflow import tree
from irflow.errors import UsageError, nearest
from irflow.records import dataclass


@dataclass(frozen=True, eq=False, slots=True)
class Instance:
    """The `self` of a method: static, the same only as itself."""

    target: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Instance) and self.target is other.target

    def __hash__(self) -> int:
        return id(self.target)


class Call(NamedTuple):
    """One call.

    Attributes:
        dynamic: `(args, kwargs)` with None in the places of static positional arguments.
        statics: names and values of the static ones.
    """

    dynamic: tuple[tuple[Any, ...], dict[str, Any]]
    statics: tuple[tuple[str, Any], ...]


class Parameters:
    """The parameters of a function, and which of them are static.

    Args:
        function: any callable; one without a readable signature has no names.
        static: names of static arguments.
    """

    def __init__(self, function: Callable[..., Any], static: frozenset[str]) -> None:
        self.static = static
        self.names = positional_names(function)

    def name(self, position: int) -> str:
        """What a positional argument is called."""
        return self.names[position] if position < len(self.names) else f"args[{position}]"

    def split(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        """Part the arguments; keywords that continue the positional ones are made positional."""
        while kwargs and len(args) < len(self.names) and self.names[len(args)] in kwargs:
            name = self.names[len(args)]
            args = (*args, kwargs[name])
            kwargs = {key: value for key, value in kwargs.items() if key != name}
        if not self.static and not (args and type(args[0]) is Instance):
            return Call((args, kwargs), ())
        is_static = [self.is_static(i, value) for i, value in enumerate(args)]
        fixed = [(self.name(i), args[i]) for i, static in enumerate(is_static) if static]
        fixed += [(name, kwargs[name]) for name in sorted(kwargs) if name in self.static]
        remaining = tuple(
            None if static else value for value, static in zip(args, is_static, strict=True)
        )
        keywords = {name: value for name, value in kwargs.items() if name not in self.static}
        return Call((remaining, keywords), tuple(fixed))

    def is_static(self, position: int, value: Any) -> bool:
        """Whether a positional argument is static."""
        return self.name(position) in self.static or type(value) is Instance

    def join(
        self, dynamic: tuple[Sequence[Any], dict[str, Any]], statics: Sequence[tuple[str, Any]]
    ) -> tuple[list[Any], dict[str, Any]]:
        """The arguments of the function, with the static values put in again."""
        args, kwargs = list(dynamic[0]), dict(dynamic[1])
        names = [self.name(i) for i in range(len(args))]
        for name, value in statics:
            target = value.target if type(value) is Instance else value
            if name in names:
                args[names.index(name)] = target
            else:
                kwargs[name] = target
        return args, kwargs

    def hints(self, structure: tree.Structure) -> list[str]:
        """A readable name for each leaf of the dynamic arguments: `x`, `params['w']`."""
        return [path for name, child in self._children(structure) for path in child.paths(name)]

    def leaf_names(self, structure: tree.Structure) -> list[str]:
        """The argument that each leaf belongs to."""
        return [name for name, child in self._children(structure) for _ in range(child.leaf_count)]

    def _children(self, structure: tree.Structure) -> list[tuple[str, tree.Structure]]:
        positional, keyword = structure.children
        named = [(self.name(i), child) for i, child in enumerate(positional.children)]
        return [*named, *zip(keyword.keys, keyword.children, strict=True)]


def positional_names(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names of the parameters that take positional arguments."""
    return tuple(
        p.name
        for p in _parameters(function)
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    )


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return []


def chosen_names(
    function: Callable[..., Any], numbers: int | Sequence[int], names: str | Sequence[str]
) -> frozenset[str]:
    """The names of parameters given by number or by name.

    Raises:
        UsageError: there is no parameter of a number.
        UnknownNameError: there is none of a name.
    """
    positions = positional_names(function)
    chosen = [names] if isinstance(names, str) else list(names)
    known = [p.name for p in _parameters(function)]
    takes_any = not known or any(p.kind is p.VAR_KEYWORD for p in _parameters(function))
    for name in chosen:
        if name not in known and not takes_any:
            raise nearest(name, known, "parameter")
    for number in [numbers] if isinstance(numbers, int) else numbers:
        if not -len(positions) <= number < len(positions):
            raise UsageError(
                f"argument {number} of a function with {len(positions)} positional arguments"
            )
        chosen.append(positions[number])
    return frozenset(chosen)
