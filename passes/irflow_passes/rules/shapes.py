"""Rules for reshapes and broadcasts."""

# ruff: noqa: ARG001 -- all rules have one signature, needed or not

from __future__ import annotations

from collections.abc import Sequence

from irflow.dims import Size
from irflow.ir.graph import Node, Value
from irflow.ops.broadcast import Broadcast, Reshape
from irflow.transform import RuleBuilder, rewrites
from irflow_passes.rules.match import made_by


def inserted_ones(inner: Sequence[Size], outer: Sequence[Size]) -> tuple[int, ...] | None:
    """Where each axis of `inner` stands in `outer` if the latter has only more axes of size 1."""
    places: list[int] = []
    position = 0
    for size in inner:
        while position < len(outer) and outer[position] != size and outer[position] == 1:
            position += 1
        if position == len(outer) or outer[position] != size:
            return None
        places.append(position)
        position += 1
    rest = outer[position:]
    return tuple(places) if all(size == 1 for size in rest) else None


@rewrites(Reshape)
def drop_identity_reshape(node: Node, build: RuleBuilder) -> Value | None:
    """A reshape to the shape that is there already."""
    x = node.inputs[0]
    return x if x.type == node.output.type else None


@rewrites(Reshape)
def merge_reshapes(node: Node, build: RuleBuilder) -> Value | None:
    """`reshape reshape x` is one reshape."""
    inner = made_by(node.inputs[0], Reshape)
    return build(node.op, inner[0].inputs[0]) if inner else None


@rewrites(Reshape)
def reshape_of_broadcast(node: Node, build: RuleBuilder) -> Value | None:
    """`reshape broadcast x` is one broadcast for a scalar `x`, or when only ones are added."""
    inner = made_by(node.inputs[0], Broadcast)
    if inner is None:
        return None
    producer, op = inner
    shape = node.output.type.shape
    if not op.axes:
        return build(Broadcast(shape, ()), producer.inputs[0])
    places = inserted_ones(op.shape, shape)
    if places is not None:
        return build(Broadcast(shape, tuple(places[axis] for axis in op.axes)), producer.inputs[0])
    return _without_ones(producer, op, shape, build)


def _without_ones(
    producer: Node, op: Broadcast, shape: tuple[Size, ...], build: RuleBuilder
) -> Value | None:
    """The case in which the reshape takes away new axes of size 1."""
    places = inserted_ones(shape, op.shape)
    if places is None or not set(op.axes) <= set(places):
        return None
    new = {old: axis for axis, old in enumerate(places)}
    return build(Broadcast(shape, tuple(new[axis] for axis in op.axes)), producer.inputs[0])


@rewrites(Broadcast)
def drop_identity_broadcast(node: Node, build: RuleBuilder) -> Value | None:
    """A broadcast to the shape that is there already."""
    x = node.inputs[0]
    return x if x.type == node.output.type else None


@rewrites(Broadcast)
def merge_broadcasts(node: Node, build: RuleBuilder) -> Value | None:
    """`broadcast broadcast x` is one broadcast."""
    assert isinstance(node.op, Broadcast)
    inner = made_by(node.inputs[0], Broadcast)
    if inner is None:
        return None
    axes = tuple(node.op.axes[axis] for axis in inner[1].axes)
    return build(Broadcast(node.op.shape, axes), inner[0].inputs[0])


@rewrites(Broadcast)
def broadcast_of_reshape(node: Node, build: RuleBuilder) -> Value | None:
    """A broadcast takes over a reshape that only adds axes of size 1."""
    assert isinstance(node.op, Broadcast)
    inner = made_by(node.inputs[0], Reshape)
    if inner is None:
        return None
    x = inner[0].inputs[0]
    places = inserted_ones(x.type.shape, node.inputs[0].type.shape)
    if places is None:
        return None
    axes = tuple(node.op.axes[place] for place in places)
    return build(Broadcast(node.op.shape, axes), x)


@rewrites(Broadcast)
def broadcast_to_reshape(node: Node, build: RuleBuilder) -> Value | None:
    """A broadcast that repeats nothing, as it only adds axes of size 1, is a reshape."""
    assert isinstance(node.op, Broadcast)
    repeated = node.op.repeated_axes(node.inputs[0].type.shape)
    if any(node.op.shape[axis] != 1 for axis in repeated):
        return None
    return build(Reshape(node.op.shape), node.inputs[0])


RULES = (
    drop_identity_reshape,
    merge_reshapes,
    reshape_of_broadcast,
    drop_identity_broadcast,
    merge_broadcasts,
    broadcast_of_reshape,
    broadcast_to_reshape,
)
