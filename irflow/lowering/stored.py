"""Programs as bytes: what calls need to know of them, but not their steps.

    the length of the following line, 8 bytes
    a line of JSON: the name, the symbols, the buffers, when each temporary is needed
    the elements of the constants, one after the other

Each part but the first begins where a line of the caches does, counted from the start. So constants
are used where they are, in a file that is mapped into memory, without a copy.

Nothing of it is executed. All that is read is checked, against the graph that was lowered as far as
it is about inputs and outputs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from irflow import dims, dtypes
from irflow.dims import Dim, Size
from irflow.errors import IrflowError
from irflow.ir.attributes import DenseArray
from irflow.ir.elements import LINE_BYTES, Elements, Moved, Moves
from irflow.ir.graph import Graph, Value
from irflow.ir.types import TensorType
from irflow.lowering.program import Program, Storage
from irflow.lowering.steps import Step
from irflow.ops import Constant

LARGEST = 128 * 2**20
"""Programs with more bytes of constants are not kept."""

LENGTH = 8
"""Bytes of the length of the line of JSON."""

_MOST_BYTES = 2**62
_KINDS = ("input", "output", "constant", "temporary", "view")
_FORMAT = 4


class StoredProgram(Program):
    """A program whose steps are found by lowering again, when something asks for them.

    Attributes:
        graph: as traced; its inputs and outputs are those of the graph that was lowered.

    Args:
        times: what `lifetimes` returns.
        again: lowers again.
    """

    def __init__(
        self,
        graph: Graph,
        name: str,
        buffers: Sequence[Storage],
        symbols: Sequence[str],
        times: Mapping[int, tuple[int, int]],
        again: Callable[[], Program],
    ) -> None:
        fields = {"graph": graph, "name": name, "buffers": tuple(buffers), "again": again}
        for key, value in {**fields, "symbols": tuple(symbols), "times": times}.items():
            object.__setattr__(self, key, value)

    @cached_property
    def whole(self) -> Program:
        """The program with its steps."""
        again: Callable[[], Program] = self.__dict__["again"]
        return again()

    @property
    def steps(self) -> tuple[Step, ...]:
        return self.whole.steps

    def lifetimes(self) -> dict[int, tuple[int, int]]:
        return dict(self.__dict__["times"])


def write_program(
    program: Program, facts: Mapping[str, str | bool]
) -> list[bytes | memoryview] | None:
    """A program for `read_program`, in pieces; None for one that cannot be kept.

    Args:
        program: any.
        facts: more to keep with it.
    """
    contents = [buffer.content for buffer in program.buffers if buffer.content is not None]
    if sum(content.nbytes for content in contents) > LARGEST:
        return None
    head = {
        "format": _FORMAT,
        "name": program.name,
        "symbols": program.symbols,
        "buffers": [_row(buffer) for buffer in program.buffers],
        "times": [[number, *times] for number, times in program.lifetimes().items()],
        "moved": _moved(program),
        "facts": dict(facts),
    }
    line = json.dumps(head, separators=(",", ":")).encode() + b"\n"
    parts: list[bytes | memoryview] = [len(line).to_bytes(LENGTH, "little") + line]
    parts += [content.array.reshape(-1).view(np.uint8).data for content in contents]
    return [piece for part in parts for piece in (part, bytes(-len(part) % LINE_BYTES)) if piece]


def _moved(program: Program) -> dict[str, object]:
    """For each constant of the graph that is elsewhere: in which buffer, and how to get it back."""
    places = {
        buffer.content.elements: number
        for number, buffer in enumerate(program.buffers)
        if buffer.content is not None
    }
    found: dict[str, object] = {}
    for dense in _constants(program.graph):
        moved = dense.elements.moved
        if moved is not None and moved.place in places:
            found[_key(dense)] = places[moved.place], moved.moves
    return found


def _constants(graph: Graph) -> Iterator[DenseArray]:
    """The constants of a graph, and of the regions in it."""
    for node in graph:
        if isinstance(node.op, Constant):
            yield node.op.value
        for region in node.regions:
            yield from _constants(region)


def _key(dense: DenseArray) -> str:
    return f"{dense.dtype} {dense.elements.digest}"


def _row(storage: Storage) -> list[object]:
    sizes = [size if isinstance(size, int) else str(size) for size in storage.type.shape]
    return [storage.kind, str(storage.type.dtype), sizes, storage.position, storage.start]


def read_program(
    content: bytes | memoryview, graph: Graph, again: Callable[[], Program]
) -> tuple[StoredProgram, dict[str, object]]:
    """What `write_program` was given.

    Args:
        content: what it returned.
        graph: as traced.
        again: lowers again.

    Raises:
        ValueError: the content is damaged, or not that of a program of this graph.
    """
    end = LENGTH + int.from_bytes(content[:LENGTH], "little")
    try:
        head = json.loads(bytes(content[LENGTH:end]))
        if head["format"] != _FORMAT:
            raise ValueError(f"format {head['format']}")
        rest = memoryview(content)[_rounded(end) :]
        return _Reader(head, rest, graph).program(again), dict(head["facts"])
    except (IrflowError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"not a program: {type(error).__name__} {error}") from error


class _Reader:
    """Checks what it reads.

    Attributes:
        head: the first line.
        rest: the elements of constants that were not read yet.
        scope: the symbolic sizes by name.
    """

    def __init__(self, head: dict[str, Any], rest: memoryview, graph: Graph) -> None:
        self.head, self.rest, self.graph = head, rest, graph
        self.scope: dict[str, Dim] = {
            symbol.name: dims.symbol(symbol.name, symbol.lower, symbol.upper)
            for symbol in graph.symbols
        }
        self.known = frozenset(self.scope)

    def program(self, again: Callable[[], Program]) -> StoredProgram:
        head = self.head
        _require(head["name"] == str(head["name"]), "the name")
        _require(self.known.issuperset(head["symbols"]), "the symbols")
        buffers = [self.storage(*row) for row in head["buffers"]]
        _require(not self.rest, "more bytes than constants have")
        self.ends(buffers, "input", self.graph.inputs)
        self.ends(buffers, "output", self.graph.outputs)
        starts = [buffer.start for buffer in buffers if buffer.start is not None]
        _require(len(starts) == len(set(starts)), "two outputs of one start")
        times = {number: (first, last) for number, first, last in head["times"]}
        for number, (first, last) in times.items():
            _require(_is_index(number, len(buffers)), "a number of a buffer")
            _require(buffers[number].kind == "temporary", "the kind of a buffer")
            _require(_is_index(last, 2**31) and _is_index(first, last + 1), "a lifetime")
        self.move(buffers)
        return StoredProgram(self.graph, head["name"], buffers, head["symbols"], times, again)

    def move(self, buffers: Sequence[Storage]) -> None:
        """Let constants of the graph be where the program has them, in another order."""
        rows = self.head["moved"]
        for dense in _constants(self.graph) if rows else ():
            if (row := rows.get(_key(dense))) is not None:
                dense.elements.move(_checked(buffers[row[0]].content, row[1], dense))

    def storage(
        self, kind: str, dtype: str, sizes: list[int | str], position: int, start: int | None
    ) -> Storage:
        _require(kind in _KINDS, "the kind of a buffer")
        _require(_is_index(position, 2**31), "a position")
        type = TensorType(dtypes.parse(dtype), tuple(map(self.size, sizes)))
        if type.is_static:
            _require(int(type.nbytes) <= _MOST_BYTES, "the size of a buffer")
        if start is not None:
            _require(kind == "output" and _is_index(start, len(self.graph.inputs)), "a start")
            _require(self.graph.inputs[start].type == type, "the type of a start")
        content = self.content(type) if kind == "constant" else None
        return Storage(kind, type, position, content, start)

    def size(self, given: int | str) -> Size:
        if isinstance(given, str):
            size = dims.parse_size(given, self.scope)
            _require(self.known.issuperset(self.scope), "a symbol")
            return size
        _require(_is_index(given, _MOST_BYTES), "a size")
        return given

    def content(self, type: TensorType) -> DenseArray:
        count = int(type.nbytes)
        _require(_rounded(count) <= len(self.rest), "fewer bytes than constants have")
        part, self.rest = self.rest[:count], self.rest[_rounded(count) :]
        array = np.frombuffer(part, np.uint8).view(type.dtype.numpy)
        dense = DenseArray(array.reshape(type.static_shape), is_fixed=True)
        dense.elements.settle()
        return dense

    def ends(self, buffers: Sequence[Storage], kind: str, values: Sequence[Value]) -> None:
        """Check that each input or output has one buffer of its type."""
        found = {b.position: b.type for b in buffers if b.kind == kind}
        count = sum(buffer.kind == kind for buffer in buffers)
        _require(count == len(values) == len(found), f"the number of {kind}s")
        for position, value in enumerate(values):
            _require(found.get(position) == value.type, f"the type of {kind} {position}")


def _checked(content: DenseArray | None, moves: Moves, wanted: DenseArray) -> Moved:
    """The place of a constant, for which only shapes are looked at."""
    _require(content is not None and content.dtype == wanted.dtype, "the place of a constant")
    assert content is not None
    outline = np.broadcast_to(np.zeros((), content.dtype), content.shape)
    found = Moved(Elements(outline), moves).array
    _require(found.size == wanted.size, "the size of a constant")
    return Moved(content.elements, moves)


def _rounded(count: int) -> int:
    """Up to where the next line of the caches begins."""
    return -(-count // LINE_BYTES) * LINE_BYTES


def _is_index(number: object, end: int) -> bool:
    return type(number) is int and 0 <= number < end


def _require(is_so: bool, what: str) -> None:
    if not is_so:
        raise ValueError(f"not a program: {what}")
