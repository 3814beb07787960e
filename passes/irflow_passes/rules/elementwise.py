"""Rules for elementwise nodes: order of operands, and the way past broadcasts."""

# ruff: noqa: ARG001 -- all rules have one signature, needed or not

from __future__ import annotations

from irflow.ir.graph import Node, Value
from irflow.ops.broadcast import Broadcast
from irflow.ops.elementwise import Convert, Elementwise
from irflow.scalars import ROWS
from irflow.transform import NoMatch, RuleBuilder, rewrites
from irflow_passes.rules.match import is_constant, made_by, uniform

_MIRRORED = {
    "less": "greater",
    "greater": "less",
    "less_equal": "greater_equal",
    "greater_equal": "less_equal",
}
_COMMUTATIVE = tuple(name for name, row in ROWS.items() if row.commutative and row.arity == 2)


@rewrites(*_COMMUTATIVE)
def constant_last(node: Node, build: RuleBuilder) -> Value | None:
    """Constants are the second operand where the order does not matter.

    Of maximum and minimum of zeros of both signs, either is a correct result.
    """
    x, y = node.inputs
    if not is_constant(x) or is_constant(y):
        return None
    return build(node.op, y, x)


@rewrites(*_MIRRORED)
def compare_with_constant_last(node: Node, build: RuleBuilder) -> Value | None:
    """`2 < x` is `x > 2`."""
    assert isinstance(node.op, Elementwise)
    x, y = node.inputs
    if not is_constant(x) or is_constant(y):
        return None
    return build.row(_MIRRORED[node.op.row.name], y, x)


@rewrites(Elementwise, Convert)
def compute_before_broadcast(node: Node, build: RuleBuilder) -> Value | NoMatch | None:
    """`f(broadcast x, broadcast y)` is `broadcast f(x, y)`: fewer elements are computed.

    The broadcasts repeat the same axes; those of a scalar join any other.
    """
    chosen: tuple[Node, Broadcast] | None = None
    producers = []
    for value in node.inputs:
        inner = made_by(value, Broadcast)
        if inner is None:
            return None
        producers.append(inner[0])
        if inner[1].axes and chosen is None:
            chosen = inner
    node_of, op = chosen or (producers[0], Broadcast(node.output.type.shape, ()))
    shape = node_of.inputs[0].type.shape
    operands = []
    for producer in producers:
        x, same = producer.inputs[0], producer.op == op and producer.inputs[0].type.shape == shape
        if not same and x.type.rank:
            return NoMatch("the operands are repeated along different axes")
        operands.append(x if same else build(Broadcast(shape, ()), x))
    return build(op, build(node.op, *operands))


@rewrites("where")
def constant_condition(node: Node, build: RuleBuilder) -> Value | None:
    """A choice whose condition is known."""
    known = uniform(node.inputs[0])
    if known is None:
        return None
    return node.inputs[1] if known else node.inputs[2]


RULES = (constant_last, compare_with_constant_last, constant_condition, compute_before_broadcast)
