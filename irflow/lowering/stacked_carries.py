"""Carries that lie in a stack of their values, so that no repetition copies them.

    h = first                               stack[i] = f(i == 0 ? first : stack[i - 1], x[i])
    for i
      h = f(h, x[i]); stack[i] = h    ->

Where the stack holds what repetitions begin with, the next value goes to `stack[i + 1]`, and the
last one, for which there is no place, to a buffer of its own. Both are views that lie elsewhere at
one end of the loop (`LoopView`).
"""

from __future__ import annotations

from irflow.ir.graph import Graph, Node, Value
from irflow.lowering.steps import CopyStep, LoopStep, LoopView
from irflow.ops import Elementwise, Matmul, Scan
from irflow.ops.regions import Fusion
from irflow.records import dataclass


@dataclass(frozen=True, slots=True)
class StackedCarry:
    """Where a carry lies.

    Attributes:
        stack: which of the stacked outputs.
        is_old: whether that holds what repetitions begin with, not what they end with.
    """

    stack: int
    is_old: bool


def stacked_carries(body: Graph, node: Node, op: Scan) -> dict[int, StackedCarry]:
    """The carries that need no memory of their own, by position.

    Args:
        body: of the loop, without calls.
        node: the loop.
        op: of the loop.
    """
    old = body.inputs[op.constants : op.constants + op.carries]
    new, stacks = body.outputs[: op.carries], list(body.outputs[op.carries :])
    is_known = isinstance(op.length, int) and op.length > 0 and not op.reverse
    found: dict[int, StackedCarry] = {}
    for i, (before, after) in enumerate(zip(old, new, strict=True)):
        if new.count(after) > 1 or not _is_made(after):
            continue
        if after in stacks and not node.outputs[i].uses:
            found[i] = StackedCarry(stacks.index(after), is_old=False)
        elif before in stacks and after not in stacks and is_known:
            found[i] = StackedCarry(stacks.index(before), is_old=True)
    return found


def _is_made(value: Value) -> bool:
    """Whether a kernel of the body writes a value."""
    return value.node is not None and isinstance(value.node.op, Elementwise | Fusion | Matmul)


def first_value(source: int, view: int, stack: int) -> LoopStep:
    """What leaves the value before the first repetition in its place in a stack."""
    return LoopStep((), (CopyStep(source, view),), (stack,), 1, views=(LoopView(view, stack),))
