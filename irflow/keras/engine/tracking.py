"""What an object of Keras holds: variables, layers, metrics and seeds, in the order they were set.

They are found among the attributes, also in lists, tuples and dicts, when they are asked for; so
a list may grow after it was set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

from irflow.frontend import Variable

_CONTAINERS = (list, tuple, dict)
_PLAIN = frozenset({bool, int, float, str, type(None), FunctionType})


def is_metric(value: Any) -> bool:
    """Whether it behaves as a metric."""
    cls = type(value)
    return hasattr(cls, "update_state") and hasattr(cls, "reset_state")


def is_seed(value: Any) -> bool:
    """Whether it is a seed generator, or holds its state as one does."""
    return isinstance(getattr(value, "state", None), Variable) and hasattr(type(value), "next")


def held(owner: Any, wanted: Callable[[Any], bool], unseen: frozenset[str]) -> Iterator[Any]:
    """What attributes of `owner` hold of a kind, each once.

    Args:
        owner: an object.
        wanted: whether something is of the kind.
        unseen: names of attributes to leave out.
    """
    seen: set[int] = set()
    for name, value in list(vars(owner).items()):
        if type(value) not in _PLAIN and name not in unseen:
            yield from _held(value, wanted, seen)


def _held(value: Any, wanted: Callable[[Any], bool], seen: set[int]) -> Iterator[Any]:
    if isinstance(value, _CONTAINERS):
        if id(value) not in seen:
            seen.add(id(value))
            for item in value.values() if isinstance(value, dict) else value:
                yield from _held(item, wanted, seen)
    elif id(value) not in seen and not isinstance(value, type) and wanted(value):
        seen.add(id(value))
        yield value


def unique(values: Any) -> list[Any]:
    """Each object once, in order."""
    return list({id(value): value for value in values}.values())
