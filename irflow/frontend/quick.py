"""The short way into compiled functions: built-in functions that check the arguments and run.

Where a backend makes them, calls of shapes that have come before go through one. Whatever it does
not take, such as Python numbers or arrays with gaps, goes the long way.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any

import numpy as np

from irflow import tree
from irflow.backend.calling import Convention, Handles
from irflow.frontend.calls import Instance
from irflow.frontend.tensor import Tensor
from irflow.ir import TensorType

OTHER = object()
"""What a quick call returns for arguments that it does not take; it has done nothing then."""

KEPT = 8
"""So many quick calls of a function are tried before the long way."""

NUMBERS = (float, int, bool)
"""The classes of Python numbers that quick calls take."""

Quick = Callable[..., Any]

_HANDLES = Handles(Tensor, "_data", "_weak")
_NOTHING = np.empty(0)


class QuickCalls:
    """The quick calls of a function.

    Attributes:
        calls: those there are, the newest first.
    """

    def __init__(self, patience: int) -> None:
        self.calls: tuple[Quick, ...] = ()
        self._patience = patience
        self._left = 4 * KEPT
        self._seen: dict[Hashable, int] = {}

    @property
    def is_open(self) -> bool:
        """Whether calls may still be added; after many that did not help, no more are made."""
        return self._left > 0

    def wants(self, kind: Hashable) -> bool:
        """Whether a call should be made for this kind of arguments, which come the long way.

        That is once, when they have come `patience` times.
        """
        count = self._seen[kind] = self._seen.get(kind, 0) + 1
        if len(self._seen) > 8 * KEPT:
            del self._seen[next(iter(self._seen))]
        if count >= self._patience:
            self._left -= 1
        return count == self._patience

    def add(self, call: Quick | None) -> None:
        """Keep a call, and forget the oldest if there are many; None if it could not be made."""
        if call is None:
            self._left -= KEPT
        else:
            self.calls = (call, *self.calls[: KEPT - 1])


def convention(
    arguments: Sequence[tree.Structure],
    leaves: Sequence[tuple[bool, int, type | None]],
    results: Sequence[tuple[TensorType, bool]],
    is_bare: bool,
    donated: Sequence[TensorType | None] = (),
) -> Convention:
    """How a function of tensors is called.

    Args:
        arguments: the structure of each argument.
        leaves: whether the element type of each leaf gives way, which input it is, and of what
            class if it is a Python number.
        results: the type of each result, and whether it gives way.
        is_bare: whether the only result is returned by itself.
        donated: the type of each leaf that is donated, None for the others.
    """
    prototypes = tuple(Tensor(_NOTHING, weak=is_weak, type=type) for type, is_weak in results)
    gone = tuple(None if type is None else _donated(type) for type in donated)
    return Convention(tuple(arguments), tuple(leaves), _HANDLES, prototypes, is_bare, OTHER, gone)


def outlines(tensors: Sequence[Tensor]) -> list[np.ndarray]:
    """Arrays of the same types and shapes, also for tensors that were donated."""
    types = [tensor.type for tensor in tensors]
    return [np.broadcast_to(np.zeros((), t.dtype.numpy), t.static_shape) for t in types]


def _donated(type: TensorType) -> Tensor:
    tensor = Tensor(_NOTHING, type=type)
    tensor.donate()
    return tensor


def assembler(structure: tree.Structure) -> Callable[[Sequence[Any]], Any]:
    """`structure.unflatten` for many calls, without looking at the structure again.

    >>> assembler(tree.flatten({"w": 1, "b": (2, 3)})[1])((7, 8, 9))
    {'b': (7, 8), 'w': 9}
    """
    names: dict[str, Any] = {}
    numbers = count()
    body = _expression(structure, numbers, names)
    made: Callable[[Sequence[Any]], Any] = eval(f"lambda leaves: {body}", names)
    return made


def _expression(structure: tree.Structure, leaves: Iterator[int], names: dict[str, Any]) -> str:
    """Python's words for a structure; `names` gets the keys and classes that they mention."""

    def named(thing: Any) -> str:
        name = f"n{len(names)}"
        names[name] = thing
        return name

    if structure.kind in ("leaf", "none"):
        return f"leaves[{next(leaves)}]" if structure.kind == "leaf" else "None"
    parts = [_expression(child, leaves, names) for child in structure.children]
    if structure.kind in ("tuple", "list"):
        inside = "".join(f"{part}, " for part in parts)
        return f"({inside})" if structure.kind == "tuple" else f"[{inside}]"
    if structure.kind == "dict":
        pairs = [f"{named(key)}: {p}" for key, p in zip(structure.keys, parts, strict=True)]
        return f"{{{', '.join(pairs)}}}"
    keywords = [f"{key}={p}" for key, p in zip(structure.keys, parts, strict=True)]
    return f"{named(structure.factory)}({', '.join(keywords)})"


def with_statics(call: Quick, values: Mapping[int, Any]) -> Quick:
    """A quick call whose arguments at some positions are these values, where it takes None."""
    rows = [(i, value, type(value)) for i, value in values.items()]
    count = max(values) + 1

    def checked(*args: Any) -> Any:
        if len(args) < count:
            return OTHER
        dynamic = list(args)
        for position, value, kind in rows:
            given = args[position]
            if given is not value and not (
                type(given) is kind and kind in _COMPARED and given == value
            ):
                return OTHER
            dynamic[position] = None
        return call(*dynamic)

    return checked


_COMPARED = frozenset({bool, int, float, str, Instance})
"""Classes of static arguments that are compared by value; others by identity, before the long way
does so.
"""
