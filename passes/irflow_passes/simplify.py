"""The pass `simplify`: algebra on elementwise nodes."""

from __future__ import annotations

from typing import ClassVar

from irflow.ir.graph import Graph
from irflow.records import dataclass
from irflow.transform import Pass, PassContext, Rewriter
from irflow_passes.rules import affine, algebra, logic, sums

RULES = (*affine.RULES, *algebra.RULES, *logic.RULES, *sums.RULES)


@dataclass(frozen=True)
class Simplify(Pass):
    """Apply the algebra of numbers, as far as floats obey it.

    Before: `x * 1`, `x / 8`, `-(-x)`, `x ** 2`, `where(c, x, x)`, `(i + 2) + 3`; batch
        normalisation by known moments, and sums of what it multiplies by numbers of channels.
    After: `x`, `x * 0.125`, `x`, `square x`, `x`, `i + 5` (once folded); one scale and one shift
        behind the product, in its weights where these are constants; fewer sums.
    Keeps: the results bit by bit, infinities, NaN and signed zeros included, but for powers with a
        constant exponent, which may differ in the last place, the sign of NaN, and what `affine`
        and `sums` do, which moves roundings as large as those of the product or sum itself.
    Needs: constants as second operands, as `canonicalize` leaves them.
    """

    name: ClassVar[str] = "simplify"

    def run(self, graph: Graph, context: PassContext) -> bool:
        return Rewriter(RULES, context).run(graph)
