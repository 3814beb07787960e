"""What attention reads its operands through: moves of elements, masks and short sums."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from irflow.dims import Size
from irflow.ir.graph import Graph, Node, Value
from irflow.ops.attention import Attention, AttentionGradient
from irflow.ops.broadcast import Broadcast, Reshape
from irflow.ops.concatenation import Concatenate
from irflow.ops.constants import Iota, SizeOf
from irflow.ops.elementwise import Convert, Elementwise
from irflow.ops.regions import Fusion
from irflow.ops.shape import Pad, Reverse, Slice, Transpose
from irflow.transform import PassContext
from irflow_passes.fusion import traits
from irflow_passes.fusion.outline import Unit

KIND = "attention"
# Operations an element that may be done anew wherever a block is read.
_MOST_FLOPS = 32
# So few queries read each key in a few blocks only, so that computing it there costs little.
_FEW_QUERIES = 256
_MOST_NODES = 64
_STRIDED = (Slice, Transpose, Broadcast)
_COMPUTED = (Elementwise, Convert, Iota, SizeOf, Reverse, Concatenate, Pad)


def absorb_prologues(graph: Graph, context: PassContext) -> bool:
    """Outline attention with what it may read its operands through; whether there was any.

    Slices and transposes become strides, so that heads are read where one projection left them.
    Masks and biases as large as the scores are computed where they join them. Other functions of
    queries and keys, as of their positions, only where few blocks would compute them anew.
    """
    nodes = [node for node in graph if isinstance(node.op, (Attention, AttentionGradient))]
    changed = False
    for node in nodes:
        if not context.is_exhausted and not context.claims(node):
            changed |= _absorb(graph, node, context)
    return changed


def _absorb(graph: Graph, node: Node, context: PassContext) -> bool:
    members = _Members(node).found()
    if not members:
        return False
    order = [other for other in graph if other in members]
    unit = Unit([*order, node], KIND, list(node.outputs))
    size = unit.undefined_size()
    if size is not None:
        context.explain(node, f"no input of the kernel has the size {size}")
        return False
    made = Node(Fusion(KIND), tuple(unit.inputs), (unit.region(KIND),), node.location)
    graph.replace(node, graph.insert(made, node).outputs)
    for other in reversed(order):
        if not other.is_read:
            graph.erase(other)
    context.count("absorb", made)
    return True


class _Members:
    """Collects the nodes that become part of the kernel of an attention."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.taken: dict[Node, None] = {}
        self.flops = 0

    def found(self) -> set[Node]:
        """The nodes."""
        for value, computes in self._operands():
            self._take(value, computes)
        return set(self.taken)

    def _operands(self) -> Iterator[tuple[Value, bool]]:
        """Operands that kernels read through functions, and whether these may compute."""
        inputs = self.node.inputs
        is_forward = isinstance(self.node.op, Attention)
        rows, terms = inputs[: 3 if is_forward else 4], inputs[3 if is_forward else 7 :]
        length = inputs[0].type.shape[-3]
        is_short = isinstance(length, int) and length <= _FEW_QUERIES
        for value in rows:
            yield value, is_short and _is_only_attended(value)
        for value in terms:
            yield value, 1 not in value.type.shape[-2:]

    def _take(self, value: Value, computes: bool) -> None:
        node = value.node
        if node is None or node in self.taken or len(self.taken) >= _MOST_NODES:
            return
        if not self._is_taken(node, computes):
            return
        self.taken[node] = None
        for operand in node.inputs:
            self._take(operand, computes)

    def _is_taken(self, node: Node, computes: bool) -> bool:
        if type(node.op) in _STRIDED or traits.is_scalar_constant(node):
            return True
        if type(node.op) is Reshape:
            return _only_splits(node.inputs[0].type.shape, node.output.type.shape)
        if not computes or type(node.op) not in _COMPUTED or _follows_contraction(node):
            return False
        flops = traits.flops(node)
        if self.flops + flops > _MOST_FLOPS:
            return False
        self.flops += flops
        return True


def _follows_contraction(node: Node) -> bool:
    """Whether a product computes this behind its sums, at no cost."""
    sources = [value.node for value in node.inputs]
    while any(source is not None and type(source.op) is Reshape for source in sources):
        sources = [s.inputs[0].node if s and type(s.op) is Reshape else s for s in sources]
    return any(source is not None and source.is_contraction for source in sources)


def _is_only_attended(value: Value, depth: int = 0) -> bool:
    """Whether attention is all that reads a value, perhaps through other functions."""
    readers = [user for user, _ in value.uses]
    if depth > 4 or not readers:
        return False
    for user in readers:
        if isinstance(user, Graph):
            return False
        if isinstance(user.op, (Attention, AttentionGradient)):
            continue
        if not isinstance(user.op, (*_STRIDED, Reshape)):
            return False
        if not _is_only_attended(user.output, depth + 1):
            return False
    return True


def _only_splits(shape: Sequence[Size], parts: Sequence[Size]) -> bool:
    """Whether a reshape leaves axes as they are, or cuts one into several; those of 1 are free."""
    wanted = [size for size in shape if size != 1]
    left = [size for size in parts if size != 1]
    for size in wanted:
        product: Size = 1
        while product != size:
            if not left:
                return False
            product = product * left.pop(0)
    return not left
