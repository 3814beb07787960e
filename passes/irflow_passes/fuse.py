"""The pass `fuse`: groups of nodes become kernels."""

from __future__ import annotations

from typing import ClassVar

from irflow.ir.graph import Graph
from irflow.ops.regions import Fusion
from irflow.records import dataclass
from irflow.transform import Pass, PassContext
from irflow_passes.fusion.outline import Outliner
from irflow_passes.fusion.plan import Planner
from irflow_passes.fusion.prologues import absorb_prologues
from irflow_passes.fusion.rows import RowMerger
from irflow_passes.fusion.sums import SumMerger


@dataclass(frozen=True)
class Fuse(Pass):
    """Outline nodes that one kernel can compute into `fusion` nodes.

    A *loop* computes results of one shape, element by element, with all that is needed for an
    element. A *reduce* also has reductions, all over the same axes of the same shape, with what
    they read before and what follows at the reduced shape. A *contraction* has one matrix product
    or convolution, moves of elements in front of it, and the elementwise functions behind, which
    stay with it whatever reads them. *Rows* are several of the first two that need one row of the
    last axis at a time, as a softmax does; sums down the columns of what they make, or read, go
    with them. Other reductions of the same data over the same axes share a kernel too. *Attention*
    has the moves of elements, masks and short functions that it reads its operands through.

    Before: elementwise nodes, moves of elements, reductions and contractions.
    After: `fusion<kind>` nodes with one region each; a node that found no company stays as it is.
    Keeps: the results bit by bit: the same operations are applied. What is cheap may be computed
        in two kernels; what costs more than 8 operations is computed once an element.
    Needs: `dce` before; nothing after it may depend on single nodes. Notes say why neighbours
        were not fused.

    Attributes:
        nodes: the most nodes of a kernel.
        inputs: the most inputs of a kernel.
    """

    name: ClassVar[str] = "fuse"
    nodes: int = 64
    inputs: int = 32

    def run(self, graph: Graph, context: PassContext) -> bool:
        changed = False
        for node in graph:
            if isinstance(node.op, Fusion) or (node.regions and context.claims(node)):
                continue
            for region in node.regions:
                changed |= self.run(region, context)
        if context.is_exhausted:
            return changed
        changed |= absorb_prologues(graph, context)
        planner = Planner(graph, context, (self.nodes, self.inputs), context.claims)
        RowMerger(graph, planner).run()
        SumMerger(graph, planner).run()
        made = Outliner(graph, planner).run()
        if made and graph.last is not None:
            context.count("outline", graph.last)
        return changed or made > 0
