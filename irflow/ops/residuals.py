"""Which values a loop's steps keep for their gradients, and which the way back computes again."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from irflow.ir.builder import Builder
from irflow.ir.graph import Graph, Node, Value
from irflow.ops.broadcast import Broadcast, Reshape
from irflow.ops.constants import Constant
from irflow.ops.elementwise import Convert, Elementwise
from irflow.ops.operand import Handle
from irflow.ops.region_parts import inlined, new_region
from irflow.ops.shape import Transpose

CHEAP_FLOPS = 4
"""An element of so many operations is computed again sooner than kept."""

MOST_DEPTH = 4
"""Chains of what is computed again are no longer than this."""

_MOVES = (Broadcast, Constant, Convert, Reshape, Transpose)


def lightened(
    forward: Graph, backward: Graph, count: int, known: Collection[Value]
) -> tuple[Graph, Graph]:
    """A step's two parts with less between them: what is cheap is computed again on the way back.

        forward: s = sigmoid(x), r = 1 - s; keeps s, r      ->      keeps s
        backward: g * s * r                                 ->      g * s * (1 - s)

    Args:
        forward: `inputs -> outputs + residuals`; its outputs are changed.
        backward: `residuals + cotangents -> gradients`.
        count: how many outputs come before the residuals.
        known: values of `forward` that the way back has at no cost.

    Returns:
        The same two parts.
    """
    old = forward.outputs[count:]
    kept = list(old)
    for value in old:
        others = {*kept, *known} - {value}
        needed = _leaves(value, others)
        if needed is None or value in known:
            continue
        if _is_lighter(value, [leaf for leaf in dict.fromkeys(needed) if leaf not in others]):
            place = kept.index(value)
            kept[place : place + 1] = [x for x in dict.fromkeys(needed) if x not in kept]
    if kept == list(old):
        return forward, backward
    forward.set_outputs([*forward.outputs[:count], *kept])
    return forward, _completed(backward, old, kept)


def _leaves(value: Value, others: Collection[Value], depth: int = MOST_DEPTH) -> list[Value] | None:
    """What a value is computed from by cheap functions; None if it is made by another one."""
    node = value.node
    if node is None or not depth or not _is_cheap(node):
        return None
    found: list[Value] = []
    for operand in node.inputs:
        is_known = operand in others and not _is_literal(operand)
        inner = None if is_known else _leaves(operand, others, depth - 1)
        found += [operand] if inner is None else inner
    return found


def _is_literal(value: Value) -> bool:
    """Whether a value is one number everywhere."""
    node = value.node
    if node is not None and isinstance(node.op, Broadcast):
        return _is_literal(node.inputs[0])
    return node is not None and isinstance(node.op, Constant) and node.op.value.size == 1


def _is_cheap(node: Node) -> bool:
    if isinstance(node.op, Elementwise):
        return node.op.row.flops <= CHEAP_FLOPS
    if isinstance(node.op, Constant):
        return node.op.value.size == 1
    return isinstance(node.op, _MOVES)


def _is_lighter(value: Value, new: Sequence[Value]) -> bool:
    """Whether to keep other values, or none, is less; a copy in another order is no better."""
    if not new:
        return True
    node = value.node
    assert node is not None
    is_moved = isinstance(node.op, (Transpose, Reshape, Broadcast))
    sizes = [leaf.type.nbytes for leaf in new]
    if not is_moved or len(new) > 1:
        return False
    return sizes[0] == value.type.nbytes or isinstance(node.op, Broadcast)


def _completed(backward: Graph, old: Sequence[Value], kept: Sequence[Value]) -> Graph:
    """The way back from other residuals."""
    cotangents = [value.type for value in backward.inputs[len(old) :]]
    region, (given, rest) = new_region(backward.name, [v.type for v in kept], cotangents)
    builder = Builder(region)
    made = {value: handle.value for value, handle in zip(kept, given, strict=True)}
    residuals = [Handle(builder, _again(value, made, builder)) for value in old]
    results = inlined(builder, backward, [*residuals, *rest])
    region.set_outputs([handle.value for handle in results])
    return region


def _again(value: Value, made: dict[Value, Value], builder: Builder) -> Value:
    if value not in made:
        node = value.node
        assert node is not None
        builder.location = node.location
        operands = [_again(operand, made, builder) for operand in node.inputs]
        (made[value],) = builder.emit(node.op, operands)
    return made[value]
