"""Programs as bytes: what was written is read, anything else is refused."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from irflow import dims, dtypes
from irflow.ir import TensorType
from irflow.ir.builder import Builder
from irflow.ir.elements import LINE_BYTES
from irflow.ir.graph import Graph
from irflow.lowering import stored
from irflow.lowering.lower import lower_graph
from irflow.lowering.program import Program
from irflow.ops import Constant, Matmul, Reverse

TABLE = np.arange(20, dtype=np.float32).reshape(5, 4)


def graph_of(rows: dims.Size) -> Graph:
    """Two products with a temporary between, and an input that is returned."""
    graph = Graph("g")
    x = graph.add_input(TensorType(dtypes.f32, (rows, 5)), "x")
    builder = Builder(graph)
    (table,) = builder.emit(Constant.of(TABLE), ())
    (product,) = builder.emit(Matmul(), (x, table))
    (turned,) = builder.emit(Reverse((1,)), (product,))
    graph.set_outputs([turned, x])
    return graph


def written(program: Program, facts: Mapping[str, str | bool] | None = None) -> bytes:
    """What the file holds."""
    pieces = stored.write_program(program, facts or {})
    assert pieces is not None
    return b"".join(pieces)


def unused() -> Program:
    raise AssertionError("nothing is lowered to read a program")


GRAPHS = {"static": graph_of(3), "symbolic": graph_of(dims.symbol("n", 1, 64))}


@pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS)
def test_round_trip(graph: Graph) -> None:
    program = lower_graph(graph)
    content = written(program, {"a": "b", "c": True})
    read, facts = stored.read_program(content, graph, lambda: program)
    assert facts == {"a": "b", "c": True}
    assert {b.kind for b in read.buffers} == {"input", "output", "constant", "temporary"}
    assert (read.name, read.symbols, read.buffers) == (
        program.name,
        program.symbols,
        program.buffers,
    )
    assert read.lifetimes() == program.lifetimes() != {}
    sizes = {"n": 7} if program.symbols else {}
    assert read.layout(sizes) == program.layout(sizes)
    assert read.steps is program.steps
    assert str(read) == str(program)


def test_large_constants_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    program = lower_graph(GRAPHS["static"])
    monkeypatch.setattr(stored, "LARGEST", TABLE.nbytes)
    assert stored.write_program(program, {}) is not None
    monkeypatch.setattr(stored, "LARGEST", TABLE.nbytes - 1)
    assert stored.write_program(program, {}) is None


def buffer_of(kind: str, place: int, value: Any) -> Callable[[dict[str, Any]], None]:
    """Change one field of a buffer of a kind."""

    def change(head: dict[str, Any]) -> None:
        row = next(row for row in head["buffers"] if row[0] == kind)
        row[place] = value

    return change


def setting(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda head: head.__setitem__(key, value)


def first_time(place: int, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda head: head["times"][0].__setitem__(place, value)


CHANGES = {
    "format": setting("format", 1),
    "no format": lambda head: head.pop("format"),
    "name": setting("name", 3),
    "symbols": setting("symbols", ["m"]),
    "symbols that are numbers": setting("symbols", [3]),
    "no buffers": setting("buffers", []),
    "buffers that are none": setting("buffers", None),
    "a buffer too few": lambda head: head["buffers"].pop(0),
    "a second output": lambda head: head["buffers"].append(["output", "f32", [3], 0]),
    "a third output": lambda head: head["buffers"].append(["output", "f32", [3], 2]),
    "a short row": lambda head: head["buffers"][0].pop(),
    "another kind": buffer_of("temporary", 0, "heap"),
    "a kind that is a list": buffer_of("temporary", 0, ["heap"]),
    "a larger input": buffer_of("input", 2, [300, 5]),
    "an input of another type": buffer_of("input", 1, "f64"),
    "another input": buffer_of("input", 3, 1),
    "a negative position": buffer_of("input", 3, -1),
    "a smaller output": buffer_of("output", 2, [1, 4]),
    "an unknown type": buffer_of("temporary", 1, "f128"),
    "a type that is a number": buffer_of("temporary", 1, 4),
    "a negative size": buffer_of("temporary", 2, [-3, 4]),
    "a fraction": buffer_of("temporary", 2, [3.0, 4]),
    "a truth value": buffer_of("temporary", 2, [True, 4]),
    "a huge size": buffer_of("temporary", 2, [2**40, 2**40]),
    "a symbol": buffer_of("temporary", 2, ["k", 4]),
    "a text that is no size": buffer_of("temporary", 2, ["n n", 4]),
    "a larger constant": buffer_of("constant", 2, [500, 4]),
    "a smaller constant": buffer_of("constant", 2, [4, 4]),
    "a symbolic constant": buffer_of("constant", 2, ["n", 4]),
    "a constant that is none": buffer_of("constant", 0, "temporary"),
    "a lifetime of a buffer outside": first_time(0, 100),
    "a lifetime of an input": first_time(0, 0),
    "a negative lifetime": first_time(1, -1),
    "a lifetime that ends before it begins": first_time(1, 2**20),
    "a lifetime that ends too soon": first_time(2, -1),
    "a lifetime without end": first_time(2, 2**40),
    "a lifetime of text": first_time(1, "0"),
    "a short lifetime": lambda head: head["times"][0].pop(),
    "facts that are none": setting("facts", 3),
}


@pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS)
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_head_is_refused(graph: Graph, change: Callable[[dict[str, Any]], None]) -> None:
    content = written(lower_graph(graph))
    stored.read_program(with_head(content, lambda head: None), graph, unused)
    with pytest.raises(ValueError, match=r"."):
        stored.read_program(with_head(content, change), graph, unused)


def with_head(content: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """The same with a changed line of JSON, and the constants where they belong."""
    end = stored.LENGTH + int.from_bytes(content[: stored.LENGTH], "little")
    head = json.loads(content[stored.LENGTH : end])
    change(head)
    line = json.dumps(head).encode()
    first = len(line).to_bytes(stored.LENGTH, "little") + line
    return first + bytes(-len(first) % LINE_BYTES) + content[end + -end % LINE_BYTES :]


def test_every_shorter_or_longer_content_is_refused() -> None:
    graph = GRAPHS["static"]
    content = written(lower_graph(graph))
    for end in range(len(content)):
        with pytest.raises(ValueError, match=r"."):
            stored.read_program(content[:end], graph, unused)
    with pytest.raises(ValueError, match="more bytes"):
        stored.read_program(content + b"x", graph, unused)
    with pytest.raises(ValueError, match=r"."):
        stored.read_program(b"[" * 100_000, graph, unused)


def test_a_program_of_another_graph_is_refused() -> None:
    content = written(lower_graph(graph_of(4)))
    with pytest.raises(ValueError, match="the type of"):
        stored.read_program(content, GRAPHS["static"], unused)
