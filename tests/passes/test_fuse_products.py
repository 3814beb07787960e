"""What goes into the kernels of matrix products and convolutions."""

from __future__ import annotations

import pytest

from tests.passes.test_fuse import fuse, reasons, shown

SHIFTED = """
  %0 = matmul %x, %w : f32[n, 4]
  %1 = broadcast<(n, 4), axes=(1,)> %b : f32[n, 4]
  %2 = elementwise<add> %0, %1 : f32[n, 4]
"""
HEAD = "graph @f(%x: f32[n, 8], %w: f32[8, 4], %b: f32[4])"

CASES = {
    # label: the rest of a graph of which `%2` is a shifted product, and its kernels.
    "moved": (
        "f32[4, n] { %BODY %3 = transpose<(1, 0)> %2 : f32[4, n]\n return %3 }",
        ["contraction(matmul broadcast add)", "transpose"],
    ),
    "summed": (
        "f32[4] { %BODY %3 = reduce<add, axes=(0,)> %2 : f32[4]\n return %3 }",
        ["contraction(matmul broadcast add)", "reduce"],
    ),
    "reshaped": (
        "f32[4*n] { %BODY %3 = reshape<(4*n,)> %2 : f32[4*n]\n return %3 }",
        ["contraction(matmul broadcast add)", "reshape"],
    ),
    "read twice": (
        """f32[n, 4] { %BODY %3 = elementwise<exp> %2 : f32[n, 4]
          %4 = elementwise<multiply> %3, %2 : f32[n, 4]\n return %4 }""",
        ["contraction(matmul broadcast add exp multiply)"],
    ),
    "stored too": (
        """f32[n, 4], f32[n, 4] { %BODY %3 = elementwise<exp> %0 : f32[n, 4]
          %4 = elementwise<multiply> %3, %2 : f32[n, 4]\n return %4, %0 }""",
        ["contraction(matmul broadcast add exp multiply)"],
    ),
    "read by sums of rows": (
        """f32[n, 4], f32[4] { %BODY %3 = elementwise<exp> %0 : f32[n, 4]
          %4 = reduce<add, axes=(1,)> %3 : f32[n]
          %5 = broadcast<(n, 4), axes=(0,)> %4 : f32[n, 4]
          %6 = elementwise<divide> %3, %5 : f32[n, 4]
          %7 = reduce<add, axes=(0,)> %2 : f32[4]\n return %6, %7 }""",
        ["matmul", "rows(broadcast add exp reduce broadcast divide reduce)"],
    ),
}


@pytest.mark.parametrize("label", CASES)
def test_what_follows_a_product_element_by_element_stays_with_it(label: str) -> None:
    rest, kernels = CASES[label]
    graph, _ = fuse(f"{HEAD} -> {rest.replace('%BODY', SHIFTED)}")
    assert shown(graph) == kernels


def test_numbers_of_columns_are_computed_once() -> None:
    graph, report = fuse(
        """graph @f(%x: f32[32, 8], %w: f32[8, 4], %b: f32[4]) -> f32[32, 4] {
          %0 = elementwise<negative> %b : f32[4]
          %1 = matmul %x, %w : f32[32, 4]
          %2 = broadcast<(32, 4), axes=(1,)> %0 : f32[32, 4]
          %3 = elementwise<add> %1, %2 : f32[32, 4]
          return %3
        }"""
    )
    assert shown(graph) == ["negative", "contraction(matmul broadcast add)"]
    assert "it is computed once a column" in reasons(report)


def test_cut_operands_are_read_where_they_are_unless_regrouped() -> None:
    graph, _ = fuse(
        """graph @f(%x: f32[n, 6, 4], %w: f32[4, 5], %v: f32[8, 5]) -> f32[n, 5], f32[n, 5] {
          %0 = slice<(0, 1, 0), stop=(n, 2, 4), step=(1, 1, 1)> %x : f32[n, 1, 4]
          %1 = reshape<(n, 4)> %0 : f32[n, 4]
          %2 = matmul %1, %w : f32[n, 5]
          %3 = slice<(0, 0, 0), stop=(n, 6, 4), step=(1, 3, 1)> %x : f32[n, 2, 4]
          %4 = reshape<(n, 8)> %3 : f32[n, 8]
          %5 = matmul %4, %v : f32[n, 5]
          return %2, %5
        }"""
    )
    assert shown(graph) == ["contraction(slice reshape matmul)", "slice", "reshape", "matmul"]


def test_each_product_turns_what_it_reads_itself() -> None:
    graph, _ = fuse(
        """graph @f(%x: f32[n, 4], %g: f32[n, 5]) -> f32[4, 5], f32[4, 5], f32[4, 5] {
          %0 = transpose<(1, 0)> %x : f32[4, n]
          %1 = elementwise<sin> %g : f32[n, 5]
          %2 = elementwise<exp> %g : f32[n, 5]
          %3 = matmul %0, %g : f32[4, 5]
          %4 = matmul %0, %1 : f32[4, 5]
          %5 = matmul %0, %2 : f32[4, 5]
          return %3, %4, %5
        }"""
    )
    assert sorted(shown(graph)) == [*["contraction(transpose matmul)"] * 3, "exp", "sin"]
