"""The pass `canonicalize`: one form for what can be written in several."""

from __future__ import annotations

from typing import ClassVar

from irflow.ir.graph import Graph
from irflow.records import dataclass
from irflow.transform import Pass, PassContext, Rewriter
from irflow_passes.rules import (
    axes,
    converting,
    convolving,
    elementwise,
    gradients,
    layouts,
    pieces,
    reducing,
    rows,
    shapes,
    windows,
)

RULES = (
    *axes.RULES,
    *shapes.RULES,
    *pieces.RULES,
    *converting.RULES,
    *gradients.RULES,
    *elementwise.RULES,
    *reducing.RULES,
    *convolving.RULES,
    *rows.RULES,
    *layouts.RULES,
    *windows.RULES,
)


@dataclass(frozen=True)
class Canonicalize(Pass):
    """Bring every node into one form: merge moves of elements, drop those that do nothing.

    Before: any graph, e.g. `transpose transpose x`, `2 + x`, `exp broadcast x`, a convolution by
        windows of one pixel, `f(reshape matmul(x, w))`.
    After: `x`, `x + 2`, `broadcast exp x`, a matrix product, `reshape f(matmul(x, w))`; no rule of
        `irflow_passes.rules` matches any more. Transposes between layers with channels first have
        met and cancelled, zeros around images are padding of what sees them.
    Keeps: the results bit by bit, but for the order of sums that are merged or become those of a
        matrix product, and the sign of zeros in sums; regions get the same treatment.
    Needs: nothing; after differentiation, as gradient markers are dropped.
    """

    name: ClassVar[str] = "canonicalize"

    def run(self, graph: Graph, context: PassContext) -> bool:
        return Rewriter(RULES, context).run(graph)
