"""The pass `inline`: named parts of a graph take the place of their calls."""

from __future__ import annotations

from typing import ClassVar

from irflow.ir.builder import Builder
from irflow.ir.graph import Graph, Node
from irflow.ops.control import Checkpoint
from irflow.ops.custom_jvp import CustomJvp
from irflow.ops.regions import Call, CustomVjp, region_sizes
from irflow.records import dataclass
from irflow.transform import Pass, PassContext

INLINED = (Call, Checkpoint, CustomJvp, CustomVjp)


@dataclass(frozen=True)
class Inline(Pass):
    """Replace calls by the nodes of their regions.

    Before: `call<"softmax">` with a region; functions with a derivative of the user's own; parts
        that their gradient computes again.
    After: their nodes; calls that the backend runs itself stay. Nested calls are inlined too.
    Keeps: the results bit by bit, and the locations of the nodes.
    Needs: gradients have been taken; the user's ones are dropped.
    """

    name: ClassVar[str] = "inline"

    def run(self, graph: Graph, context: PassContext) -> bool:
        changed = False
        node = graph.first
        while node is not None:
            if isinstance(node.op, INLINED) and not context.is_exhausted:
                if not context.claims(node):
                    node, changed = _inline(graph, node, context), True
                    continue
                context.explain(node, "the backend runs it itself")
            for region in node.regions:
                changed |= self.run(region, context)
            node = node.next
        return changed


def _inline(graph: Graph, node: Node, context: PassContext) -> Node | None:
    """Inline one call; the node at which the walk goes on, the first of those that are new."""
    context.count("inline_call", node)
    before = node.previous
    region = node.regions[0]
    sizes = region_sizes(node.op.name, region, [value.type for value in node.inputs])
    source = region.copy(sizes) if sizes else region
    graph.replace(node, Builder(graph, node, node.location).inline(source, node.inputs))
    return before.next if before is not None else graph.first
