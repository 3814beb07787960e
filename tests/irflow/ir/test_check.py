"""Every rule of the checker, broken once."""

import re
from collections.abc import Callable

import numpy as np
import pytest

from irflow import dims, dtypes
from irflow.errors import CheckError, PluginError
from irflow.ir import Builder, DenseArray, Graph, InputRole, Node, Op, OutputRole, TensorType, Value
from irflow.ir.check import check_graph
from irflow.ir.op import OPS, register
from irflow.ir.parse import parse_graph
from irflow.ops import Constant
from tests.irflow.ir.small_ops import Attributes, Call, Pair

TEXT = """graph @g(%x: f32[n], %s: f32[4] state("s")) -> f32[n], f32[4] update("s") {
  %0 = elementwise<tanh> %x : f32[n]
  %1 = elementwise<add> %0, %x : f32[n]
  %2, %3 = test_pair %1 : f32[n], f32[n]
  %4 = test_call<"f"> %3, %s : f32[4] {
    (%a: f32[n], %b: f32[4]) -> f32[4]
    %0 = elementwise<exp> %b : f32[4]
    return %0
  }
  return %2, %4
}
"""
F32 = TensorType(dtypes.f32, (4,))


def nodes(graph: Graph) -> list[Node]:
    return list(graph)


def inner(graph: Graph) -> Graph:
    return nodes(graph)[3].regions[0]


def set_op(node: Node, op: Op) -> None:
    node.op = op


def swap_order(graph: Graph) -> None:
    first, second = nodes(graph)[:2]
    graph.move(first, second.next)


def read(node: Node, value: Value) -> None:
    """Let a node read a value, as a pass with a bug would: with true use lists."""
    del node.inputs[0].uses[(node, 0)]
    node.inputs = (value, *node.inputs[1:])
    value.uses[(node, 0)] = None


def read_erased(graph: Graph) -> None:
    erased = Builder(graph).emit(Pair(), [nodes(graph)[0].output])[0]
    assert erased.node is not None
    graph.erase(erased.node)
    read(nodes(graph)[1], erased)


def return_foreign(graph: Graph) -> None:
    foreign = parse_graph("graph @f(%x: f32[4]) { %0 = elementwise<exp> %x : f32[4] return }")
    graph.set_outputs([nodes(graph)[0].output, nodes(foreign)[0].output])


def add_bounds(graph: Graph) -> None:
    graph.add_input(TensorType(dtypes.f32, (dims.symbol("n", 2),)))


def add_attribute(value: object) -> Callable[[Graph], None]:
    def add(graph: Graph) -> None:
        Builder(graph).emit(Attributes(value=value), [])

    return add


def share_region(graph: Graph) -> None:
    node = nodes(graph)[3]
    Builder(graph).emit(Call(), list(node.inputs), node.regions)


def contain_itself(graph: Graph) -> None:
    body = inner(graph)
    node = nodes(graph)[3]
    body.insert(Node(Call(), tuple(body.inputs), (body,), None))
    assert node.regions == (body,)


class Unregistered(Attributes):
    name = "test_unregistered"


BREAKS: dict[str, tuple[Callable[[Graph], object], str]] = {
    "count": (lambda g: setattr(g, "node_count", 3), "the list of 3 nodes does not end"),
    "count too high": (lambda g: setattr(g, "node_count", 9), "the list of 9 nodes does not end"),
    "cycle": (lambda g: setattr(g.last, "next", g.first), "the list of 4 nodes does not end"),
    "last": (lambda g: setattr(g, "last", g.first), "the list of 4 nodes does not end"),
    "back link": (lambda g: setattr(nodes(g)[1], "previous", None), "does not link back to"),
    "owner": (lambda g: setattr(nodes(g)[1], "graph", None), "is listed, but belongs to no graph"),
    "input index": (lambda g: setattr(g.inputs[0], "index", 1), "input 0 calls itself"),
    "input twice": (lambda g: g.inputs.append(g.inputs[0]), "an input is listed twice"),
    "result index": (lambda g: setattr(nodes(g)[0].output, "index", 1), "result 0 calls itself"),
    "input roles": (lambda g: g.signature.inputs.pop(), "inputs number 2, their roles 1"),
    "output roles": (
        lambda g: g.signature.outputs.append(OutputRole()), "outputs number 2, their roles 3"
    ),
    "input role": (
        lambda g: g.signature.inputs.__setitem__(1, InputRole("stat", "s")),
        "input 1 has the unknown role 'stat'",
    ),
    "output role": (
        lambda g: g.signature.outputs.__setitem__(1, OutputRole("", "s")),
        "output 1 has the unknown role ''",
    ),
    "update of nothing": (
        lambda g: g.signature.outputs.__setitem__(1, OutputRole("update", "x")),
        "an output updates 'x', which is no state of the graph",
    ),
    "two updates": (
        lambda g: g.signature.outputs.__setitem__(0, OutputRole("update", "s")),
        "two outputs update the same state",
    ),
    "unregistered": (
        lambda g: set_op(nodes(g)[0], Unregistered()),
        "test_unregistered: Unregistered is not registered as 'test_unregistered'",
    ),
    "numpy attribute": (add_attribute(np.int64(1)), "attribute value holds a numpy.int64, which"),
    "list attribute": (add_attribute((1, [2])), "attribute value holds a builtins.list, which is"),
    "string array": (add_attribute(DenseArray(np.array(["a"]))), "attribute value is not allowed:"),
    "order": (swap_order, "elementwise: operand 0 is defined after its use"),
    "erased": (read_erased, "elementwise: operand 0 is a result of a node that was erased"),
    "captured input": (
        lambda g: read(nodes(inner(g))[0], g.inputs[1]),
        "elementwise: operand 0 is an input of another graph; a region takes what it reads as its",
    ),
    "captured result": (
        lambda g: read(nodes(inner(g))[0], nodes(g)[0].output),
        "elementwise: operand 0 is defined in graph @g; a region takes what it reads as its own",
    ),
    "result type": (
        lambda g: setattr(nodes(g)[0].output, "type", F32),
        "elementwise: the results are f32[4], the shape rule gives f32[n]",
    ),
    "operand type": (
        lambda g: read(nodes(g)[1], g.inputs[1]), "elementwise: the shape rule refuses the operands"
    ),
    "region type": (
        lambda g: setattr(inner(g).inputs[1], "type", TensorType(dtypes.f16, (4,))),
        "elementwise: the results are f32[4], the shape rule gives f16[4]",
    ),
    "shared region": (share_region, "graph @graph is a region in two places, or of itself"),
    "recursive region": (contain_itself, "graph @graph is a region in two places, or of itself"),
    "undefined size": (add_attribute((dims.symbol("m"),)), "no input defines the size m"),
    "two bounds": (add_bounds, "the size n has two sets of bounds: 1 <= n and 2 <= n"),
    "undefined output": (return_foreign, "output 1, <elementwise.0: f32[4]>, is defined in graph"),
    "missing use": (
        lambda g: nodes(g)[0].output.uses.clear(), "the use list of <elementwise.0: f32[n]> misses"
    ),
    "stale use": (
        lambda g: g.inputs[1].uses.update({(nodes(g)[0], 0): None}),
        "the use list of <s.1: f32[4]> wrongly has operand 0 of <elementwise -> f32[n]>",
    ),
    "missing output use": (
        lambda g: nodes(g)[3].output.uses.pop((g, 1)), "> misses output 1 of @g"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BREAKS)
def test_every_broken_rule_is_found(name: str) -> None:
    graph = parse_graph(TEXT)
    check_graph(graph)
    break_rule, message = BREAKS[name]
    break_rule(graph)
    with pytest.raises(CheckError, match=re.escape(message)) as caught:
        check_graph(graph)
    assert caught.value.summary.startswith("graph @g")


def test_the_faulty_node_is_shown_among_its_neighbours() -> None:
    graph = parse_graph(TEXT.replace("tanh> %x : f32[n]", "tanh> %x : f32[n]   // m.py:3"))
    nodes(graph)[0].output.type = F32
    with pytest.raises(CheckError) as caught:
        check_graph(graph)
    assert str(caught.value) == (
        "graph @g: elementwise: the results are f32[4], the shape rule gives f32[n]\n"
        '    graph @g(%x: f32[n], %s: f32[4] state("s")) -> f32[n], f32[4] update("s") {\n'
        "  >   %0 = elementwise<tanh> %x : f32[4]\n"
        "      %1 = elementwise<add> %0, %x : f32[n]\n"
        "      %2, %3 = test_pair %1 : f32[n], f32[n]\n"
        "      ...\n"
        "  in m.py:3"
    )


def test_values_from_elsewhere_and_long_arrays_do_not_spoil_the_message() -> None:
    graph = Graph("g")
    x = graph.add_input(F32, "x")
    build = Builder(graph)
    for _ in range(4):
        build.emit(Constant.of(np.zeros(1000)), [])
    build.emit(Pair(), [x])
    assert graph.last is not None
    read(graph.last, Graph().add_input(F32, "other"))
    with pytest.raises(CheckError) as caught:
        check_graph(graph)
    assert [fact for (fact,) in caught.value.facts] == [
        "  graph @g(%x: f32[4]) {",
        "    ...",
        "    %2 = constant<data(f64[1000], ...)> : f64[1000]",
        "    %3 = constant<data(f64[1000], ...)> : f64[1000]",
        ">   %4, %5 = test_pair %?other : f32[4], f32[4]",
        "    return",
        "  }",
    ]


def test_deep_regions_are_refused() -> None:
    graph = Graph("g")
    for _ in range(66):
        outer = Graph("g")
        Builder(outer).emit(Call(), [], [graph])
        graph = outer
    with pytest.raises(CheckError, match="regions nest more than 64 deep"):
        check_graph(graph)


def test_an_op_has_a_type_rule_and_a_meaning() -> None:
    class Typeless(Op):
        def numpy(self, *inputs: np.ndarray) -> np.ndarray:
            return inputs[0]

    class Meaningless(Op):
        def infer(self, *types: TensorType) -> TensorType:
            return types[0]

    for cls, missing in ((Typeless, "infer"), (Meaningless, "numpy")):
        with pytest.raises(PluginError, match=f"'test_missing' has no {missing}"):
            register("test_missing")(cls)
    assert "test_missing" not in OPS
