"""The pass `dce`: dead code elimination."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from irflow.analysis import every_graph
from irflow.ir.graph import Graph
from irflow.transform import Pass, PassContext


@dataclass(frozen=True)
class Dce(Pass):
    """Remove nodes whose results nobody reads.

    Before: nodes that no output depends on.
    After: every node is needed by an output of its graph. Inputs stay, used or not.
    Keeps: the results bit by bit.
    Needs: nothing.
    """

    name: ClassVar[str] = "dce"

    def run(self, graph: Graph, context: PassContext) -> bool:
        changed = False
        for part in every_graph(graph):
            changed |= _sweep(part, context)
        return changed


def _sweep(graph: Graph, context: PassContext) -> bool:
    """Backwards, so that a node is met after all its readers: one walk is enough."""
    changed = False
    for node in reversed(graph):
        if any(output.uses for output in node.outputs) or context.is_exhausted:
            continue
        context.count("remove_unused", node)
        graph.erase(node)
        changed = True
    return changed
