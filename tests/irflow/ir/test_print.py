"""The text of graphs."""

import numpy as np
import pytest

from irflow import dims, dtypes
from irflow.ir import Builder, DenseArray, Graph, InputRole, OutputRole, TensorType
from irflow.ir.print import format_attribute, print_graph
from irflow.location import Location
from irflow.ops import Constant, Elementwise
from irflow.scalars import ROWS
from tests.irflow.ir.small_ops import Attributes, Call, Pair, Sink

F32 = TensorType(dtypes.f32, (8,))


def test_everything_at_once() -> None:
    n = dims.symbol("n", 1, 4096)
    graph = Graph("step")
    x = graph.add_input(TensorType(dtypes.f32, (n, 8)), "x")
    w = graph.add_input(F32, "w", InputRole("parameter", "dense/w"))
    body = Graph("ignored")
    a = body.add_input(F32, "a")
    body.set_outputs(Builder(body, location=Location("/src/inner.py", 3)).emit(Pair(), [a])[:1])
    build = Builder(graph, location=Location("/src/model.py", 14, "forward"))
    _, second = build.emit(Pair(), [x])
    build.emit(Sink(), [second])
    called = build.emit(Call("half"), [w], [body])
    graph.set_outputs([second, called[0]], [OutputRole(), OutputRole("update", "dense/w")])
    assert print_graph(graph) == (
        "graph @step(\n"
        "  %x: f32[n, 8],\n"
        '  %w: f32[8] parameter("dense/w")\n'
        ') -> f32[n, 8], f32[8] update("dense/w") where 1 <= n <= 4096 {\n'
        "  %0, %1 = test_pair %x : f32[n, 8], f32[n, 8]   // model.py:14\n"
        "  test_sink %1   // model.py:14\n"
        '  %2 = test_call<"half"> %w : f32[8] {   // model.py:14\n'
        "    (%a: f32[8]) -> f32[8]\n"
        "    %0, %1 = test_pair %a : f32[8], f32[8]   // inner.py:3\n"
        "    return %0\n"
        "  }\n"
        "  return %1, %2\n"
        "}\n"
    )
    assert "//" not in print_graph(graph, locations=False)


def test_names_of_inputs() -> None:
    graph = Graph("a b")
    for hint in ("x", "x", "dense/w", "0", "", "x_2", "%"):
        graph.add_input(TensorType(dtypes.f32, ()), hint)
    header = print_graph(graph).splitlines()
    assert header == [
        'graph @"a b"(',
        "  %x: f32[],",
        '  %x_2: f32[] argument("x"),',
        '  %dense_w: f32[] argument("dense/w"),',
        '  %_0: f32[] argument("0"),',
        "  %0: f32[],",
        '  %x_2_2: f32[] argument("x_2"),',
        '  %_: f32[] argument("%")',
        ") {",
        "  return",
        "}",
    ]


def test_two_regions() -> None:
    graph = Graph("g")
    x = graph.add_input(F32, "x")
    bodies = []
    for _ in range(2):
        body = Graph()
        body.set_outputs([body.add_input(F32)])
        bodies.append(body)
    graph.set_outputs(Builder(graph, location=Location("m.py", 1)).emit(Call(), [x], bodies))
    assert print_graph(graph, locations=False).splitlines()[1:-2] == [
        "  %0 = test_call %x : f32[8] {",
        "    (%0: f32[8]) -> f32[8]",
        "    return %0",
        "  } {",
        "    (%0: f32[8]) -> f32[8]",
        "    return %0",
        "  }",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "none"),
        (True, "true"),
        (1, "1"),
        (1.0, "1.0"),
        (-0.0, "-0.0"),
        (float("nan"), "nan"),
        (-float("inf"), "-inf"),
        (1e300, "1e+300"),
        ('a"\n', '"a\\"\\n"'),
        (dtypes.bf16, "bf16"),
        (ROWS["tanh"], "tanh"),
        (dims.symbol("n") * 2 + 1, "2*n + 1"),
        (dims.symbol("tanh"), "(tanh)"),
        (-dims.symbol("inf"), "(-inf)"),
        (dims.symbol("f32") + 1, "f32 + 1"),
        ((), "()"),
        ((1,), "(1,)"),
        ((1, (2, "a")), '(1, (2, "a"))'),
        (DenseArray(np.array([1, 2], np.int8)), "dense(i8[2], [1, 2])"),
        (np.int64(3), "?int64"),
        (DenseArray(np.array(["a"])), "?str32"),
    ],
)
def test_attributes(value: object, text: str) -> None:
    assert format_attribute(value) == text


def test_defaults_are_left_out_but_not_what_only_compares_equal() -> None:
    graph = Graph("g")
    build = Builder(graph, location=Location("m.py", 1))
    for op in (Attributes(), Attributes(scale=1.0), Attributes(value=0, flag=True)):
        build.emit(op, [])
    build.emit(Attributes(value=False, scale=-0.0, pair=(1, 2.0)), [])
    lines = print_graph(graph, locations=False).splitlines()[1:5]
    assert [line.split(" = ")[1] for line in lines] == [
        "test_attributes : f32[]",
        "test_attributes : f32[]",
        "test_attributes<0, flag=true> : f32[]",
        "test_attributes<false, scale=-0.0> : f32[]",
    ]


def test_resources_take_long_arrays_once_and_keep_what_they_hold() -> None:
    old = DenseArray(np.ones(30, np.float32))
    resources = {"c1": old}
    graph = Graph("g")
    build = Builder(graph, location=Location("m.py", 1))
    for array in (np.zeros(17), np.zeros(17), np.ones(30, np.float32), np.zeros(16, bool)):
        build.emit(Constant.of(array), [])
    text = print_graph(graph, locations=False, resources=resources)
    assert [line.split(" = ")[1] for line in text.splitlines()[1:5]] == [
        'constant<resource(f64[17], "c1_2")> : f64[17]',
        'constant<resource(f64[17], "c1_2")> : f64[17]',
        'constant<resource(f32[30], "c1")> : f32[30]',
        f"constant<dense(bool[16], [{', '.join(['false'] * 16)}])> : bool[16]",
    ]
    assert list(resources) == ["c1", "c1_2"]
    assert resources["c1"] is old


def test_str_of_a_graph_is_its_text() -> None:
    graph = Graph("g")
    x = graph.add_input(F32, "x")
    graph.set_outputs(Builder(graph).emit(Elementwise(ROWS["tanh"]), [x]))
    assert str(graph) == print_graph(graph)


def test_a_location_stays_on_its_line() -> None:
    graph = Graph("g")
    Builder(graph, location=Location("a\nb.py", 3)).emit(Attributes(), [])
    assert print_graph(graph).splitlines()[1].endswith("// a?b.py:3")
