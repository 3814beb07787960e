"""Comparing results: what counts as the same."""

from __future__ import annotations

import numpy as np
import pytest

from irflow.ir.evaluate import evaluate
from irflow.ir.graph import Graph
from irflow.ir.parse import parse_graph
from irflow.transform.verify import Oracle, choose_sizes, to_f64, wrong_elements

EPSILON = float(np.finfo(np.float32).eps)


def wrong(before: list[float], exact: list[float], after: list[float]) -> list[bool]:
    f32 = (np.array(before, np.float32), np.array(exact), np.array(after, np.float32))
    return wrong_elements(*f32, EPSILON).tolist()


def test_elements_may_differ_by_rounding_only() -> None:
    assert wrong([1.0, 2.0], [1.0, 2.0], [1.0 + 1e-6, 2.0]) == [False, False]
    assert wrong([1.0, 2.0], [1.0, 2.0], [1.001, 2.0]) == [True, False]


def test_an_inexact_original_allows_as_much_again() -> None:
    assert wrong([1.01, 1.0], [1.0, 1.0], [0.98, 1.0]) == [False, False]
    assert wrong([1.01, 1.0], [1.0, 1.0], [0.80, 1.0]) == [True, False]


def test_infinities_and_nan_must_stay() -> None:
    inf, nan = np.inf, np.nan
    assert wrong([inf, nan, -inf], [inf, nan, -inf], [inf, nan, inf]) == [False, False, True]
    assert wrong([1.0, nan], [1.0, nan], [nan, 0.0]) == [True, True]


def test_integers_are_exact() -> None:
    a, b = np.array([1, 2]), np.array([1, 3])
    assert wrong_elements(a, a, b, 0.0).tolist() == [False, True]


def test_f64_reaches_constants_attributes_and_regions() -> None:
    graph = parse_graph(
        """graph @f(%x: f32[3], %i: i32[3]) -> f16[3], i32[3] {
          %0 = constant<dense(f32[3], [0.5, 1.5, 2.5])> : f32[3]
          %1 = call<"g"> %x, %0 : f32[3] {
            (%a: f32[3], %b: f32[3]) -> f32[3]
            %0 = elementwise<add> %a, %b : f32[3]
            return %0
          }
          %2 = convert<f16> %1 : f16[3]
          return %2, %i
        }"""
    )
    wide = to_f64(graph)
    assert [str(type) for type in wide.output_types] == ["f64[3]", "i32[3]"]
    inputs = [np.full(3, 1 / 3), np.arange(3, dtype=np.int32)]
    np.testing.assert_array_equal(evaluate(wide, inputs)[0], np.array([0.5, 1.5, 2.5]) + 1 / 3)


def test_sizes_are_small_and_within_bounds() -> None:
    text = "graph @f(%x: f32[n, m, k]) -> f32[n, m, k] where n <= 2, 8 <= m {{ return %x }}"
    graph = parse_graph(text.replace("{{", "{").replace("}}", "}"))
    sizes = choose_sizes(graph)
    assert sizes["n"] == 2
    assert 8 <= sizes["m"] < 16
    assert len(set(sizes.values())) == 3


def test_an_oracle_says_why_it_cannot_judge() -> None:
    graph = parse_graph("graph @f(%x: f32[100000, 1000]) -> f32[100000, 1000] { return %x }")
    assert Oracle(graph).unusable == "more than 20000000 elements"


@pytest.mark.parametrize("row", ["add", "maximum"])
def test_an_oracle_sees_another_function(row: str) -> None:
    def graph(name: str) -> Graph:
        text = f"%0 = elementwise<{name}> %x, %y : f32[n]\n return %0"
        return parse_graph(f"graph @f(%x: f32[n], %y: f32[n]) -> f32[n] {{\n {text} }}")

    oracle = Oracle(graph(row))
    assert oracle.difference(graph(row)) is None
    assert oracle.difference(graph("minimum")) is not None
