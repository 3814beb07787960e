"""The pass `decompose`: functions that a backend lacks, in terms of those it has."""

from __future__ import annotations

from typing import ClassVar

from irflow.errors import DTypeError
from irflow.ir.graph import Graph, Node, Value
from irflow.ops.attention import Attention, AttentionGradient
from irflow.ops.elementwise import Elementwise
from irflow.ops.operand import Handle
from irflow.records import dataclass
from irflow.transform import NoMatch, Pass, PassContext, Rewriter, Rule, RuleBuilder


@dataclass(frozen=True)
class Decompose(Pass):
    """Replace functions and attention that the backend lacks by their expansion into simpler ones.

    Before: `elementwise<tanh>` for a backend without tanh; `attention` for one without that.
    After: arithmetic and `exp`; repeated until the backend has every row, or it has no expansion.
        Products, with all scores in memory between them.
    Keeps: the results within the accuracy of the expansions.
    Needs: `context.lacks`, or option `rows`; run `cse` afterwards.

    Attributes:
        rows: names of rows to expand in any case, joined by `+`.
    """

    name: ClassVar[str] = "decompose"
    rows: str = ""

    def run(self, graph: Graph, context: PassContext) -> bool:
        names = frozenset(self.rows.split("+"))

        def expand_row(node: Node, build: RuleBuilder) -> Value | NoMatch | None:
            assert isinstance(node.op, Elementwise)
            row = node.op.row
            if row.name not in names and not context.lacks(node):
                return None
            if node.has_complex:
                return NoMatch("expansions hold for real numbers")
            if row.expand is None:
                return NoMatch(f"{row.name} has no expansion")
            try:
                result = row.expand(*(build.handle(value) for value in node.inputs))
            except DTypeError as error:  # some expansions are for floats only
                return NoMatch(f"the expansion of {row.name} does not fit: {error.summary}")
            assert isinstance(result, Handle)
            return result.value

        def expand_attention(node: Node, build: RuleBuilder) -> tuple[Value, ...] | None:
            assert isinstance(node.op, (Attention, AttentionGradient))
            if not context.lacks(node):
                return None
            parts = node.op.parts([build.handle(value) for value in node.inputs])
            return tuple(part.value for part in parts)

        rules = [
            Rule("expand_row", expand_row, (Elementwise,)),
            Rule("expand_attention", expand_attention, (Attention, AttentionGradient)),
        ]
        return Rewriter(rules, context).run(graph)
