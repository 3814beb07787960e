"""Equality of graphs, their hash, and what is said about a difference."""

import pytest

from irflow.ir import Graph
from irflow.ir.compare import diff_text, first_difference, is_equal, structural_hash
from irflow.ir.parse import parse_graph

TEXT = """graph @g(%x: f32[n], %s: f32[4] state("s")) -> f32[n], f32[4] update("s") {
  %0 = elementwise<tanh> %x : f32[n]   // m.py:1
  %1 = elementwise<subtract> %0, %x : f32[n]
  %2 = test_attributes<1.0, flag=true> %x, %s : f32[]
  %3 = test_call<"f"> %s : f32[4] {
    (%b: f32[4]) -> f32[4]
    %0 = elementwise<exp> %b : f32[4]
    return %0
  }
  %4 = constant<dense(f32[2], [1.0, nan])> : f32[2]
  return %1, %3
}
"""


def variant(old: str, new: str) -> Graph:
    assert old in TEXT
    return parse_graph(TEXT.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("@g(", "@h("),
        ("// m.py:1", "// other.py:9"),
        ("%x", "%argument"),
        ("%b", "%7"),
        ("%1", "%difference"),
        ("%x: f32[n],", '%x: f32[n] argument("name"),'),
        ("", ""),
    ],
)
def test_names_and_locations_mean_nothing(old: str, new: str) -> None:
    graph, other = parse_graph(TEXT), variant(old, new)
    assert is_equal(graph, other)
    assert structural_hash(graph) == structural_hash(other)
    assert first_difference(graph, other) is None


@pytest.mark.parametrize(
    ("old", "new", "difference"),
    [
        ("<tanh>", "<exp>", "equation 0 differs in attribute row"),
        ("%0, %x", "%x, %0", "equation 1 differs in operands"),
        ("<1.0,", "<1,", "equation 2 differs in attribute value"),
        ("<1.0, flag=true>", "<-1.0>", "equation 2 differs in attribute value, attribute flag"),
        ("%x, %s :", "%x :", "equation 2 differs in numbers of operands"),
        ("1.0, nan", "-1.0, nan", "equation 5 differs in attribute value"),
        ("<exp>", "<tanh>", "equation 4 differs in attribute row"),
        (
            "elementwise<tanh> %x : f32[n]",
            "reverse<(0,)> %x : f32[n]",
            "equation 0 differs in operations",
        ),
        ("  return %1", "  %5 = test_attributes : f32[]\n  return %1", "equation 6 stands in one"),
        ("return %1,", "return %0,", "the outputs differ"),
        ("return %0", "return %b", "the outputs differ"),
        ("%s: f32[4] state", "%s: f32[4] parameter", "a header differs"),
        ('update("s")', 'update("t")', "a header differs"),
        ("f32[n]", "f32[m]", "a header differs"),
        ('update("s") {', 'update("s") where n <= 9 {', "a header differs"),
        ("%x: f32[n],", '%x: f32[n] parameter("x"),', "a header differs"),
    ],
)
def test_everything_else_makes_a_difference(old: str, new: str, difference: str) -> None:
    graph, other = parse_graph(TEXT), variant(old, new)
    assert not is_equal(graph, other)
    assert structural_hash(graph) != structural_hash(other)
    found = first_difference(graph, other)
    assert found is not None
    assert found.startswith(difference)


def test_a_header_of_many_lines() -> None:
    inputs = ", ".join(f"%long_name_{i}: f32[100, 100]" for i in range(9))
    graph, other = (
        parse_graph(f"graph @g({inputs}, %x: {t}[]) {{ return }}") for t in ("f32", "f64")
    )
    assert first_difference(graph, other) == "a header differs\n  - %9: f32[]\n  + %9: f64[]"


def test_the_layout_of_a_difference() -> None:
    assert first_difference(parse_graph(TEXT), variant("%0, %x", "%x, %0")) == (
        "equation 1 differs in operands\n"
        "  - %3 = elementwise<subtract> %2, %0 : f32[n]\n"
        "  + %3 = elementwise<subtract> %0, %2 : f32[n]"
    )


def test_the_hash_is_the_same_in_every_process() -> None:
    graph = parse_graph("graph @g(%x: f32[n]) -> f32[n] { return %x }")
    assert structural_hash(graph).startswith("25267b699d76")


def test_diff() -> None:
    assert diff_text(parse_graph(TEXT), parse_graph(TEXT)) == ""
    lines = diff_text(parse_graph(TEXT), variant("<tanh>", "<exp>"), to_name="after").splitlines()
    assert lines[:2] == ["--- a", "+++ after"]
    assert [line for line in lines[2:] if line[0] in "+-"] == [
        "-  %0 = elementwise<tanh> %x : f32[n]",
        "+  %0 = elementwise<exp> %x : f32[n]",
    ]
