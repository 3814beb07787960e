"""Structure, order and the view for networkx."""

from __future__ import annotations

import subprocess
import sys

import networkx

from irflow.analysis import Order, every_graph, networkx_view, structure_of
from irflow.ir.graph import Graph
from irflow.ir.parse import parse_graph

TEXT = """graph @f(%x: f32[n]) -> f32[n] {
  %0 = elementwise<sin> %x : f32[n]
  %1 = elementwise<cos> %0 : f32[n]
  %2 = elementwise<add> %0, %1 : f32[n]
  return %2
}"""


def test_structure_ignores_names_and_sees_the_rest() -> None:
    def changed(old: str, new: str) -> Graph:
        return parse_graph(TEXT.replace(old, new))

    original = structure_of(parse_graph(TEXT))
    assert structure_of(changed("%x", "%y")) == original
    assert hash(structure_of(changed("@f", "@g"))) == hash(original)
    assert structure_of(changed("%0, %1", "%1, %0")) != original
    assert structure_of(changed("sin", "tan")) != original
    assert structure_of(changed("return %2", "return %1")) != original
    assert structure_of(changed("[n]", "[3]")) != original


def test_a_group_is_convex_if_no_path_leaves_and_returns() -> None:
    graph = parse_graph(TEXT)
    sin, cos, add = graph
    order = Order(graph)
    assert [order[node] for node in graph] == [0, 1, 2]
    assert order.is_convex([sin, cos])
    assert order.is_convex([sin, cos, add])
    assert not order.is_convex([sin, add])


def test_every_graph_gives_inner_ones_first() -> None:
    graph = parse_graph(
        """graph @f(%x: f32[n]) -> f32[n] {
          %0 = call<"g"> %x : f32[n] {
            (%a: f32[n]) -> f32[n]
            return %a
          }
          return %0
        }"""
    )
    assert list(every_graph(graph)) == [graph.first.regions[0], graph]


def test_the_view_for_networkx() -> None:
    graph = parse_graph(TEXT)
    sin, cos, add = graph
    view = networkx_view(graph)
    assert set(view.successors(sin)) == {cos, add}
    assert next(iter(networkx.topological_sort(view))) is graph.inputs[0]
    assert view.edges[add, "return", 0] == {"value": add.output, "position": 0}
    assert networkx.is_directed_acyclic_graph(view)


def test_networkx_is_imported_when_it_is_used_only() -> None:
    code = "import sys, irflow.analysis; assert 'networkx' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
