"""Rules that keep what is computed from a product of matrices in the product's own rows.

A dense layer multiplies `[b * t, c]` and calls the result `[b, t, c]`. What is added to it and
applied to it then is done to the rows instead, and the reshape comes behind, so that one kernel
holds the product and all that follows element by element.
"""

from __future__ import annotations

from dataclasses import replace

from irflow import dims
from irflow.dims import Size
from irflow.ir.graph import Node, Value
from irflow.ops.broadcast import Broadcast, Reduce, Reshape
from irflow.ops.constants import Constant
from irflow.ops.elementwise import Convert, Elementwise
from irflow.ops.random_bits import RandomBits
from irflow.transform import NoMatch, RuleBuilder, rewrites
from irflow_passes.rules.match import made_by

Shape = tuple[Size, ...]

# Nodes that are looked at in search of a product.
_PATIENCE = 64
_DEPTH = 16


def is_from_product(value: Value) -> bool:
    """Whether a product or convolution, functions of its elements and sums of rows lead there."""
    waiting, seen = [value], 0
    while waiting and seen < _PATIENCE:
        current = waiting.pop()
        node = current.node
        seen += 1
        if node is None:
            continue
        if node.is_contraction:
            return True
        if type(node.op) in (Elementwise, Convert):
            waiting += [v for v in node.inputs if v.type.shape == current.type.shape]
        elif type(node.op) is Reduce and node.op.axes == (current.type.rank,):
            waiting.append(node.inputs[0])
    return False


def _regrouped(value: Value) -> Value | None:
    """What a reshape took the rows of, or the numbers of rows, if it comes from a product.

    The columns of a matrix may have been split too. What has more axes stays as it is: two such
    forms would be made of each other without end.
    """
    inner = made_by(value, Reshape)
    if inner is None:
        return None
    x = inner[0].inputs[0]
    if x.type.rank > 2:
        return None
    is_kept = x.type.rank == 1 or _split(value.type.shape, x.type.shape) is not None
    return x if is_kept and is_from_product(x) else None


def _split(shape: Shape, rows: Shape) -> int | None:
    """How many axes of `shape` the rows make up; None if their columns are not the other axes."""
    if len(rows) < 2 or len(shape) < 2:
        return None
    if shape[-1] == rows[-1]:
        return len(shape) - 1
    for axis in range(len(shape) - 2, 0, -1):
        if dims.product(shape[axis:]) == rows[-1]:
            return axis if len(rows) == 2 else None
    return None


def as_rows(value: Value, shape: Shape, build: RuleBuilder, depth: int = 0) -> Value | None:
    """`value` in the shape of a product's rows; None where that would cost something."""
    node = value.node
    if node is None:
        return build(Reshape(shape), value)
    op = node.op
    match op:
        case Reshape():
            x = node.inputs[0]
            return x if x.type.shape == shape else build(Reshape(shape), x)
        case Broadcast():
            return _broadcast_as_rows(node, op, shape, build)
        case Constant():
            return build(Constant(op.value.reshaped([int(size) for size in shape])))
        case RandomBits() if len(value.uses) == 1:
            return build(replace(op, shape=shape), *node.inputs)
        case Elementwise() | Convert() if len(value.uses) == 1 and depth < _DEPTH:
            operands = [as_rows(x, shape, build, depth + 1) for x in node.inputs]
            found = [x for x in operands if x is not None]
            return build(op, *found) if len(found) == len(operands) else None
    if node.is_contraction and len(value.uses) == 1:
        return None
    return build(Reshape(shape), value)


def _broadcast_as_rows(node: Node, op: Broadcast, shape: Shape, build: RuleBuilder) -> Value | None:
    """A number, a number a column, or a number a row, repeated."""
    x = node.inputs[0]
    if not op.axes:
        return build(Broadcast(shape, ()), x)
    split = _split(op.shape, shape)
    if split is None:
        return None
    wide = {axis for axis, size in enumerate(op.shape) if size != 1}
    repeated = wide & set(op.repeated_axes(x.type.shape))
    rows = {axis for axis in wide if axis < split}
    if repeated == rows:
        return build(Broadcast(shape, (len(shape) - 1,)), build(Reshape(shape[-1:]), x))
    if repeated == wide - rows:
        numbers = build(Reshape(shape[:-1]), x)
        return build(Broadcast(shape, tuple(range(len(shape) - 1))), numbers)
    return None


@rewrites(Elementwise, Convert)
def compute_before_reshape(node: Node, build: RuleBuilder) -> Value | NoMatch | None:
    """`f(reshape product, y)` is `reshape f(product, reshape y)`: it can join the product."""
    found = next((x for value in node.inputs if (x := _regrouped(value)) is not None), None)
    if found is None:
        return None
    shape = found.type.shape
    operands = []
    for value in node.inputs:
        operand = as_rows(value, shape, build)
        if operand is None:
            return NoMatch("an operand cannot be had in the rows of the product")
        operands.append(operand)
    return build(Reshape(node.output.type.shape), build(node.op, *operands))


@rewrites(Reduce)
def reduce_before_reshape(node: Node, build: RuleBuilder) -> Value | None:
    """Rows, or all their columns, are reduced as they come out of the product."""
    assert isinstance(node.op, Reduce)
    x = _regrouped(node.inputs[0])
    if x is None:
        return None
    given, rank = node.inputs[0].type.shape, x.type.rank
    split = _split(given, x.type.shape)
    if split is None:
        return None
    if node.op.axes == tuple(range(split)):
        columns = build(Reduce(node.op.row, tuple(range(rank - 1))), x)
        return build(Reshape(node.output.type.shape), columns)
    if node.op.axes != tuple(range(split, len(given))):
        return None
    numbers = build(Reduce(node.op.row, (rank - 1,)), x)
    return build(Reshape(node.output.type.shape), numbers)


RULES = (compute_before_reshape, reduce_before_reshape)
