"""Rules that move transposes from channels-last to channels-first behind what follows them.

Convolutions and pools have their channels last. Where a network has them first, each of its layers
is between two transposes; moved behind everything in between, they meet those of the next layer
and cancel.
"""

from __future__ import annotations

from irflow.ir.graph import Graph, Node, Value
from irflow.ops.broadcast import Broadcast, Reduce
from irflow.ops.concatenation import Concatenate
from irflow.ops.constants import Constant
from irflow.ops.elementwise import Convert, Elementwise
from irflow.ops.shape import Pad, Slice, Transpose, inverse_permutation
from irflow.transform import NoMatch, RuleBuilder, rewrites
from irflow_passes.rules.match import made_by

_PASSED = (Elementwise, Convert, Reduce, Concatenate, Pad, Slice, Transpose)


def _moved(value: Value) -> Value | None:
    """The tensor with channels last of which `value` is the one with channels first.

    None if something reads the latter that wants it so.
    """
    inner = made_by(value, Transpose)
    if inner is None:
        return None
    producer, op = inner
    rank = len(op.perm)
    if rank < 4 or op.perm != (0, rank - 1, *range(1, rank - 1)):
        return None
    is_passed = all(isinstance(u, Graph) or isinstance(u.op, _PASSED) for u, _ in value.uses)
    return producer.inputs[0] if is_passed else None


def _first(build: RuleBuilder, value: Value) -> Value:
    """Channels first from channels last."""
    rank = value.type.rank
    return build(Transpose((0, rank - 1, *range(1, rank - 1))), value)


def _to_last(axes: int) -> tuple[int, ...]:
    return inverse_permutation((0, axes - 1, *range(1, axes - 1)))


@rewrites(Elementwise, Convert)
def compute_before_transpose(node: Node, build: RuleBuilder) -> Value | NoMatch | None:
    """`f(transpose x, transpose y)` is `transpose f(x, y)`; what is repeated may stand beside."""
    found = [_moved(value) for value in node.inputs]
    if not any(found):
        return None
    operands = []
    for value, x in zip(node.inputs, found, strict=True):
        if x is None and not isinstance(value.node and value.node.op, (Broadcast, Constant)):
            return NoMatch("an operand has its channels first")
        perm = _to_last(value.type.rank)
        operands.append(build(Transpose(perm), value) if x is None else x)
    return _first(build, build(node.op, *operands))


@rewrites(Pad)
def pad_before_transpose(node: Node, build: RuleBuilder) -> Value | None:
    """`pad transpose x` is `transpose pad x`."""
    op = node.op
    assert isinstance(op, Pad)
    x = _moved(node.inputs[0])
    if x is None:
        return None
    perm = _to_last(x.type.rank)
    low, high = (tuple(amounts[axis] for axis in perm) for amounts in (op.low, op.high))
    interior = tuple(op.interior[axis] for axis in perm)
    return _first(build, build(Pad(low, high, interior), x, node.inputs[1]))


@rewrites(Concatenate)
def concatenate_before_transpose(node: Node, build: RuleBuilder) -> Value | None:
    """`concatenate(transpose x, transpose y)` is `transpose concatenate(x, y)`."""
    assert isinstance(node.op, Concatenate)
    found = [_moved(value) for value in node.inputs]
    operands = [x for x in found if x is not None]
    if len(operands) < len(found):
        return None
    axis = _to_last(node.output.type.rank).index(node.op.axis)
    return _first(build, build(Concatenate(axis), *operands))


RULES = (compute_before_transpose, pad_before_transpose, concatenate_before_transpose)
