"""Are two graphs the same? Equality, a hash, the first difference, and a diff.

Two graphs are equal when they apply the same operations to the same operands in the same order,
with equal types, roles, bounds of sizes and content of constants. Names of graphs, values and
arguments, and locations, mean nothing. The test is the text: printed without these names, with a
digest in the place of each array, equal graphs have equal lines.
"""

from __future__ import annotations

import difflib
import hashlib
from itertools import zip_longest

from irflow.ir.attributes import DenseArray
from irflow.ir.graph import Graph, Node
from irflow.ir.print import Line, format_attribute, graph_lines, op_fields, print_graph


def structural_hash(graph: Graph) -> str:
    """A sha256 in hexadecimal digits, the same for equal graphs, in every process."""
    hasher = hashlib.sha256()
    for line in _lines(graph):
        hasher.update(line.text.encode() + b"\n")
    return hasher.hexdigest()


def is_equal(a: Graph, b: Graph) -> bool:
    """Whether two graphs differ in nothing that means something."""
    return [line.text for line in _lines(a)] == [line.text for line in _lines(b)]


def first_difference(a: Graph, b: Graph) -> str | None:
    """Where two graphs differ first and how, in a few lines; None when they are equal.

    Values are numbered in both, inputs first.
    """
    equation = 0
    for left, right in zip_longest(_lines(a), _lines(b)):
        if left is None or right is None or left.text != right.text:
            return _describe(left, right, equation)
        equation += left.node is not None
    return None


def diff_text(a: Graph, b: Graph, *, from_name: str = "a", to_name: str = "b") -> str:
    """A unified diff of the printed graphs without locations; empty when they print alike."""
    before, after = (print_graph(graph, locations=False).splitlines() for graph in (a, b))
    lines = difflib.unified_diff(before, after, from_name, to_name, lineterm="")
    return "".join(f"{line}\n" for line in lines)


def _lines(graph: Graph) -> list[Line]:
    return graph_lines(graph, named=False, array=_digest)


def _digest(array: DenseArray) -> str:
    return f"sha256:{array.digest}"


def _describe(left: Line | None, right: Line | None, equation: int) -> str:
    rows = [f"  {side} {line.text.strip()}" for side, line in (("-", left), ("+", right)) if line]
    if left and right and left.node and right.node:
        reasons = ", ".join(_reasons(left.node, right.node))
        return "\n".join([f"equation {equation} differs in {reasons or 'operands'}", *rows])
    if (left and left.node) or (right and right.node):
        return "\n".join([f"equation {equation} stands in one graph only", *rows])
    is_header = left is not None and not left.text.lstrip().startswith("return")
    return "\n".join(["a header differs" if is_header else "the outputs differ", *rows])


def _reasons(left: Node, right: Node) -> list[str]:
    """What about two equations differs; the numbers of operands are compared by the caller."""
    if type(left.op) is not type(right.op):
        return ["operations"]
    reasons = [
        f"attribute {name}"
        for name in op_fields(left.op)
        if _attribute(left, name) != _attribute(right, name)
    ]
    if [value.type for value in left.outputs] != [value.type for value in right.outputs]:
        reasons.append("result types")
    if len(left.inputs) != len(right.inputs):
        reasons.append("numbers of operands")
    return reasons


def _attribute(node: Node, name: str) -> str:
    return format_attribute(getattr(node.op, name), _digest)
