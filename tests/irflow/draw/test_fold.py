"""Folding: what shares a box, and that it always can."""

import networkx
import pytest

from irflow.analysis import networkx_view
from irflow.draw.fold import (
    BLOCKS,
    CHAINS,
    CLOSED,
    FUNCTIONS,
    LINES,
    LITERALS,
    choose_level,
    clusters_of,
    count_boxes,
    literal_texts,
    merge,
)
from irflow.ir import Graph
from irflow.ir.parse import parse_graph
from irflow.testing.graphs import random_graph

CHAIN = """graph @chain(%x: f32[4, 3], %w: f32[3, 3]) -> f32[4, 3], f32[4] {
  %0 = constant<dense(f32[], 0.1)> : f32[]
  %1 = broadcast<(4, 3), axes=()> %0 : f32[4, 3]
  %2 = elementwise<multiply> %x, %1 : f32[4, 3]  // model.py:5
  %3 = elementwise<tanh> %2 : f32[4, 3]          // model.py:6
  %4 = elementwise<negative> %3 : f32[4, 3]      // model.py:6
  %5 = transpose<(1, 0)> %w : f32[3, 3]          // model.py:7
  %6 = matmul %4, %5 : f32[4, 3]                 // model.py:7
  %7 = reduce<add, axes=(1,)> %6 : f32[4]        // model.py:8
  return %6, %7
}
"""


def names(graph: Graph, level: int, most: int = 80) -> list[list[str]]:
    clusters, _ = clusters_of(graph, level, most)
    return [[str(getattr(n.op, "row", n.op.name)) for n in cluster] for cluster in clusters]


def test_nothing_is_folded_at_level_0() -> None:
    graph = parse_graph(CHAIN)
    assert len(names(graph, 0)) == len(graph)


def test_small_constants_become_text() -> None:
    graph = parse_graph(CHAIN)
    assert list(literal_texts(graph).values()) == ["0.1", "0.1"]
    assert names(graph, LITERALS)[0] == ["multiply"]


@pytest.mark.parametrize(
    "text",
    [
        "graph @g() -> f32[] {\n %0 = constant<dense(f32[], 1.0)> : f32[]\n return %0\n}",
        "graph @g() -> f32[6] {\n %0 = constant<dense(f32[6], [1., 2., 3., 4., 5., 6.])> : f32[6]\n"
        " %1 = elementwise<tanh> %0 : f32[6]\n return %1\n}",
        "graph @g() -> f32[] {\n %0 = constant<dense(f32[], 1.0)> : f32[]\n"
        ' %1 = call<"c"> %0 : f32[] {\n (%a: f32[]) -> f32[]\n return %a\n }\n return %1\n}',
    ],
    ids=["returned", "large", "read by a region"],
)
def test_other_constants_keep_their_box(text: str) -> None:
    assert literal_texts(parse_graph(text)) == {}


def test_elementwise_chains_and_moves_join_their_only_reader() -> None:
    graph = parse_graph(CHAIN)
    assert names(graph, CHAINS) == [
        ["multiply", "tanh", "negative"],
        ["transpose", "matmul"],
        ["add"],
    ]


def test_a_value_that_others_read_stays_apart() -> None:
    graph = parse_graph(
        """graph @g(%x: f32[3]) -> f32[3], f32[3] {
  %0 = elementwise<tanh> %x : f32[3]
  %1 = elementwise<exp> %0 : f32[3]
  %2 = elementwise<log> %0 : f32[3]
  return %1, %2
}"""
    )
    assert names(graph, CHAINS) == [["tanh"], ["exp"], ["log"]]


def test_a_result_stays_apart() -> None:
    graph = parse_graph(
        """graph @g(%x: f32[3]) -> f32[3], f32[3] {
  %0 = elementwise<tanh> %x : f32[3]
  %1 = elementwise<exp> %0 : f32[3]
  return %0, %1
}"""
    )
    assert names(graph, CHAINS) == [["tanh"], ["exp"]]


def test_lines_and_functions() -> None:
    graph = parse_graph(CHAIN)
    assert names(graph, LINES) == [
        ["multiply", "tanh", "negative"],
        ["transpose", "matmul"],
        ["add"],
    ]
    assert len(names(graph, FUNCTIONS)) == 1


def test_a_line_that_is_left_and_returned_to_is_not_one_box() -> None:
    graph = parse_graph(
        """graph @g(%x: f32[3]) -> f32[3] {
  %0 = reduce<add, axes=(0,)> %x : f32[]      // model.py:1
  %1 = reduce<maximum, axes=(0,)> %x : f32[]  // model.py:1
  %2 = elementwise<exp> %0 : f32[]            // model.py:2
  %3 = elementwise<add> %2, %1 : f32[]        // model.py:1
  %4 = broadcast<(3,), axes=()> %3 : f32[3]   // model.py:1
  return %4
}"""
    )
    clusters = [[node] for node in graph]
    joined = merge(clusters, [node.location for node in graph])
    assert [[n.op.name for n in c] for c in joined] == [
        ["reduce"],
        ["reduce"],
        ["elementwise"],
        ["elementwise", "broadcast"],
    ]


@pytest.mark.parametrize("seed", range(12))
def test_what_shares_a_box_can_be_contracted(seed: int) -> None:
    graph = random_graph(seed, 60)
    view = networkx.DiGraph(networkx_view(graph))
    for level in range(BLOCKS + 1):
        clusters, texts = clusters_of(graph, level, 10)
        home = {node: i for i, cluster in enumerate(clusters) for node in cluster}
        hidden = [node for node in graph if node not in home]
        assert all(node.output in texts for node in hidden)
        assert sum(map(len, clusters)) == len(graph) - len(hidden)
        edges = {(home[a], home[b]) for a, b in view.edges if a in home and b in home}
        quotient = networkx.DiGraph((a, b) for a, b in edges if a != b)
        assert networkx.is_directed_acyclic_graph(quotient), level
        assert all(a <= b for a, b in edges), "clusters stand in an order of definition"


def test_the_least_folding_that_is_enough_is_chosen() -> None:
    graph = parse_graph(CHAIN)
    assert choose_level(graph, 0) == 0
    assert choose_level(graph, 80) == LITERALS
    assert choose_level(graph, 6) == LITERALS
    assert choose_level(graph, 5) == CHAINS
    assert choose_level(graph, 2) == FUNCTIONS


def test_regions_are_closed_before_lines_are_joined() -> None:
    graph = parse_graph(
        """graph @g(%x: f32[3]) -> f32[3] {
  %0 = fusion<"loop"> %x : f32[3] {
    (%a: f32[3]) -> f32[3]
    %0 = elementwise<tanh> %a : f32[3]
    %1 = elementwise<add> %0, %0 : f32[3]
    return %1
  }
  return %0
}"""
    )
    assert [count_boxes(graph, level, 9) for level in (0, CHAINS, CLOSED)] == [3, 2 + 0, 1]
    assert choose_level(graph, 1) == CLOSED


@pytest.mark.parametrize("seed", range(4))
def test_a_large_graph_is_folded_to_as_few_boxes_as_asked(seed: int) -> None:
    graph = random_graph(seed, 400)
    for most in (100, 30):
        level = choose_level(graph, most)
        assert count_boxes(graph, level, most) <= most
