"""The pass `rematerialize`: less memory for some arithmetic."""

from __future__ import annotations

from typing import ClassVar

from irflow.analysis import every_graph
from irflow.errors import UsageError
from irflow.ir.graph import Graph, Node
from irflow.ir.op import Lowering
from irflow.ops.barrier import OptimizationBarrier
from irflow.records import dataclass
from irflow.transform import Pass, PassContext
from irflow_passes.recompute.choice import choose
from irflow_passes.recompute.edit import Editor
from irflow_passes.recompute.memory import CHEAP, Memory, Peak

ROUNDS = 8


@dataclass(frozen=True)
class Rematerialize(Pass):
    """Compute values again behind the turn of a graph instead of keeping them across it.

    The *turn* is the place in the order of nodes where most bytes are alive. In a training step
    that is where the forward part ends and the gradient begins, as the gradient takes the forward
    values in the opposite order; no roles are asked for, so any graph has one. What is kept across
    the turn is a minimum cut between what may not be computed again and what is read behind it.
    If fewer bytes are alive at the most then, anywhere, the edit stays, and the next turn is
    looked for.

    Before: `h = gelu z` for the next layer, and `h` again in the gradient: `z` and `h` are kept.
    After: in front of the gradient's node `optimization_barrier z`, and `gelu` of it once more;
        only `z` is kept. A value is computed at most twice.
    Keeps: the results bit by bit: the same operations are applied. Never more bytes are alive;
        symbolic sizes count as 64.
    Needs: `cse`, `dce` and `hoist` before, `fuse` afterwards. Takes time at run time; in no level.

    Attributes:
        recompute: `cheap` for elementwise functions, moves of elements and random bits; `all`
            also for what else takes fewer bytes than it makes, such as the outer product of two
            vectors, but for control flow and what runs on the host.
        limit: nothing is done while so many bytes, or fewer, are alive.
    """

    name: ClassVar[str] = "rematerialize"
    recompute: str = "cheap"
    limit: int = 0

    def __post_init__(self) -> None:
        if self.recompute not in ("cheap", "all"):
            raise UsageError(
                f"rematerialize: recompute is 'cheap' or 'all', not {self.recompute!r}"
            )

    def run(self, graph: Graph, context: PassContext) -> bool:
        changed = False
        for part in every_graph(graph):
            changed |= self._reduce(part, context)
        return changed

    def _reduce(self, graph: Graph, context: PassContext) -> bool:
        changed = False
        for _ in range(ROUNDS):
            memory = Memory(graph)
            peak = memory.peak()
            if peak.nbytes <= self.limit or context.is_exhausted:
                break
            if not self._improve(graph, memory, peak, context):
                break
            changed = True
        return changed

    def _improve(self, graph: Graph, memory: Memory, peak: Peak, context: PassContext) -> bool:
        """Make the edit for one turn, if it lowers the peak."""
        trial = graph.copy()
        self._edit(trial, Memory(trial), peak, context)
        turn = memory.order[peak.position - 1]
        lower = Memory(trial).peak()
        if lower.nbytes >= peak.nbytes:
            return False
        context.count("rematerialize", turn)
        context.explain(turn, f"{peak.nbytes} bytes are alive behind it, now {lower.nbytes}")
        self._edit(graph, memory, peak, context)
        return True

    def _edit(self, graph: Graph, memory: Memory, peak: Peak, context: PassContext) -> None:
        choice = choose(memory, peak.position, lambda node: self._may_repeat(node, memory, context))
        Editor(graph, memory, choice).run()

    def _may_repeat(self, node: Node, memory: Memory, context: PassContext) -> bool:
        if context.claims(node):
            return False
        if isinstance(node.op, CHEAP):
            return True
        if self.recompute == "cheap" or isinstance(node.op, OptimizationBarrier):
            return False
        if node.regions or node.lowering is Lowering.HOST:
            return False
        taken = sum(memory.nbytes(value) for value in node.inputs if not memory.is_free(value))
        return taken < sum(map(memory.nbytes, node.outputs))
