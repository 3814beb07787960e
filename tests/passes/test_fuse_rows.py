"""Groups that need one row at a time become one kernel; others do not."""

from __future__ import annotations

from tests.passes.test_fuse import fuse, reasons, shown

CENTRED = """
  %0 = reduce<add, axes=(1,)> %x : f32[n]
  %1 = broadcast<(n, 8), axes=(0,)> %0 : f32[n, 8]
  %2 = elementwise<subtract> %x, %1 : f32[n, 8]
"""


def test_a_softmax_is_one_kernel() -> None:
    graph, report = fuse(
        """graph @softmax(%x: f32[n, 8]) -> f32[n, 8] {
          %0 = reduce<maximum, axes=(1,)> %x : f32[n]
          %1 = broadcast<(n, 8), axes=(0,)> %0 : f32[n, 8]
          %2 = elementwise<subtract> %x, %1 : f32[n, 8]
          %3 = elementwise<exp> %2 : f32[n, 8]
          %4 = reduce<add, axes=(1,)> %3 : f32[n]
          %5 = broadcast<(n, 8), axes=(0,)> %4 : f32[n, 8]
          %6 = elementwise<divide> %3, %5 : f32[n, 8]
          return %6
        }"""
    )
    assert shown(graph) == ["rows(reduce broadcast subtract exp reduce broadcast divide)"]
    assert "reduce would be repeated, or computed at another index" in reasons(report)


def test_numbers_of_rows_are_stored_too_where_they_are_read_elsewhere() -> None:
    graph, _ = fuse(
        f"""graph @f(%x: f32[n, 8]) -> f32[n, 8], f32[n] {{ {CENTRED}
          %3 = elementwise<exp> %0 : f32[n]
          return %2, %3
        }}"""
    )
    assert shown(graph) == ["rows(reduce broadcast subtract exp)"]
    assert [str(output.type) for output in graph.outputs] == ["f32[n, 8]", "f32[n]"]


def test_what_leads_through_another_kernel_is_not_joined() -> None:
    graph, _ = fuse(
        """graph @f(%x: f32[n, 8], %w: f32[8, 8]) -> f32[n, 8] {
          %0 = elementwise<exp> %x : f32[n, 8]
          %1 = matmul %0, %w : f32[n, 8]
          %2 = reduce<add, axes=(1,)> %1 : f32[n]
          %3 = broadcast<(n, 8), axes=(0,)> %2 : f32[n, 8]
          %4 = elementwise<subtract> %0, %3 : f32[n, 8]
          return %4
        }"""
    )
    assert shown(graph) == ["exp", "matmul", "rows(reduce broadcast subtract)"]


def test_rows_that_become_columns_are_not_joined() -> None:
    graph, _ = fuse(
        """graph @f(%x: f32[8, 8]) -> f32[8, 8] {
          %0 = reduce<add, axes=(1,)> %x : f32[8]
          %1 = broadcast<(8, 8), axes=(1,)> %0 : f32[8, 8]
          %2 = elementwise<subtract> %x, %1 : f32[8, 8]
          return %2
        }"""
    )
    assert shown(graph) == ["reduce", "loop(broadcast subtract)"]


def test_sums_of_columns_go_with_the_rows_that_they_are_made_of() -> None:
    text = f"""graph @f(%x: f32[n, 8]) -> f32[n, 8], f32[8] {{ {CENTRED}
      %3 = elementwise<multiply> %2, %x : f32[n, 8]
      %4 = reduce<add, axes=(0,)> %3 : f32[8]
      %5 = elementwise<exp> %4 : f32[8]
      return %2, %5
    }}"""
    graph, _ = fuse(text)
    assert shown(graph) == ["rows(reduce broadcast subtract multiply reduce exp)"]
    graph, _ = fuse(text.replace("8", "9000"))
    assert len(shown(graph)) == 2


def test_few_long_rows_are_not_joined() -> None:
    text = f"graph @f(%x: f32[n, 8]) -> f32[n, 8] {{ {CENTRED} return %2 }}"
    sizes = {"[n, 8]": "[3, 9000]", "(n, 8)": "(3, 9000)", "[n]": "[3]"}
    for old, new in sizes.items():
        text = text.replace(old, new)
    graph, _ = fuse(text)
    assert shown(graph) == ["reduce", "loop(broadcast subtract)"]


def test_sums_of_columns_go_with_rows_that_read_the_same() -> None:
    graph, _ = fuse(
        f"""graph @f(%a: f32[n, 4], %b: f32[4, 8]) -> f32[n, 8], f32[8] {{
          %x = matmul %a, %b : f32[n, 8] {CENTRED}
          %3 = reduce<add, axes=(0,)> %x : f32[8]
          return %2, %3
        }}"""
    )
    assert shown(graph) == ["matmul", "rows(reduce broadcast subtract reduce)"]
