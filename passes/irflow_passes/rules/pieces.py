"""Rules for slices, padding and concatenation."""

# ruff: noqa: ARG001 -- all rules have one signature, needed or not

from __future__ import annotations

from typing import cast

from irflow.dims import Size
from irflow.ir.graph import Node, Value
from irflow.ops.broadcast import Broadcast
from irflow.ops.concatenation import Concatenate
from irflow.ops.shape import Pad, Slice
from irflow.transform import NoMatch, RuleBuilder, rewrites
from irflow_passes.rules.match import are_static, made_by, uniform


def _is_cut(op: Slice, shape: tuple[Size, ...], axis: int) -> bool:
    """Whether the slice leaves out elements of an axis."""
    return op.start[axis] != 0 or op.stop[axis] != shape[axis] or op.step[axis] != 1


@rewrites(Slice)
def drop_full_slice(node: Node, build: RuleBuilder) -> Value | None:
    """A slice that leaves nothing out."""
    assert isinstance(node.op, Slice)
    x = node.inputs[0]
    shape = x.type.shape
    return None if any(_is_cut(node.op, shape, axis) for axis in range(len(shape))) else x


@rewrites(Slice)
def merge_slices(node: Node, build: RuleBuilder) -> Value | NoMatch | None:
    """`slice slice x` is one slice, when the bounds are ints."""
    assert isinstance(node.op, Slice)
    inner = made_by(node.inputs[0], Slice)
    if inner is None:
        return None
    outer, (producer, first) = node.op, inner
    if not are_static((*outer.start, *outer.stop, *first.start, *first.stop)):
        return NoMatch("slices with symbolic bounds are not merged")
    start, stop, step = [], [], []
    for axis, size in enumerate(first.step):
        start.append(first.start[axis] + outer.start[axis] * size)
        # Behind the last element at most, so that the bound stays inside the operand.
        stop.append(min(first.start[axis] + outer.stop[axis] * size, cast(int, first.stop[axis])))
        step.append(size * outer.step[axis])
    # An empty slice may begin behind its end.
    start = [min(a, b) for a, b in zip(start, stop, strict=True)]
    return build(Slice(tuple(start), tuple(stop), tuple(step)), producer.inputs[0])


@rewrites(Slice)
def slice_of_broadcast(node: Node, build: RuleBuilder) -> Value | None:
    """Slicing only axes along which a value is repeated is a smaller broadcast."""
    assert isinstance(node.op, Slice)
    inner = made_by(node.inputs[0], Broadcast)
    if inner is None:
        return None
    producer, op = inner
    repeated = op.repeated_axes(producer.inputs[0].type.shape)
    cut = [axis for axis in range(len(op.shape)) if _is_cut(node.op, op.shape, axis)]
    if not set(cut) <= set(repeated):
        return None
    return build(Broadcast(node.output.type.shape, op.axes), producer.inputs[0])


@rewrites(Slice)
def slice_of_concatenate(node: Node, build: RuleBuilder) -> Value | None:
    """A slice that lies within one operand of a concatenation reads that operand alone."""
    assert isinstance(node.op, Slice)
    inner = made_by(node.inputs[0], Concatenate)
    if inner is None:
        return None
    producer, op = inner
    axis, begin = op.axis, cast(Size, 0)
    start, stop = node.op.start, node.op.stop
    for operand in producer.inputs:
        size = operand.type.shape[axis]
        if not are_static((begin, size, start[axis], stop[axis])):
            return None
        if begin <= start[axis] < stop[axis] <= begin + size:
            new_start = (*start[:axis], start[axis] - begin, *start[axis + 1 :])
            new_stop = (*stop[:axis], stop[axis] - begin, *stop[axis + 1 :])
            return build(Slice(new_start, new_stop, node.op.step), operand)
        begin = begin + size
    return None


@rewrites(Slice)
def slice_of_pad(node: Node, build: RuleBuilder) -> Value | None:
    """A slice of the part that was there before the padding."""
    assert isinstance(node.op, Slice)
    inner = made_by(node.inputs[0], Pad)
    if inner is None:
        return None
    producer, op = inner
    x = producer.inputs[0]
    start, stop = node.op.start, node.op.stop
    if not are_static((*start, *stop, *op.low, *x.type.shape)) or any(op.interior):
        return None
    new_start = tuple(a - low for a, low in zip(start, op.low, strict=True))
    new_stop = tuple(a - low for a, low in zip(stop, op.low, strict=True))
    bounds = zip(new_start, new_stop, x.type.shape, strict=True)
    if not all(0 <= a <= b <= size for a, b, size in bounds):
        return None
    return build(Slice(new_start, new_stop, node.op.step), x)


@rewrites(Pad)
def drop_empty_pad(node: Node, build: RuleBuilder) -> Value | None:
    """Padding by nothing."""
    x = node.inputs[0]
    return x if x.type == node.output.type else None


@rewrites(Pad)
def merge_pads(node: Node, build: RuleBuilder) -> Value | None:
    """`pad pad x` with the same fill value is one pad, without gaps between elements."""
    assert isinstance(node.op, Pad)
    inner = made_by(node.inputs[0], Pad)
    if inner is None or any(inner[1].interior) or any(node.op.interior):
        return None
    producer, op = inner
    if producer.inputs[1] is not node.inputs[1]:
        return None
    low = tuple(a + b for a, b in zip(op.low, node.op.low, strict=True))
    high = tuple(a + b for a, b in zip(op.high, node.op.high, strict=True))
    return build(Pad(low, high, op.interior), *producer.inputs)


@rewrites(Concatenate)
def drop_single_concatenate(node: Node, build: RuleBuilder) -> Value | None:
    """The concatenation of one operand."""
    return node.inputs[0] if len(node.inputs) == 1 else None


@rewrites(Concatenate)
def drop_empty_operands(node: Node, build: RuleBuilder) -> Value | None:
    """Operands without elements add nothing to a concatenation."""
    assert isinstance(node.op, Concatenate)
    axis = node.op.axis
    kept = [value for value in node.inputs if value.type.shape[axis] != 0]
    if len(kept) == len(node.inputs) or not kept:
        return None
    return build(node.op, *kept)


@rewrites("add")
def add_of_pads(node: Node, build: RuleBuilder) -> Value | None:
    """The sum of neighbouring pieces, each with zeros for the other, is both joined.

    The gradient of slices has this form. The sum would turn -0.0 into 0.0.
    """
    found = [_placed(value) for value in node.inputs]
    pieces = sorted((f for f in found if f is not None), key=lambda piece: piece[2])
    if len(pieces) < 2 or pieces[0][1] != pieces[1][1]:
        return None
    first, second = pieces
    axis, shape = first[1], node.output.type.shape
    end = first[2] + first[0].type.shape[axis]
    if end != second[2]:
        return None
    joined = build(Concatenate(axis), first[0], second[0])
    rest = shape[axis] - second[2] - second[0].type.shape[axis]
    low, high = ([0] * len(shape) for _ in range(2))
    low[axis], high[axis] = first[2], cast(int, rest)
    zero = build.constant(node.output.type.dtype.numpy.type(0))
    return build(Pad(tuple(low), tuple(high), (0,) * len(shape)), joined, zero)


def _placed(value: Value) -> tuple[Value, int, int] | None:
    """What is padded with zeros along one axis, that axis, and where it begins there."""
    inner = made_by(value, Pad)
    if inner is None or uniform(inner[0].inputs[1]) != 0 or any(inner[1].interior):
        return None
    node, op = inner
    amounts = [*zip(op.low, op.high, strict=True)]
    axes = [axis for axis, pair in enumerate(amounts) if pair != (0, 0)]
    if len(axes) != 1 or not are_static((*amounts[axes[0]], value.type.shape[axes[0]])):
        return None
    return node.inputs[0], axes[0], cast(int, op.low[axes[0]])


RULES = (
    add_of_pads,
    drop_full_slice,
    merge_slices,
    slice_of_broadcast,
    slice_of_concatenate,
    slice_of_pad,
    drop_empty_pad,
    merge_pads,
    drop_single_concatenate,
    drop_empty_operands,
)
