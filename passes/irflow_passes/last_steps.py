"""The last element of a scan's stack is what the scan carries to its end; part of `hoist`.

    hs, h = scan …; hs[-1]      ->      h

If nothing else reads the stack, it is not made at all. If something does, it is as well read twice:
a carry that nobody reads at the end may lie in it.
"""

from __future__ import annotations

from irflow.ir.graph import Graph, Node, Value
from irflow.ops import Reshape, Scan
from irflow.ops.shape import Slice
from irflow.transform import PassContext, RuleBuilder
from irflow_passes.pruning import prune


def take_last_steps(graph: Graph, node: Node, context: PassContext) -> Node | None:
    """Read carries where nothing but the last elements of their stacks are read.

    Returns:
        The scan without these stacks; None if there are none.
    """
    op = node.op
    if not isinstance(op, Scan) or not isinstance(op.length, int) or op.length == 0:
        return None
    (body,) = node.regions
    carried = {value: i for i, value in enumerate(body.outputs[: op.carries])}
    place = 0 if op.reverse else op.length - 1
    found = False
    for value, stack in zip(body.outputs, node.outputs, strict=True):
        users = list(stack.users)
        if stack in node.outputs[: op.carries] or value not in carried or stack.is_output:
            continue
        if not users or not all(_takes_one(user, stack, place) for user in users):
            continue
        found = True
        for user in users:
            context.count("last_step", user)
            builder = RuleBuilder(graph, user)
            carry = node.outputs[carried[value]]
            graph.replace(user, builder.emit(Reshape(user.output.type.shape), [carry]))
    return (prune(graph, node) or node) if found else None


def _takes_one(user: Node, stack: Value, place: int) -> bool:
    """Whether a node takes the element of a stack that stands at a place, whole."""
    if not isinstance(user.op, Slice):
        return False
    shape = stack.type.shape
    start, stop = (place, *(0 for _ in shape[1:])), (place + 1, *shape[1:])
    return (user.op.start, user.op.stop) == (start, stop) and set(user.op.step) == {1}
