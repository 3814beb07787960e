"""Reading graph text: what is accepted, and every way to be wrong."""

import random
import re

import numpy as np
import pytest

from irflow.errors import TextError
from irflow.ir import DenseArray
from irflow.ir.parse import parse_graph
from irflow.ir.print import print_graph
from irflow.location import Location

TEXT = """graph @g(%x: f32[n, 4], %y: f32[n, 4] state("s")) -> f32[n, 4] where 1 <= n <= 64 {
  %0 = elementwise<add> %x, %y : f32[n, 4]   // model.py:14
  %1 = test_attributes<(1, (2.5,)), sizes=(n, 2*n + 1), label="a//b"> : f32[]
  %2 = constant<dense(f32[2], [1.0, nan])> : f32[2]
  %3 = test_call<"f"> %0 : f32[n, 4] {   // model.py:15
    (%a: f32[n, 4]) -> f32[n, 4]
    return %a
  }
  return %3
}
"""

WRONG = [
    ("graph @g", "grap @g", 1, 1, "expected 'graph', found 'grap'"),
    ("@g(", "@(", 1, 8, "expected the graph's name, found '('"),
    ("%x: f32", "x: f32", 1, 10, "expected a value such as %x, found 'x'"),
    ("f32[n, 4], %y", "f33[n, 4], %y", 1, 14, "unknown dtype 'f33'"),
    ("f32[n, 4], %y", "f32[n, -4], %y", 1, 21, "an axis has the negative size -4"),
    ("f32[n, 4], %y", "f32[n, 4 +], %y", 1, 24, "malformed size: expected a size"),
    ("f32[n, 4], %y", "f32[n, n^99], %y", 1, 21, "the size is too large or too complicated"),
    ("f32[n, 4], %y", f"f32[n, {'9' * 30}], %y", 1, 21, "the size is too large"),
    ("f32[n, 4], %y", "f32[n, ], %y", 1, 21, "expected a size"),
    ("f32[n, 4], %y", "f32[n, 4, %y", 1, 31, "expected ']', found '['"),
    ("%y: f32", "%x: f32", 1, 29, "%x is defined twice"),
    ("state(", "stat(", 1, 39, "unknown role 'stat'"),
    ('"s"', '"s', 1, 45, "expected a string"),
    ('"s"', '"\\q"', 1, 45, "malformed string"),
    (" where", " were", 1, 64, "expected '{', found 'were'"),
    ("n <= 64", "m <= 64", 1, 70, "no type mentions the size m"),
    ("n <= 64", "n <= 0", 1, 70, "malformed constraint"),
    ("n <= 64", f"n <= {'9' * 99}", 1, 70, "a bound is too large"),
    ("-> f32[n, 4]", "-> f32[n, 5]", 1, 54, "the output is declared f32[n, 5], but f32[n, 4] is"),
    ("-> f32[n, 4] where", "where", 9, 3, "1 values are returned, 0 declared"),
    ("%0 = elem", "elem", 2, 3, "elementwise has 1 results, 0 are named"),
    ("%0 = elem", "%0, %1 = elem", 2, 3, "elementwise has 1 results, 2 are named"),
    ("%0 = elem", "%x = elem", 2, 3, "%x is defined twice"),
    ("elementwise", "elementwis", 2, 8, "unknown op 'elementwis'"),
    ("<add>", "<ad>", 2, 20, "unknown scalar function 'ad'"),
    ("<add>", "", 2, 8, "elementwise: attribute row is missing"),
    ("<add>", '<"add">', 2, 20, "elementwise: row must be Scalar, not \"add\""),
    ("<add>", "<add, add>", 2, 25, "elementwise: only the first attribute goes without a name"),
    ("<add>", "<add, row=add>", 2, 29, "elementwise: row is given twice"),
    ("<add>", "<add, raw=add>", 2, 29, "unknown attribute of elementwise 'raw'"),
    ("<add>", "<add", 2, 28, "expected an attribute, found '%y'"),
    ("<add>", "<tanh>", 2, 8, "tanh takes 1 operands, not 2"),
    ("%x, %y :", "%x :", 2, 8, "add takes 2 operands, not 1"),
    ("%x, %y :", "%x, %1 :", 2, 29, "unknown value '1'"),
    ("%y : f32[n, 4]", "%y : f32[n, 5]", 2, 34, "declared f32[n, 5], but elementwise gives f32["),
    ("%y : f32[n, 4]", "%y", 2, 8, "declared nothing, but elementwise gives f32[n, 4]"),
    ("(2.5,)", "(2.5)", 3, 30, "malformed size: expected ')', found '.'"),
    ("(2.5,)", "{}", 3, 28, "expected an attribute, found '{'"),
    ("(2.5,)", "(" * 70 + ")" * 70, 3, 91, "nested more than 64 deep"),
    ("(2.5,)", "9" * 500, 3, 28, "the number is too long"),
    ("sizes=(", "sizes=1, value=(", 3, 43, "test_attributes: sizes must be tuple[Size, ...], n"),
    ("sizes=(", "sizes=(1.5, ", 3, 43, "test_attributes: sizes must be tuple[Size, ...], "),
    ("label=", "label=(),scale=", 3, 63, "test_attributes: label must be str | None, not ()"),
    ("label=", "scale=true, label=", 3, 63, "test_attributes: scale must be float, not true"),
    ("label=", "pair=(1,), label=", 3, 62, "test_attributes: pair must be tuple[int, float], "),
    ("label=", "dtype=f31, label=", 3, 63, "unknown dtype 'f31'"),
    ("test_attributes<", "test_pair<", 3, 18, "test_pair takes no attributes"),
    ("test_attributes<", "test_trusting<value=", 3, 47, "unknown attribute of test_trusting"),
    ("[1.0, nan]", "[1.0]", 4, 31, "1 elements in an axis of size 2"),
    ("[1.0, nan]", "[1.0, 1e60]", 4, 17, "a number is too large for f32"),
    ("[1.0, nan]", "[1.0, true]", 4, 17, "an element is no f32: True"),
    ("[1.0, nan]", "[1.0, [2.0]]", 4, 37, "expected a number, found '['"),
    ("dense(f32[2]", "dense(i8[2]", 4, 17, "an element is no i8: 1.0"),
    ("dense(f32[2]", "dense(f32[n]", 4, 17, "an array has no symbolic sizes: f32[n]"),
    ("f32[2], [1.0, nan]", "u8[1], [256]", 4, 17, "256 is outside of u8"),
    ("dense(f32[2], [1.0, nan]", 'data(f32[2], "AAAA"', 4, 17, "3 bytes of data"),
    ("dense(f32[2], [1.0, nan]", 'data(f32[2], "A?"', 4, 17, "malformed base64"),
    ("dense(f32[2], [1.0, nan]", 'data(bool[1], "Ag=="', 4, 17, "a bool is stored as a byte other"),
    ("dense(f32[2], [1.0, nan]", 'resource(f32[2], "c1"', 4, 17, "unknown resource 'c1'"),
    ("dense(f32[2], [1.0, nan]", 'resource(f32[2], "c0"', 4, 17, "resource 'c0' is f64[3], not"),
    ("return %a", "return %0", 7, 12, "%0 is defined outside of the region"),
    ("(%a: f32[n, 4])", "(%a: f32[n, 3])", 6, 24, "the output is declared f32[n, 4], but f32[n"),
    ("return %3\n}", "return %3\n} }", 10, 3, "expected the end of the text, found '}'"),
    ("return %3\n}", "return %3\n", 11, 1, "expected '}', found the end of the text"),
    ("  return %3\n}\n", "", 9, 1, "expected an operation, found the end of the text"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "line", "column", "problem"), WRONG)
def test_what_is_wrong_is_shown(old: str, new: str, line: int, column: int, problem: str) -> None:
    assert TEXT.count(old) >= 1
    text = TEXT.replace(old, new, 1)
    with pytest.raises(TextError) as caught:
        parse_graph(text, {"c0": DenseArray(np.zeros(3))})
    assert caught.value.summary.startswith(f"line {line}, column {column}: {problem}")
    *_, (excerpt,), (caret,) = caught.value.facts
    shown = [*text.splitlines(), ""][line - 1]
    at = caret.index("^")
    assert excerpt in shown
    assert excerpt[at : at + 3] == shown[column - 1 : column + 2][: len(excerpt) - at]


def test_the_layout_of_an_error() -> None:
    with pytest.raises(TextError) as caught:
        parse_graph(TEXT.replace("<add>", "<ad>"))
    assert str(caught.value).splitlines() == [
        "line 2, column 20: unknown scalar function 'ad'",
        "    %0 = elementwise<ad> %x, %y : f32[n, 4]   // model.py:14",
        "                     ^",
        "  hint: did you mean 'add'?",
    ]


def test_an_op_that_trusts_its_attributes_cannot_crash() -> None:
    with pytest.raises(TextError, match="line 1, column 14: the operation is not valid: Attr"):
        parse_graph("graph @g() { test_trusting<1> return }")


def test_the_version_comment() -> None:
    text = "// irflow graph text 1\ngraph @g() { return }"
    assert print_graph(parse_graph(text)) == "graph @g() {\n  return\n}\n"
    with pytest.raises(TextError, match="this is graph text 2, not 1"):
        parse_graph(text.replace("1", "2"))


def test_locations() -> None:
    lines = TEXT.splitlines()
    lines[2] += " // see there"
    nodes = list(parse_graph("\n".join(lines)))
    assert [node.location for node in nodes] == [
        Location("model.py", 14),
        None,
        None,
        Location("model.py", 15),
    ]


def test_free_layout_names_and_comments() -> None:
    graph = parse_graph(
        "graph // a\n@ g ( // b:3\n %x :f32 [n//2,n%3 , min(n, 3)], %7: f32[]) ->f32[]{"
        "%k=elementwise < row = add > %7 ,%7:f32[] return %k} // end"
    )
    (node,) = graph
    assert [value.hint for value in (*graph.inputs, node.output)] == ["x", "", "k"]
    assert str(graph.inputs[0].type) == "f32[n//2, n%3, min(n, 3)]"


def test_sizes_share_the_bounds_of_the_header() -> None:
    graph = parse_graph(TEXT)
    (symbol,) = graph.symbols
    assert (symbol.lower, symbol.upper) == (1, 64)


def test_an_int_where_a_float_belongs_is_a_float() -> None:
    (node,) = parse_graph(
        "graph @g() { %0 = test_attributes<scale=2, pair=(1, 1)> : f32[] return }"
    )
    assert repr((node.op.scale, node.op.pair)) == "(2.0, (1, 1.0))"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "part",
    ["{ ( ) ", "(", "dense(f32[], (", "%0 = test_call : f32[] { () ", "-(", "graph @g() {", "<"],
)
def test_deep_nesting_is_an_error(part: str) -> None:
    head = "graph @g() { %0 = test_attributes<"
    for text in (part * 5000, head + part * 5000, f"graph @g(%x: f32[{part * 5000}"):
        with pytest.raises(TextError):
            parse_graph(text)


def test_long_text_takes_linear_time() -> None:
    lines = [f"%{i + 1} = elementwise<tanh> %{i} : f32[] // m.py:1" for i in range(2000)]
    text = "\n".join(["graph @g(%0: f32[]) -> f32[] {", *lines, "return %2000 }"])
    assert len(parse_graph(text)) == 2000


def test_damaged_text_is_refused_or_read() -> None:
    """Never another error than TextError."""
    chooser = random.Random(0)
    pieces = re.findall(r"\w+|\s+|.", TEXT)
    refused = malformed = 0
    for _ in range(1500):
        damaged = list(pieces)
        for _ in range(chooser.randint(1, 3)):
            place = chooser.randrange(len(damaged))
            damaged[place : place + chooser.randint(0, 2)] = [chooser.choice(pieces)]
        try:
            print_graph(parse_graph("".join(damaged)))
        except TextError as error:
            refused += 1
            malformed += not re.match(r"line \d+, column \d+: ", error.summary)
    assert 800 < refused < 1500
    assert malformed == 0
