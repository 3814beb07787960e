"""The pass `dce`: dead code elimination."""

from __future__ import annotations

from typing import ClassVar

from irflow.ir.graph import Graph, Node
from irflow.records import dataclass
from irflow.transform import Pass, PassContext
from irflow_passes.pruning import prune


@dataclass(frozen=True)
class Dce(Pass):
    """Remove nodes whose results nobody reads, and such results of branches and loops.

    Before: nodes that no output depends on; carries that lead nowhere, outputs of a scan and of
        branches that are not read.
    After: every node is needed by an output of its graph. Inputs of the graph stay, used or not.
    Keeps: the results bit by bit.
    Needs: nothing.
    """

    name: ClassVar[str] = "dce"

    def run(self, graph: Graph, context: PassContext) -> bool:
        return _sweep(graph, context)


def _sweep(graph: Graph, context: PassContext) -> bool:
    """Backwards, so that a node is met after all its readers: one walk is enough."""
    changed = False
    for node in reversed(graph):
        if context.is_exhausted:
            break
        if node.is_read:
            changed |= _sweep_regions(graph, node, context)
            continue
        context.count("remove_unused", node)
        graph.erase(node)
        changed = True
    return changed


def _sweep_regions(graph: Graph, node: Node, context: PassContext) -> bool:
    """Sweep the regions, and drop what they give for nothing, as long as one leads to the other."""
    changed = False
    while True:
        for region in node.regions:
            changed |= _sweep(region, context)
        smaller = None if context.is_exhausted else prune(graph, node)
        if smaller is None:
            return changed
        context.count("prune_results", smaller)
        node, changed = smaller, True
