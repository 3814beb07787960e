"""How a program is called by a built-in function of Python, made for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from irflow import tree
from irflow.records import dataclass


@dataclass(frozen=True, slots=True)
class Handles:
    """The class whose instances stand for arrays, as slots tell; it has no `__dict__`.

    Attributes:
        cls: the class itself; instances of subclasses are not taken.
        data: the slot that holds the array, or something else if there is none at the moment.
        weak: the slot that holds True or False, for a weak element type; an array by itself has
            none.
    """

    cls: type
    data: str
    weak: str


@dataclass(frozen=True, slots=True)
class Convention:
    """What a built-in function takes and returns.

    It takes arrays, or handles of them, or Python numbers, in the structures of `arguments`, and
    returns new handles.
    If the arguments are not exactly those, it does nothing and returns `other`: the caller then
    goes the long way, which converts or explains.

    Attributes:
        arguments: the structure of each positional argument, with text as keys of dictionaries.
        leaves: the flag of each leaf, which input it is, and `float`, `int` or `bool` for one that
            is such a number.
        handles: what handles are.
        results: a prototype of each output; its slots but that of the array are copied.
        is_bare: whether the only result is returned by itself, not a tuple of results.
        other: returned for other arguments.
        gone: for each leaf what the slots of its handle become once the program runs, where the
            handle is given away with its memory, and None for other leaves; empty if none is.
            Arrays by themselves, and those that somebody else holds, stay as they are.
    """

    arguments: tuple[tree.Structure, ...]
    leaves: tuple[tuple[bool, int, type | None], ...]
    handles: Handles
    results: tuple[Any, ...]
    is_bare: bool
    other: object
    gone: tuple[Any | None, ...] = ()


Builtin = Callable[..., Any]
"""Such a function; it may be called by any number of threads at once."""
