"""Lists of integers out of NumPy's files of objects, without unpickling anything.

Such a file holds a pickle: a program for a small stack machine. Here its opcodes are read as data:
lists, numbers and strings are made, every call in it is taken for a placeholder, and nothing that
it names is looked up. So a hostile file can waste time at worst.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Any, BinaryIO

from irflow.errors import ArtifactError

_MARK = object()


class Placeholder:
    """What a call in the pickle would have made, with the state that it would have been given."""

    __slots__ = ("state",)

    def __init__(self) -> None:
        self.state: Any = None


def read_ragged(stream: BinaryIO) -> list[list[int]]:
    """The rows of an array of objects that are lists of integers, from the pickle in its file.

    Raises:
        ArtifactError: the stream is damaged, or holds something else.
    """
    try:
        array = _last(stream)
        rows = array.state[-1]
        if isinstance(rows, list) and all(map(_is_integers, rows)):
            return rows
    except (ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError("not an array of lists", facts=[("found", str(error))]) from error
    raise ArtifactError("not an array of lists of integers")


def _is_integers(row: object) -> bool:
    return isinstance(row, list) and all(type(element) is int for element in row)


def _last(stream: BinaryIO) -> Any:
    """What the pickle leaves on the stack."""
    stack: list[Any] = []
    memo: dict[Any, Any] = {}
    for opcode, argument, _ in pickletools.genops(stream):
        name = opcode.name
        if name in PLAIN:
            stack.append(argument)
        elif name in MADE:
            stack.append(MADE[name]())
        elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
            memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            stack.append(memo[argument])
        elif name == "STOP":
            return stack.pop()
        elif name not in IGNORED:
            if name not in ACTIONS:
                raise ValueError(f"an instruction {name}")
            ACTIONS[name](stack)
    raise ValueError("no end")


def _above_mark(stack: list[Any]) -> list[Any]:
    place = len(stack) - 1 - stack[::-1].index(_MARK)
    items = stack[place + 1 :]
    del stack[place:]
    return items


def _append(stack: list[Any]) -> None:
    element = stack.pop()
    stack[-1].append(element)


def _extend(stack: list[Any]) -> None:
    items = _above_mark(stack)
    stack[-1].extend(items)


def _tuple(count: int | None) -> Callable[[list[Any]], None]:
    def run(stack: list[Any]) -> None:
        if count is None:
            items = _above_mark(stack)
        else:
            items = stack[-count:]
            del stack[-count:]
        stack.append(tuple(items))

    return run


def _call(stack: list[Any]) -> None:
    del stack[-2:]
    stack.append(Placeholder())


def _name(stack: list[Any]) -> None:
    del stack[-2:]
    stack.append(None)


def _build(stack: list[Any]) -> None:
    state = stack.pop()
    if isinstance(stack[-1], Placeholder):
        stack[-1].state = state


PLAIN = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "GLOBAL"),
    *("STRING", "SHORT_BINSTRING", "BINSTRING", "BINUNICODE", "SHORT_BINUNICODE"),
    *("BINBYTES", "SHORT_BINBYTES"),
}
"""Instructions that push their argument; of GLOBAL that is a text, which nobody reads."""
MADE: dict[str, Callable[[], Any]] = {
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "MARK": lambda: _MARK,
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
}
IGNORED = {"PROTO", "FRAME"}
ACTIONS = {
    "APPEND": _append,
    "APPENDS": _extend,
    "TUPLE": _tuple(None),
    "TUPLE1": _tuple(1),
    "TUPLE2": _tuple(2),
    "TUPLE3": _tuple(3),
    "REDUCE": _call,
    "STACK_GLOBAL": _name,
    "BUILD": _build,
}
