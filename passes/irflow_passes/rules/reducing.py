"""Rules for reductions."""

from __future__ import annotations

from irflow.dims import Size
from irflow.ir.graph import Node, Value
from irflow.ops.broadcast import Broadcast, Reduce, Reshape
from irflow.ops.shape import Transpose
from irflow.transform import NoMatch, RuleBuilder, rewrites
from irflow_passes.rules.match import is_positive, made_by

# Rows for which combining a value with itself gives that value.
_IDEMPOTENT = frozenset(
    ("maximum", "minimum", "logical_and", "logical_or", "bitwise_and", "bitwise_or")
)
# Up to here a count of elements is exact in every float type but bf16, which counts to 256.
_LARGEST_COUNT = {"bf16": 256, "f16": 2048}


@rewrites(Reduce)
def drop_empty_reduce(node: Node, build: RuleBuilder) -> Value | None:
    """A reduction over no axes, or over axes of size 1, only drops them.

    A sum would turn -0.0 into 0.0; that difference is given up.
    """
    assert isinstance(node.op, Reduce)
    x = node.inputs[0]
    if any(x.type.shape[axis] != 1 for axis in node.op.axes):
        return None
    return build(Reshape(node.output.type.shape), x) if node.op.axes else x


@rewrites(Reduce)
def drop_reduced_ones(node: Node, build: RuleBuilder) -> Value | None:
    """Axes of size 1 are dropped before the reduction of the others."""
    assert isinstance(node.op, Reduce)
    x = node.inputs[0]
    ones = [axis for axis in node.op.axes if x.type.shape[axis] == 1]
    if not ones or len(ones) == len(node.op.axes):
        return None
    kept = [axis for axis in range(x.type.rank) if axis not in ones]
    small = build(Reshape(tuple(x.type.shape[axis] for axis in kept)), x)
    axes = tuple(i for i, axis in enumerate(kept) if axis in node.op.axes)
    return build(Reduce(node.op.row, axes), small)


@rewrites(Reduce)
def merge_reduces(node: Node, build: RuleBuilder) -> Value | NoMatch | None:
    """`reduce reduce x` of one row is one reduction. Float sums associate anew, as they may."""
    assert isinstance(node.op, Reduce)
    inner = made_by(node.inputs[0], Reduce)
    if inner is None or inner[1].row is not node.op.row:
        return None
    producer, op = inner
    if len(producer.output.uses) > 1:
        return NoMatch("the inner reduction has other readers")
    x = producer.inputs[0]
    kept = [axis for axis in range(x.type.rank) if axis not in op.axes]
    axes = sorted({*op.axes, *(kept[axis] for axis in node.op.axes)})
    return build(Reduce(op.row, tuple(axes)), x)


@rewrites(Reduce)
def reduce_of_transpose(node: Node, build: RuleBuilder) -> Value | None:
    """The order of axes matters to a reduction only for those that stay."""
    assert isinstance(node.op, Reduce)
    inner = made_by(node.inputs[0], Transpose)
    if inner is None or not node.op.axes:
        return None
    producer, op = inner
    axes = tuple(sorted(op.perm[axis] for axis in node.op.axes))
    reduced = build(Reduce(node.op.row, axes), producer.inputs[0])
    kept = [axis for place, axis in enumerate(op.perm) if place not in node.op.axes]
    if kept == sorted(kept):
        return reduced
    ranks = {axis: i for i, axis in enumerate(sorted(kept))}
    return build(Transpose(tuple(ranks[axis] for axis in kept)), reduced)


@rewrites(Reduce)
def reduce_of_broadcast(node: Node, build: RuleBuilder) -> Value | NoMatch | None:
    """What is repeated need not be combined: maximum keeps it, a sum multiplies by the count.

    A float product rounds once where the sum rounds at every step.
    """
    assert isinstance(node.op, Reduce)
    inner = made_by(node.inputs[0], Broadcast)
    if inner is None:
        return None
    producer, op = inner
    x = producer.inputs[0]
    repeated = set(op.repeated_axes(x.type.shape)) & set(node.op.axes)
    if not repeated:
        return None
    if not all(is_positive(op.shape[axis]) for axis in repeated):
        return NoMatch("the repeated axis may be empty")
    name = node.op.row.name
    count = _count(op.shape, repeated)
    most = _LARGEST_COUNT.get(x.type.dtype.name, 1 << 24)
    if name not in _IDEMPOTENT and (name != "add" or count is None or count > most):
        return None
    rest = _without(node, op, x, repeated, build)
    if name == "add" and count is not None:
        return build.row("multiply", rest, build.full(count, rest.type))
    return rest


def _count(shape: tuple[Size, ...], axes: set[int]) -> int | None:
    count = 1
    for axis in axes:
        size = shape[axis]
        if not isinstance(size, int):
            return None
        count *= size
    return count


def _without(node: Node, op: Broadcast, x: Value, repeated: set[int], build: RuleBuilder) -> Value:
    """The same reduction of a broadcast that does not repeat the axes in question."""
    assert isinstance(node.op, Reduce)
    kept = [axis for axis in range(len(op.shape)) if axis not in repeated]
    if any(axis in repeated for axis in op.axes):
        present = [i for i, axis in enumerate(op.axes) if axis not in repeated]
        x = build(Reshape(tuple(x.type.shape[i] for i in present)), x)
    axes = tuple(kept.index(axis) for axis in op.axes if axis not in repeated)
    small = build(Broadcast(tuple(op.shape[axis] for axis in kept), axes), x)
    remaining = tuple(kept.index(axis) for axis in node.op.axes if axis not in repeated)
    return build(Reduce(node.op.row, remaining), small) if remaining else small


RULES = (
    drop_empty_reduce,
    drop_reduced_ones,
    reduce_of_transpose,
    reduce_of_broadcast,
    merge_reduces,
)
