"""What a jitted function is compiled for, and why it is compiled once more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from irflow import dims, tree
from irflow.errors import UsageError
from irflow.ir import TensorType


class Key(NamedTuple):
    """What a specialisation is made for."""

    structure: tree.Structure
    types: tuple[TensorType, ...]
    weak: tuple[bool, ...]
    statics: tuple[tuple[str, Any], ...]
    backend: str | None


def reason_for(
    name: str, key: Key, last: Key | None, hints: Sequence[str], remark: str = ""
) -> str:
    """One line that says what is new about a specialisation, against the last one.

    Args:
        name: of the function.
        key: the new specialisation.
        last: the one before, None for the first.
        hints: the names of the argument leaves.
        remark: more to say at the end.
    """
    ending = f"; {remark}" * bool(remark)
    shape = [size for type in key.types for size in type.shape]
    sizes = ", ".join(map(dims.format_constraint, dims.shape_symbols(shape)))
    purpose = f" for all {sizes}" * bool(sizes)
    if last is None:
        return f"{name}: first compilation{purpose}{ending}"
    if key.structure != last.structure:
        also = f" and{purpose}" * bool(purpose)
        return f"{name}: compiled again for another structure of the arguments{also}{ending}"
    changes = []
    before, now = (zip(k.types, k.weak, strict=True) for k in (last, key))
    for hint, old, new in zip(hints, before, now, strict=True):
        if old != new:
            changes.append(f"{hint} was {_kind(*old)}, is {_kind(*new)}")
    for (static, new_value), (_, old_value) in zip(key.statics, last.statics, strict=False):
        if new_value != old_value:
            changes.append(f"static {static} was {old_value!r}, is {new_value!r}")
    if key.backend != last.backend:
        changes.append(f"backend was {last.backend}, is {key.backend}")
    return f"{name}: compiled again{purpose}: " + "; ".join(changes) + ending


def _kind(type: TensorType, weak: bool) -> str:
    return f"{type}{' (weak)' * weak}"


def unhashable(name: str, statics: Sequence[tuple[str, Any]]) -> UsageError:
    """The error for static arguments, or a structure, that cannot be looked up."""
    for argument, value in statics:
        try:
            hash(value)
        except TypeError:
            return UsageError(
                f"{name}: static argument {argument} is {described(value)}, which is not hashable",
                hint="pass a tuple, a frozen dataclass or a number",
            )
    return UsageError(f"{name}: an argument's structure is not hashable")


def described(value: Any) -> str:
    """What a value is: `a list`, `an int`."""
    name = type(value).__name__
    return f"a{'n' * (name[0] in 'aeiou')} {name}"
