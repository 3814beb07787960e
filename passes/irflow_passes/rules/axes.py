"""Rules for permuted and reversed axes."""

# ruff: noqa: ARG001 -- all rules have one signature, needed or not

from __future__ import annotations

from typing import cast

from irflow.ir.graph import Graph, Node, Value
from irflow.ops.broadcast import Broadcast, Reshape
from irflow.ops.shape import Reverse, Slice, Transpose, inverse_permutation
from irflow.transform import RuleBuilder, rewrites
from irflow_passes.rules.match import made_by
from irflow_passes.rules.shapes import inserted_ones


@rewrites(Transpose)
def drop_identity_transpose(node: Node, build: RuleBuilder) -> Value | None:
    """`transpose<(0, 1, …)> x` is x."""
    assert isinstance(node.op, Transpose)
    return node.inputs[0] if node.op.perm == tuple(range(len(node.op.perm))) else None


@rewrites(Transpose)
def merge_transposes(node: Node, build: RuleBuilder) -> Value | None:
    """`transpose<p> transpose<q> x` is one transpose."""
    assert isinstance(node.op, Transpose)
    inner = made_by(node.inputs[0], Transpose)
    if inner is None:
        return None
    return build(Transpose(tuple(inner[1].perm[axis] for axis in node.op.perm)), inner[0].inputs[0])


@rewrites(Transpose)
def transpose_ones_to_reshape(node: Node, build: RuleBuilder) -> Value | None:
    """A transpose that moves only axes of size 1 is a reshape."""
    assert isinstance(node.op, Transpose)
    sizes = node.inputs[0].type.shape
    wide = [axis for axis in node.op.perm if sizes[axis] != 1]
    if wide != sorted(wide):
        return None
    return build(Reshape(node.output.type.shape), node.inputs[0])


@rewrites(Transpose)
def transpose_below_broadcast(node: Node, build: RuleBuilder) -> Value | None:
    """`transpose broadcast x` is `broadcast transpose x`, which moves fewer elements."""
    assert isinstance(node.op, Transpose)
    inner = made_by(node.inputs[0], Broadcast)
    if inner is None:
        return None
    producer, op = inner
    place = inverse_permutation(node.op.perm)
    moved = [place[axis] for axis in op.axes]
    order = tuple(sorted(range(len(moved)), key=moved.__getitem__))
    operand = producer.inputs[0]
    if order != tuple(range(len(order))):
        operand = build(Transpose(order), operand)
    return build(Broadcast(node.output.type.shape, tuple(sorted(moved))), operand)


@rewrites(Slice)
def slice_below_transpose(node: Node, build: RuleBuilder) -> Value | None:
    """`slice transpose x` is `transpose slice x`, if nobody wants the whole transpose."""
    assert isinstance(node.op, Slice)
    inner = made_by(node.inputs[0], Transpose)
    if inner is None or not all(_is_slice(user) for user, _ in node.inputs[0].uses):
        return None
    producer, op = inner
    place = inverse_permutation(op.perm)
    start, stop, step = (
        tuple(bounds[axis] for axis in place)
        for bounds in (node.op.start, node.op.stop, node.op.step)
    )
    return build(op, build(Slice(start, stop, cast(tuple[int, ...], step)), producer.inputs[0]))


def _is_slice(user: Node | Graph) -> bool:
    return isinstance(user, Node) and isinstance(user.op, Slice)


@rewrites(Reshape)
def drop_ones_below_transpose(node: Node, build: RuleBuilder) -> Value | None:
    """Axes of size 1 are taken away before the others are permuted."""
    assert isinstance(node.op, Reshape)
    inner = made_by(node.inputs[0], Transpose)
    if inner is None:
        return None
    producer, op = inner
    places = inserted_ones(node.op.shape, node.inputs[0].type.shape)
    if places is None or len(places) == len(op.perm):
        return None
    axes = [op.perm[place] for place in places]
    x, order = producer.inputs[0], sorted(axes)
    small = build(Reshape(tuple(x.type.shape[axis] for axis in order)), x)
    return build(Transpose(tuple(order.index(axis) for axis in axes)), small)


@rewrites(Reverse)
def drop_reverse(node: Node, build: RuleBuilder) -> Value | None:
    """Reversing axes of size 1, or none, changes nothing."""
    assert isinstance(node.op, Reverse)
    x = node.inputs[0]
    wide = tuple(axis for axis in node.op.axes if x.type.shape[axis] != 1)
    if wide == node.op.axes:
        return x if not wide else None
    return build(Reverse(wide), x) if wide else x


@rewrites(Reverse)
def merge_reverses(node: Node, build: RuleBuilder) -> Value | None:
    """An axis reversed twice is not reversed."""
    assert isinstance(node.op, Reverse)
    inner = made_by(node.inputs[0], Reverse)
    if inner is None:
        return None
    axes = tuple(sorted(set(node.op.axes) ^ set(inner[1].axes)))
    x = inner[0].inputs[0]
    return build(Reverse(axes), x) if axes else x


RULES = (
    drop_identity_transpose,
    merge_transposes,
    transpose_ones_to_reshape,
    transpose_below_broadcast,
    slice_below_transpose,
    drop_ones_below_transpose,
    drop_reverse,
    merge_reverses,
)
